"""A recording as it waits in a spool, and the bytes of its file: a line of JSON that says what it is, then the payload."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from trackteroid.commits.submission import PLAIN, Terms
from trackteroid.errors import BadInputError, SpoolDataError, SpoolError

__all__ = ["HEADER_LIMIT", "SUFFIX", "SpooledRecording", "decode", "encode", "file_name", "safe_id"]

_FORMAT = "trackteroid spool"
# What an older release would misunderstand (a held recording, an order to release one) has the second version, so that it is
# left alone there; everything else has the first.
_VERSIONS = (1, 2)
#: What the names of its files end with.
SUFFIX = ".spooled"
#: The header has a fixed set of short fields.
HEADER_LIMIT = 64 * 1024
_REASON_LIMIT = 500
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpooledRecording:
    """One recording as it waits, or the order to release one.

    Attributes:
        commit_id: The recording's id.
        digest: SHA-256 over its operations; empty in an order.
        server_url: Normalised URL of the ftrack server it is for.
        redis_url: The Redis it was meant for, without password: a node may work for several.
        payload: As the ledger stores it; of an order the facts of the release, as JSON.
        reason: Why it is here.
        kind: `recording`, or `release`: the order to release what waits before it, or stands in the ledger.
        terms: How it is to be committed, and who says so.
    """

    commit_id: str
    digest: str
    server_url: str
    redis_url: str
    payload: bytes
    reason: str = ""
    kind: str = "recording"
    terms: Terms = PLAIN


def safe_id(commit_id: str) -> str:
    """Return what stands for an id in names of files: without dots and separators."""
    # A recording's id is text that somebody else wrote.
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", commit_id):
        return commit_id
    return f"sha256-{hashlib.sha256(commit_id.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def file_name(item: SpooledRecording) -> str:
    """Return the name of its file."""
    # The same recording has the same name from every writer; another content or server never replaces it.
    facts = [item.commit_id, item.digest, item.server_url, item.redis_url]
    rest = json.dumps(facts if item.kind == "recording" else [*facts, item.kind])
    return f"{safe_id(item.commit_id)}.{hashlib.sha256(rest.encode()).hexdigest()[:12]}{SUFFIX}"


def encode(item: SpooledRecording) -> bytes:
    """Return the bytes of its file.

    Raises:
        BadInputError: What names it is too long, or holds half characters.
    """
    actor = item.terms.actor
    terms = {**asdict(item.terms), "actor": None if actor is None else _without_halves(actor)}
    if not all(map(_is_text, (item.commit_id, item.server_url, item.redis_url, *item.terms.depends_on))):
        raise BadInputError("An id or a URL of the recording holds half characters, which nothing can be named by.")
    header: dict[str, Any] = {
        "format": _FORMAT,
        "version": 1,
        "commit_id": item.commit_id,
        "digest": item.digest,
        "server_url": item.server_url,
        "redis_url": item.redis_url,
        "reason": _without_halves(item.reason[:_REASON_LIMIT]),
        "bytes": len(item.payload),
        "sha256": hashlib.sha256(item.payload).hexdigest(),
    }
    if item.kind != "recording" or not item.terms.are_plain:
        header |= {"version": 2, "kind": item.kind, "terms": terms}
    line = json.dumps(header).encode()
    if len(line) >= HEADER_LIMIT:
        raise BadInputError("The recording's id or server URL is too long for the spool.")
    return line + b"\n" + item.payload


def decode(data: bytes, limit: int) -> SpooledRecording:
    """Return the recording in the bytes of a file.

    Args:
        data: All of the file, as far as it may be long.
        limit: Bytes that a payload may have.

    Raises:
        SpoolDataError: It is damaged or no file of a spool.
        SpoolError: A newer release has written it.
    """
    line, separator, payload = data.partition(b"\n")
    try:
        header = json.loads(line) if separator and len(line) < HEADER_LIMIT else None
    except (ValueError, RecursionError) as error:
        raise SpoolDataError(f"It is no file of a spool: {error}.") from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise SpoolDataError("It is no file of a spool.")
    if header.get("version") not in _VERSIONS:
        # Not damaged: a newer release of ours can read it.
        raise SpoolError(f"It has format version {header.get('version')!r}; this release reads up to {max(_VERSIONS)}.")
    texts = {name: header.get(name) for name in ("commit_id", "digest", "server_url", "redis_url", "reason")}
    if not all(map(_is_text, texts.values())):
        raise SpoolDataError("Its header is damaged.")
    kind, terms = _order_in(header)
    if len(payload) > limit + HEADER_LIMIT:
        raise SpoolDataError(f"It has more than the {limit:,} bytes that are taken (TRACKTEROID_PAYLOAD_LIMIT).")
    if len(payload) != header.get("bytes") or hashlib.sha256(payload).hexdigest() != header.get("sha256"):
        raise SpoolDataError("It is damaged: its bytes are not those that were written.")
    return SpooledRecording(
        payload=payload, kind=kind, terms=terms, **{name: str(text) for name, text in texts.items()}
    )


def _order_in(header: dict[str, Any]) -> tuple[str, Terms]:
    if header["version"] == 1:
        return "recording", PLAIN
    kind: Any = header.get("kind")
    terms: Any = header.get("terms")
    if kind not in ("recording", "release"):
        raise SpoolError(f"It is an order of a kind that this release does not know: {kind!r}.")
    try:
        priority, depends_on, actor = terms["priority"], terms["depends_on"], terms["actor"]
        if priority.__class__ is not int or not isinstance(depends_on, list) or not all(map(_is_text, depends_on)):
            raise ValueError("a priority is a number, and it depends on a list of ids")
        if actor is not None and not _is_text(actor):
            raise ValueError("who says so is no text")
        return kind, Terms(hold=terms["hold"] is True, priority=priority, depends_on=tuple(depends_on), actor=actor)
    except (BadInputError, KeyError, TypeError, ValueError) as error:
        raise SpoolDataError(f"Its header is damaged: {error}.") from error


def _without_halves(text: str) -> str:
    return _HALF.sub("?", text)


def _is_text(value: object) -> bool:
    """Whether a value is text that Redis takes: half characters, which JSON may hold, cannot be encoded."""
    return isinstance(value, str) and _HALF.search(value) is None
