"""Exit codes: the numbers of sysexits.h where one fits, so that farms and shells can tell what went wrong."""

from __future__ import annotations

import enum

from trackteroid import errors

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(enum.IntEnum):
    """What the command line returns; each member's docstring is its line in the documentation."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BAD_DATA = 65
    NOT_FOUND = 66
    UNAVAILABLE = 69
    INTERNAL = 70
    CANNOT_WRITE = 71
    SPOOL_FULL = 73
    OUTPUTS_MISSING = 74
    SPOOLED = 75
    NO_PERMISSION = 77
    SETTINGS = 78
    TIMEOUT = 124
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "ftrack refused the operations, a commit is dead or cannot be changed, or a check of `doctor` failed",
    ExitCode.USAGE: "the command was called wrongly",
    ExitCode.BAD_DATA: "a file is no recording that can be used",
    ExitCode.NOT_FOUND: "there is no such file, or no such commit",
    ExitCode.UNAVAILABLE: "ftrack or Redis cannot be reached",
    ExitCode.INTERNAL: "something unexpected; please report it",
    ExitCode.CANNOT_WRITE: "this machine cannot write to its temporary folder or to standard output: most often a full disk",
    ExitCode.SPOOL_FULL: "the spool is full or cannot be used: a recording was not accepted",
    ExitCode.OUTPUTS_MISSING: "files that the recording expects are missing or empty, or cannot be looked at: still held",
    ExitCode.SPOOLED: "accepted, but in the spool: Redis takes nothing now; it is delivered later",
    ExitCode.NO_PERMISSION: "ftrack refused the user or the key",
    ExitCode.SETTINGS: "a setting is missing or cannot be used, or an extra is not installed",
    ExitCode.TIMEOUT: "a commit has not ended within the time to wait; it goes on",
    ExitCode.INTERRUPTED: "interrupted",
}

# The most specific class first: the first that matches counts.
_BY_ERROR: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (errors.RecordingNotFoundError, ExitCode.NOT_FOUND),
    (errors.OutputsError, ExitCode.OUTPUTS_MISSING),
    (errors.UnknownCommitError, ExitCode.NOT_FOUND),
    (errors.RecordingError, ExitCode.BAD_DATA),
    (errors.LedgerDataError, ExitCode.BAD_DATA),
    (errors.SpoolDataError, ExitCode.BAD_DATA),
    (errors.SpoolError, ExitCode.SPOOL_FULL),
    (errors.CommitTimeoutError, ExitCode.TIMEOUT),
    (errors.LedgerUnavailableError, ExitCode.UNAVAILABLE),
    (errors.CacheUnavailableError, ExitCode.UNAVAILABLE),
    (errors.TemporaryFolderError, ExitCode.CANNOT_WRITE),
    (errors.BadInputError, ExitCode.USAGE),
    (errors.SettingsError, ExitCode.SETTINGS),
    (errors.ConfigurationError, ExitCode.SETTINGS),
    (errors.TrackteroidError, ExitCode.FAILED),
)

# Kinds of `ServerCallError` that mean that nobody was there to answer.
_AWAY = frozenset({"connection", "timeout", "not_json"})


def exit_code_of(error: errors.TrackteroidError) -> ExitCode:
    """Return the exit code for an error of ours."""
    if isinstance(error, errors.ServerCallError):
        if error.kind in _AWAY or error.status in {429, 502, 503, 504}:
            return ExitCode.UNAVAILABLE
        if error.exception == "InvalidCredentialsError" or error.status in {401, 403}:
            return ExitCode.NO_PERMISSION
    return next(code for kind, code in _BY_ERROR if isinstance(error, kind))
