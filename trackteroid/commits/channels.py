"""The ways to somebody: the studio's function `ON_COMMIT_STATE`, and a webhook."""

from __future__ import annotations

import hmac
import http.client
import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message as Headers
from typing import IO, Any

from trackteroid import configuration
from trackteroid.commits.telling import Channel, Message
from trackteroid.errors import ConfigurationError
from trackteroid.settings import Settings

__all__ = ["SIGNATURE_HEADER", "HookChannel", "WebhookChannel", "channels_of", "webhook_signature"]

logger = logging.getLogger(__name__)

#: Holds `sha256=` and the HMAC-SHA256 of the body with the (first) signing key, hexadecimal.
SIGNATURE_HEADER = "X-Trackteroid-Signature"


def channels_of(settings: Settings) -> list[Channel]:
    """Return the channels that somebody has configured. A configuration file that cannot be used is logged, and has none."""
    found: list[Channel] = []
    try:
        hook = configuration.entries()["ON_COMMIT_STATE"]
    except ConfigurationError as error:
        logger.error("Nobody is told through ON_COMMIT_STATE: %s", error)
        hook = None
    if hook is not None:
        found.append(HookChannel(hook))
    if settings.webhook_url is not None:
        key = settings.signing_keys[0] if settings.signing_keys else None
        found.append(WebhookChannel(settings.webhook_url, key=key))
    return found


class _Apart:
    """Makes calls of which nobody knows how long they take, one at a time, each in a thread of its own.

    Args:
        name: What is called, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: threading.Thread | None = None

    def run(self, call: Callable[[], object], seconds: float) -> None:
        """Make a call, unless the last one has not returned yet.

        Raises:
            TimeoutError: It has not returned in time, or not from the last call.
            Exception: Whatever it raises.
        """
        if self._running is not None and self._running.is_alive():
            raise TimeoutError(f"{self._name} has still not returned from its last call")
        failures: list[BaseException] = []

        def run() -> None:
            try:
                call()
            except BaseException as error:
                # One that calls sys.exit() too: a thread would end without a word.
                failures.append(error)

        # A daemon: a worker that ends does not wait for it.
        self._running = threading.Thread(target=run, name=self._name, daemon=True)
        self._running.start()
        self._running.join(seconds)
        if self._running.is_alive():
            raise TimeoutError(f"{self._name} has not returned within {seconds:g} s")
        self._running = None
        for error in failures:
            if isinstance(error, Exception):
                raise error
            raise RuntimeError(f"{self._name} has raised {type(error).__name__}") from error


class HookChannel:
    """Calls a function of the studio's, in a thread of its own, since nobody knows what it does.

    Args:
        hook: Called with the message.
        seconds: How long it may take; one that takes longer counts as failed and is not called again before it has returned.
    """

    name = "hook"

    def __init__(self, hook: Callable[[Message], object], *, seconds: float = 30.0) -> None:
        self._hook = hook
        self.seconds = seconds
        self._apart = _Apart("ON_COMMIT_STATE")

    def send(self, message: Message) -> None:
        """Call it.

        Raises:
            TimeoutError: It has not returned in time.
            Exception: Whatever it raises.
        """
        self._apart.run(lambda: self._hook(message), self.seconds)


class WebhookChannel:
    """Posts messages as JSON.

    Args:
        url: Where to.
        key: Signs the body; None: it is not signed.
        seconds: How long it may take. (Time-outs of sockets bound each step, and looking a host name up not at all.)
    """

    name = "webhook"

    def __init__(self, url: str, *, key: str | None = None, seconds: float = 10.0) -> None:
        self._url = url
        self._key = key
        self.seconds = seconds
        self._apart = _Apart("the webhook")
        # A redirected POST becomes a GET without the message, which would look delivered.
        self._opener = urllib.request.build_opener(_NoRedirects())

    def send(self, message: Message) -> None:
        """Post it; an answer from 200 to 299 means that it arrived.

        Raises:
            OSError: Anything else. (The URL, which may hold a secret, is not in its text.)
        """
        # Half characters, as names of files in an old encoding have them, cannot be sent.
        body = json.dumps(message.as_dict(), ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "trackteroid"}
        if self._key is not None:
            headers[SIGNATURE_HEADER] = webhook_signature(body, key=self._key)
        request = urllib.request.Request(self._url, body, headers, method="POST")
        self._apart.run(lambda: self._post(request), self.seconds)

    def _post(self, request: urllib.request.Request) -> None:
        try:
            with self._opener.open(request, timeout=self.seconds) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            raise OSError(f"the webhook answers {error.code} {error.reason}") from None
        except urllib.error.URLError as error:
            raise OSError(f"the webhook cannot be reached: {error.reason}") from None
        except http.client.HTTPException as error:
            raise OSError(f"the webhook does not answer as a web server does ({type(error).__name__})") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Headers, newurl: str
    ) -> Any:
        return None


def webhook_signature(body: bytes, *, key: str) -> str:
    """Return what the header of a message must hold; compare it with `hmac.compare_digest`."""
    return f"sha256={hmac.new(key.encode(), body, 'sha256').hexdigest()}"
