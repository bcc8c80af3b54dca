"""What a failure means for the commit it hit: one table, read from the top, the first row that fits decides.

Rules: design section 3 ("Every failure is classified"), ftrack-server 1.4 for the names. Pure; imports no client: exceptions of
ftrack_api and requests are recognised by name, so that classifying never loads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from trackteroid.commits.commit import CommitError
from trackteroid.commits.ledger import Doubt
from trackteroid.errors import (
    ConfigurationError,
    LedgerDataError,
    RecordingError,
    RecordingRefusedError,
    ServerCallError,
    SessionClosedError,
)

__all__ = ["TABLE", "Row", "Verdict", "VerdictKind", "classify", "is_refusal", "signature"]


class VerdictKind(str, Enum):
    """What to do about a failure."""

    #: Will pass by itself: retried within the horizon.
    TRANSIENT = "transient"
    #: Nobody has listed it: retried a few times, then dead.
    UNKNOWN = "unknown"
    #: Will never pass: dead at once.
    PERMANENT = "permanent"
    #: Needs something another recording brings: waits for it, within a horizon of its own.
    MISSING_REFERENCE = "missing_reference"
    #: Not this commit's fault but the workers' surroundings': retried, never dead.
    ENVIRONMENT = "environment"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The meaning of one failure.

    Attributes:
        kind: What to do.
        error_class: Class-like name of the failure.
        reason: For a person: what happened and what to do about it.
        server_text: What the server said.
        retry_after: Seconds the server asked to wait.
        doubt: Whether the request may have been applied.
    """

    kind: VerdictKind
    error_class: str
    reason: str
    server_text: str | None = None
    retry_after: float | None = None
    doubt: Doubt = Doubt.NONE

    def to_error(self) -> CommitError:
        """Return the verdict as the ledger keeps it."""
        return CommitError(
            kind=self.kind.value, error_class=self.error_class, message=self.reason, server_text=self.server_text
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: For tests and the documentation.
        fits: Whether a failed call belongs here.
        kind: What it means.
        advice: What a person should do; appended to what happened.
    """

    name: str
    fits: Callable[[ServerCallError], bool]
    kind: VerdictKind
    advice: str


def _exception(*names: str) -> Callable[[ServerCallError], bool]:
    wanted = frozenset(names)
    return lambda error: error.exception in wanted


def _status(*numbers: int) -> Callable[[ServerCallError], bool]:
    wanted = frozenset(numbers)
    return lambda error: error.status in wanted


def _kind(*kinds: str) -> Callable[[ServerCallError], bool]:
    wanted = frozenset(kinds)
    return lambda error: error.kind in wanted


_MAINTENANCE = re.compile(r"\bmaintenance\b", re.IGNORECASE)
# Texts of MySQL, PostgreSQL and SQLite for a reference to a row that is not there, and the sandbox's.
_MISSING = re.compile(
    r"foreign key|child row|does not exist|do not exist|not present in table|no such (row|entity)|unknown (row|entity)"
    r"|missing reference|not found",
    re.IGNORECASE,
)

# The same for a value that must be there.
_NULL = re.compile(r"not be null|cannot be null|null value in column|not null constraint", re.IGNORECASE)


def _maintenance(error: ServerCallError) -> bool:
    return error.kind in {"not_json", "http"} and bool(_MAINTENANCE.search(error.content or ""))


def _credentials(error: ServerCallError) -> bool:
    if error.error_code == "api_credentials_invalid":
        return True
    if error.exception in {"InvalidCredentialsError", "FTAuthenticationError", "AuthenticationError"}:
        return True
    # 403 with an error object is about one operation (PermissionError); without one it is about us.
    return error.status == 401 or (error.status == 403 and error.exception is None)


def is_refusal(error: ServerCallError) -> bool:
    """Whether the server has looked at a batch and certainly applied nothing of it, for a reason that lies in the batch."""
    return error.kind == "error_object" and not error.maybe_applied and not _credentials(error)


def _null(error: ServerCallError) -> bool:
    return error.exception in {"IntegrityError", "ValidationError"} and bool(_NULL.search(error.content or ""))


def _missing_reference(error: ServerCallError) -> bool:
    return error.exception == "IntegrityError" and bool(_MISSING.search(error.content or ""))


TABLE: tuple[Row, ...] = (
    Row(
        name="credentials",
        fits=_credentials,
        kind=VerdictKind.ENVIRONMENT,
        advice="Give the workers a valid FTRACK_API_USER and FTRACK_API_KEY; the commit goes on by itself.",
    ),
    Row(
        name="maintenance",
        fits=_maintenance,
        kind=VerdictKind.ENVIRONMENT,
        advice="The server is under maintenance; the commit goes on by itself.",
    ),
    Row(
        name="no connection",
        fits=_kind("connection", "timeout"),
        kind=VerdictKind.TRANSIENT,
        advice="It is tried again.",
    ),
    Row(
        name="rate limit or overload",
        fits=_status(408, 429, 502, 503, 504),
        kind=VerdictKind.TRANSIENT,
        advice="The server is busy; it is tried again.",
    ),
    Row(
        name="answer that is no JSON",
        fits=_kind("not_json"),
        kind=VerdictKind.TRANSIENT,
        advice="Something between us and ftrack answered; it is tried again.",
    ),
    Row(
        name="missing value",
        fits=_null,
        kind=VerdictKind.PERMANENT,
        advice="A value that the server requires is not there; record again with it.",
    ),
    Row(
        name="missing reference",
        fits=_missing_reference,
        kind=VerdictKind.MISSING_REFERENCE,
        advice="It refers to something that is not there yet; it is tried again in case another recording brings it.",
    ),
    Row(
        name="forbidden",
        fits=_exception("PermissionError"),
        kind=VerdictKind.PERMANENT,
        advice="Give the workers' API user the permission, then retry the commit.",
    ),
    Row(
        name="integrity",
        fits=_exception("IntegrityError", "DuplicateEntryError"),
        kind=VerdictKind.PERMANENT,
        advice="It clashes with what is on the server. Rename or remove what is in the way, then retry the commit.",
    ),
    Row(
        name="invalid value",
        fits=_exception("ValidationError", "ValueError"),
        kind=VerdictKind.PERMANENT,
        advice="The server does not accept a recorded value; record again with a valid one.",
    ),
    Row(
        name="unknown type or attribute",
        fits=_exception("KeyError", "AttributeError"),
        kind=VerdictKind.PERMANENT,
        advice="The server does not know a recorded type or attribute; add it there and retry, or record again.",
    ),
    Row(
        name="not understood",
        fits=_exception("ParseError", "MalformedRequestError"),
        kind=VerdictKind.PERMANENT,
        advice="The server does not understand the request; please report this with the recording.",
    ),
    Row(
        name="too large or malformed",
        fits=_status(413, 414, 422),
        kind=VerdictKind.PERMANENT,
        advice="The server refuses a request of this size or form; record in several blocks.",
    ),
    # The last row fits everything: status 500, an error object nobody has listed, any other status.
    Row(
        name="anything else",
        fits=lambda error: True,
        kind=VerdictKind.UNKNOWN,
        advice="Nobody has listed this failure; it is tried a few times.",
    ),
)

_CLIENT_ERROR = re.compile(r"Server reported error: (?P<exception>\w+)\((?P<content>.*)\)$", re.DOTALL)
_CONNECTION_NAMES = frozenset({"ConnectionError", "ConnectTimeout", "ReadTimeout", "Timeout", "ChunkedEncodingError"})


def classify(error: BaseException) -> Verdict:
    """Return what `error` means for the commit during whose attempt it was raised."""
    call = _as_call(error)
    if call is not None:
        row = next(row for row in TABLE if row.fits(call))
        return Verdict(
            kind=row.kind,
            error_class=call.exception or _NAMES.get(call.kind, call.kind),
            reason=f"{_sentence(str(call))} {row.advice}",
            server_text=call.content,
            retry_after=call.retry_after,
            doubt=_doubt(call),
        )
    name = type(error).__name__
    if isinstance(error, RecordingRefusedError):
        return Verdict(
            kind=VerdictKind.PERMANENT,
            error_class=name,
            reason=f"{_sentence(str(error))} Put that right and retry the commit, or record again.",
        )
    if isinstance(error, RecordingError | LedgerDataError):
        return Verdict(
            kind=VerdictKind.PERMANENT,
            error_class=name,
            reason=f"{_sentence(str(error))} Enqueue the original file again or record again.",
        )
    if isinstance(error, ConfigurationError):
        # The studio's file, not this commit: nothing can be committed before somebody has corrected it.
        return Verdict(kind=VerdictKind.ENVIRONMENT, error_class=name, reason=_sentence(str(error)))
    if isinstance(error, SessionClosedError):
        return Verdict(
            kind=VerdictKind.TRANSIENT, error_class=name, reason=f"{_sentence(str(error))} It is tried again."
        )
    if isinstance(error, OSError | MemoryError | ImportError) and not isinstance(error, ValueError):
        # A full disk, no file handles, no memory, a release that is being installed: this worker's trouble, not the commit's.
        return Verdict(
            kind=VerdictKind.TRANSIENT,
            error_class=name,
            reason=f"This worker's machine is in trouble: {name}: {_sentence(str(error) or name)} It is tried again.",
            doubt=Doubt.RUNNING,
        )
    if name == "SoftTimeLimitExceeded":
        return Verdict(
            kind=VerdictKind.TRANSIENT,
            error_class=name,
            reason="The attempt took longer than the workers' time limit. It is tried again.",
            doubt=Doubt.RUNNING,
        )
    # A mistake of ours, most likely: the request may have left, so nothing is certain.
    return Verdict(
        kind=VerdictKind.UNKNOWN,
        error_class=name,
        reason=f"{name}: {_sentence(str(error) or name)} This is not a failure we know; it is tried a few times.",
        doubt=Doubt.SETTLED,
    )


# What differs between two refusals of the same kind: quoted names, ids, numbers.
_PARTICULAR = re.compile(r"\"[^\"]*\"|'[^']*'|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,}\b|\d+")


def signature(verdict: Verdict) -> str:
    """Return a text that is the same for two failures that differ only in names, ids and numbers."""
    return f"{verdict.error_class}: {_PARTICULAR.sub('*', verdict.server_text or verdict.reason)[:200]}"


_NAMES = {"connection": "ConnectionError", "timeout": "Timeout", "not_json": "NoJSON", "http": "HTTPError"}


def _as_call(error: BaseException) -> ServerCallError | None:
    if isinstance(error, ServerCallError):
        return error
    module, name, text = type(error).__module__, type(error).__name__, str(error)
    if module.startswith("requests.") and name in _CONNECTION_NAMES:
        return ServerCallError(text, kind="connection", maybe_applied=True)
    if module.startswith("ftrack_api."):
        told = _CLIENT_ERROR.match(text)
        if told:
            return ServerCallError(
                text,
                kind="error_object",
                status=200,
                exception=told["exception"],
                content=told["content"],
                maybe_applied=False,
            )
        if "unexpected format" in text:
            return ServerCallError(text[:500], kind="not_json", content=text[:2000], maybe_applied=True)
    return None


def _doubt(call: ServerCallError) -> Doubt:
    if not call.maybe_applied:
        return Doubt.NONE
    # A gateway answers for a server that may still be at work.
    answered = call.status is not None and call.status not in (408, 502, 504)
    return Doubt.SETTLED if answered else Doubt.RUNNING


def _sentence(text: str) -> str:
    flat = " ".join(text.split())
    return flat if flat.endswith((".", "!", "?")) else f"{flat}."
