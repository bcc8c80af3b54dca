"""Every exception this library raises by itself.

A leaf module: it imports nothing of ours. The class says whose fault it is, and therefore what may be done about it;
the docstring of a class is its message when none is given, so that an error always reads as a sentence.
"""

from __future__ import annotations

__all__ = [
    "BadInputError",
    "CacheTimeoutError",
    "CacheUnavailableError",
    "CommitTimeoutError",
    "ConfigurationError",
    "ConfigurationFileError",
    "ConfigurationPathError",
    "DeferredCommitError",
    "EntityCollectionOperationError",
    "LeaseLostError",
    "LedgerDataError",
    "LedgerError",
    "LedgerUnavailableError",
    "ObjectTypesError",
    "OtherServerError",
    "OutputsError",
    "OutputsMissingError",
    "PolicyError",
    "QuerySyntaxError",
    "RecordingChangedError",
    "RecordingError",
    "RecordingFormatError",
    "RecordingNotFoundError",
    "RecordingRefusedError",
    "RecordingUnreadableError",
    "ServerCallError",
    "SessionClosedError",
    "SettingsError",
    "SignatureRefusedError",
    "SpoolDataError",
    "SpoolError",
    "SpoolFullError",
    "TemporaryFolderError",
    "TrackteroidError",
    "UnknownCommitError",
    "UnknownNameError",
    "UsageError",
]


class TrackteroidError(Exception):
    """Something went wrong in trackteroid."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or type(self).__name__).strip())


# Settings and input


class SettingsError(TrackteroidError, ValueError):
    """An environment variable has a value that we cannot use."""


class ConfigurationError(TrackteroidError, RuntimeError):
    """The user's configuration file cannot be used."""


class ConfigurationFileError(ConfigurationError, OSError):
    """The user's configuration file cannot be read."""


class ConfigurationPathError(ConfigurationError, AssertionError):
    """What is named as the user's configuration file is no Python file."""


class PolicyError(TrackteroidError, RuntimeError):
    """A rule of the studio about what may be committed fails."""


class TemporaryFolderError(TrackteroidError, OSError):
    """This machine's temporary folder cannot be written to."""


class BadInputError(TrackteroidError, ValueError):
    """An argument cannot be used."""


# Sessions and collections


class ObjectTypesError(TrackteroidError, ImportError):
    """A name that trackteroid does not have may be an object type of the server, which cannot be asked."""


class SessionClosedError(TrackteroidError, RuntimeError):
    """The session is closed."""


class DeferredCommitError(TrackteroidError, RuntimeError):
    """Operations recorded in a deferred_operations block are never sent by the process that records them."""


class EntityCollectionOperationError(TrackteroidError, ValueError):
    """The operation is not possible on these collections."""


class UsageError(TrackteroidError, AssertionError):
    """The call cannot be carried out as it was written.

    An `AssertionError` because the original library checked these with `assert`; ours is raised under `-O` too.
    """


class UnknownNameError(TrackteroidError, KeyError, AttributeError):
    """There is nothing of this name."""

    def __str__(self) -> str:
        # A KeyError shows the representation of its argument.
        return str(self.args[0])


class QuerySyntaxError(TrackteroidError, ValueError):
    """The query text cannot be understood."""


# Recordings


class RecordingError(TrackteroidError):
    """A recording cannot be used."""


class RecordingNotFoundError(RecordingError, FileNotFoundError):
    """There is no recording at this path."""


class RecordingFormatError(RecordingError, ValueError):
    """This file is not a recording we can read."""


class RecordingUnreadableError(RecordingFormatError):
    """This file looks like a recording, and cannot be read: it may be one that nobody else has."""


class RecordingRefusedError(RecordingError, ValueError):
    """The block did something that cannot be recorded."""


class RecordingChangedError(RecordingError, ValueError):
    """A recording with this id but another content is already known."""


class OtherServerError(RecordingRefusedError):
    """The recording was made for another ftrack server."""


class OutputsError(RecordingError, OSError):
    """The files that the recording expects cannot be looked at."""


class OutputsMissingError(OutputsError):
    """Files that the recording expects are missing or empty."""


class SignatureRefusedError(RecordingRefusedError):
    """The recording is not signed, or was changed after it was signed."""


# Spool


class SpoolError(TrackteroidError, OSError):
    """The spool cannot be used."""


class SpoolFullError(SpoolError):
    """The spool takes nothing more."""


class SpoolDataError(SpoolError, ValueError):
    """A file in the spool cannot be read."""


# Ledger and cache


class LedgerError(TrackteroidError):
    """The commit ledger cannot do this."""


class LedgerUnavailableError(LedgerError, ConnectionError):
    """The commit ledger cannot be reached."""


class LedgerDataError(LedgerError, ValueError):
    """The commit ledger holds something we cannot read."""


class UnknownCommitError(LedgerError, LookupError):
    """The commit ledger knows no commit of this id."""


class CommitTimeoutError(LedgerError, TimeoutError):
    """The commit has not ended in time."""


class LeaseLostError(LedgerError):
    """Another worker holds this commit by now."""


class CacheUnavailableError(TrackteroidError, ConnectionError):
    """The query cache cannot be reached."""


class CacheTimeoutError(CacheUnavailableError):
    """The query cache did not answer in time."""


# ftrack


class ServerCallError(TrackteroidError):
    """A request to the ftrack server gave no usable result.

    Carries what is known of the failure as plain values, so that `trackteroid.commits.classification` can decide by a
    table what it means.

    Attributes:
        kind: `"connection"` (no answer; the request may not even have left), `"timeout"` (no answer in time),
            `"http"` (an answer with status 400 or above and no error object), `"not_json"` (an answer that is no
            JSON, a maintenance page for example), `"error_object"` (the server's own error object).
        status: HTTP status of the answer, None without an answer.
        exception: The class-like name in the server's error object, None without one.
        content: The text in the server's error object, or the start of an answer that is no JSON.
        error_code: The error object's code, None without one.
        retry_after: Seconds the server asked to wait, None if it did not.
        maybe_applied: Whether the server may have applied the batch although no result arrived.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        status: int | None = None,
        exception: str | None = None,
        content: str | None = None,
        error_code: str | None = None,
        retry_after: float | None = None,
        maybe_applied: bool,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.exception = exception
        self.content = content
        self.error_code = error_code
        self.retry_after = retry_after
        self.maybe_applied = maybe_applied
