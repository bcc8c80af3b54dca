"""One name for one ftrack server, however its URL is spelled."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from trackteroid.errors import BadInputError, OtherServerError, SettingsError

__all__ = ["normalise_server_url", "refuse_other_server"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalise_server_url(url: str, aliases: Iterable[str] = ()) -> str:
    """Return the spelling of a server URL under which the ledger keeps that server's commits.

    Lower case, no default port, no path, no credentials. A bare word is a hosted server and a name without scheme is taken as
    https, as the official client does (`ftrack_api.Session.__init__`).

    Args:
        url: As given by a user, an environment variable or a manifest.
        aliases: `alias=url` pairs of URLs that mean the same server (`TRACKTEROID_SERVER_ALIASES`).

    Raises:
        BadInputError: `url` is empty or no web address.
        SettingsError: An alias is no `alias=url` pair.
    """
    names = {}
    for pair in aliases:
        alias, separator, target = pair.partition("=")
        if not separator or not alias.strip() or not target.strip():
            raise SettingsError(f"TRACKTEROID_SERVER_ALIASES has {pair!r}; each entry must read alias=url.")
        names[_normalise(alias)] = _normalise(target)
    normalised = _normalise(url)
    return names.get(normalised, normalised)


def refuse_other_server(recorded: str | None, target: str, aliases: Iterable[str] = ()) -> None:
    """Refuse to commit to one server what was recorded against another: their ids may be equal (a staging copy).

    Args:
        recorded: URL in the recording's manifest; None, for one that does not say, is accepted.
        target: URL of the server it is about to be committed to.
        aliases: As of `normalise_server_url`.

    Raises:
        OtherServerError: They differ.
    """
    if recorded is None:
        return
    theirs, ours = normalise_server_url(recorded, aliases), normalise_server_url(target, aliases)
    if theirs != ours:
        raise OtherServerError(
            f"It was recorded for {theirs}, and this is {ours}. If that is meant, name the server: server_url=... in "
            "Python, --server at the command line; if both are one server, list them in TRACKTEROID_SERVER_ALIASES."
        )


def _normalise(url: str) -> str:
    text = url.strip()
    if not text:
        raise BadInputError("No ftrack server is known: set FTRACK_SERVER, or give its URL.")
    if "://" not in text:
        text = f"https://{text}.ftrackapp.com" if text.isalnum() else f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
        # It names keys in Redis, which takes no half characters.
        text.encode()
    except ValueError as error:
        raise BadInputError(f"{url!r} is not the URL of an ftrack server: {error}.") from error
    if parts.scheme.lower() not in _DEFAULT_PORTS or not parts.hostname:
        raise BadInputError(
            f"{url!r} is not the URL of an ftrack server: expected http:// or https:// and a host name."
        )
    scheme = parts.scheme.lower()
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is None or port == _DEFAULT_PORTS[scheme]:
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}"
