"""One test per row of the table of design section 3, and that the table is complete."""

from __future__ import annotations

import ftrack_api.exception
import pytest
import requests

from trackteroid.commits.classification import TABLE, VerdictKind, classify, signature
from trackteroid.commits.ledger import Doubt
from trackteroid.errors import (
    LedgerDataError,
    RecordingFormatError,
    RecordingRefusedError,
    ServerCallError,
    SessionClosedError,
)


def failed(**facts: object) -> ServerCallError:
    facts.setdefault("maybe_applied", False)
    return ServerCallError("It failed", **facts)  # type: ignore[arg-type]


def refused(exception: str, content: str = "text", status: int | None = 400, **facts: object) -> ServerCallError:
    return failed(kind="error_object", exception=exception, content=content, status=status, **facts)


# row of the table, failure, verdict
CASES = [
    ("credentials", refused("InvalidCredentialsError", status=401), VerdictKind.ENVIRONMENT),
    ("credentials", refused("InvalidCredentialsError", status=200), VerdictKind.ENVIRONMENT),
    ("credentials", refused("Other", error_code="api_credentials_invalid"), VerdictKind.ENVIRONMENT),
    ("credentials", refused("FTAuthenticationError"), VerdictKind.ENVIRONMENT),
    ("credentials", failed(kind="http", status=401), VerdictKind.ENVIRONMENT),
    ("credentials", failed(kind="not_json", status=403, content="<html>"), VerdictKind.ENVIRONMENT),
    (
        "maintenance",
        failed(kind="not_json", status=503, content="<h1>Down for Maintenance</h1>"),
        VerdictKind.ENVIRONMENT,
    ),
    ("maintenance", failed(kind="not_json", status=200, content="scheduled maintenance"), VerdictKind.ENVIRONMENT),
    ("no connection", failed(kind="connection"), VerdictKind.TRANSIENT),
    ("no connection", failed(kind="timeout"), VerdictKind.TRANSIENT),
    ("rate limit or overload", failed(kind="http", status=429, retry_after=7.0), VerdictKind.TRANSIENT),
    ("rate limit or overload", failed(kind="http", status=502), VerdictKind.TRANSIENT),
    ("rate limit or overload", failed(kind="not_json", status=503, content="busy"), VerdictKind.TRANSIENT),
    ("rate limit or overload", refused("ServerError", status=503), VerdictKind.TRANSIENT),
    ("rate limit or overload", failed(kind="http", status=504), VerdictKind.TRANSIENT),
    (
        "answer that is no JSON",
        failed(kind="not_json", status=200, content="<html>login</html>"),
        VerdictKind.TRANSIENT,
    ),
    ("missing reference", refused("IntegrityError", "a foreign key constraint fails"), VerdictKind.MISSING_REFERENCE),
    ("missing reference", refused("IntegrityError", "Task abc does not exist"), VerdictKind.MISSING_REFERENCE),
    ("missing value", refused("IntegrityError", "Task.name must not be null (Task 1)."), VerdictKind.PERMANENT),
    ("missing value", refused("IntegrityError", "Column 'name' cannot be null"), VerdictKind.PERMANENT),
    (
        "missing value",
        refused("IntegrityError", 'null value in column "name" of relation "task"'),
        VerdictKind.PERMANENT,
    ),
    ("missing value", refused("IntegrityError", "NOT NULL constraint failed: task.name"), VerdictKind.PERMANENT),
    ("forbidden", refused("PermissionError", status=403), VerdictKind.PERMANENT),
    ("integrity", refused("IntegrityError", "Duplicate entry 'x' for key 'PRIMARY'"), VerdictKind.PERMANENT),
    ("integrity", refused("DuplicateEntryError"), VerdictKind.PERMANENT),
    ("invalid value", refused("ValidationError"), VerdictKind.PERMANENT),
    ("invalid value", refused("ValueError", "Invalid action u'fly'"), VerdictKind.PERMANENT),
    ("unknown type or attribute", refused("KeyError"), VerdictKind.PERMANENT),
    ("unknown type or attribute", refused("AttributeError"), VerdictKind.PERMANENT),
    ("not understood", refused("ParseError"), VerdictKind.PERMANENT),
    ("not understood", refused("MalformedRequestError"), VerdictKind.PERMANENT),
    ("too large or malformed", failed(kind="http", status=413), VerdictKind.PERMANENT),
    ("anything else", refused("InternalError", status=500), VerdictKind.UNKNOWN),
    ("anything else", failed(kind="http", status=500), VerdictKind.UNKNOWN),
    ("anything else", refused("NobodyHasSeenThisError"), VerdictKind.UNKNOWN),
    ("anything else", failed(kind="http", status=404), VerdictKind.UNKNOWN),
]


@pytest.mark.parametrize(("row", "failure", "kind"), CASES)
def test_a_failed_call_is_classified_by_its_row(row: str, failure: ServerCallError, kind: VerdictKind) -> None:
    fitting = next(entry for entry in TABLE if entry.fits(failure))
    assert fitting.name == row
    verdict = classify(failure)
    assert verdict.kind is kind
    assert verdict.reason == f"It failed. {fitting.advice}"
    assert verdict.server_text == failure.content


def test_every_row_is_tested_and_the_last_fits_everything() -> None:
    assert {row for row, _, _ in CASES} == {entry.name for entry in TABLE}
    assert TABLE[-1].fits(failed(kind="whatever"))


def test_what_the_server_asks_to_wait_is_kept() -> None:
    assert classify(failed(kind="http", status=429, retry_after=7.5)).retry_after == 7.5


@pytest.mark.parametrize(
    ("failure", "doubt"),
    [
        (failed(kind="connection"), Doubt.NONE),
        (failed(kind="connection", maybe_applied=True), Doubt.RUNNING),
        (failed(kind="timeout", maybe_applied=True), Doubt.RUNNING),
        (failed(kind="http", status=504, maybe_applied=True), Doubt.RUNNING),
        (failed(kind="http", status=500, maybe_applied=True), Doubt.SETTLED),
        (refused("ValidationError"), Doubt.NONE),
    ],
)
def test_whether_the_server_may_still_be_at_it(failure: ServerCallError, doubt: Doubt) -> None:
    assert classify(failure).doubt is doubt


def test_the_clients_own_errors_are_understood_by_their_text() -> None:
    error = ftrack_api.exception.ServerError("Server reported error: InvalidCredentialsError(No such\nuser (x).)")
    verdict = classify(error)
    assert (verdict.kind, verdict.error_class) == (VerdictKind.ENVIRONMENT, "InvalidCredentialsError")
    assert verdict.server_text == "No such\nuser (x)."
    broken = ftrack_api.exception.ServerError("Server reported error in unexpected format. Raw error was: <html>")
    assert classify(broken).kind is VerdictKind.TRANSIENT


def test_the_http_librarys_connection_errors_are_transient() -> None:
    assert classify(requests.exceptions.ConnectionError("refused")).kind is VerdictKind.TRANSIENT
    assert classify(requests.exceptions.ReadTimeout("slow")).kind is VerdictKind.TRANSIENT
    assert classify(requests.exceptions.InvalidSchema("mistake")).kind is VerdictKind.UNKNOWN


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RecordingFormatError("Not a recording."), VerdictKind.PERMANENT),
        (RecordingRefusedError("The server does not know the type X."), VerdictKind.PERMANENT),
        (LedgerDataError("Damaged."), VerdictKind.PERMANENT),
        (SessionClosedError(), VerdictKind.TRANSIENT),
        (ZeroDivisionError(), VerdictKind.UNKNOWN),
    ],
)
def test_our_own_failures_are_classified_too(error: Exception, kind: VerdictKind) -> None:
    verdict = classify(error)
    assert verdict.kind is kind
    assert verdict.error_class == type(error).__name__
    assert verdict.reason


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(24, "Too many open files"),
        MemoryError(),
        ImportError("cannot import name 'x' from 'y'"),
        requests.exceptions.SSLError("certificate has expired"),
        requests.exceptions.ProxyError("refused"),
    ],
)
def test_trouble_of_a_workers_machine_is_no_commits_fault(error: Exception) -> None:
    verdict = classify(error)
    # Whether the request had left is not known from the error alone.
    assert (verdict.kind, verdict.doubt) == (VerdictKind.TRANSIENT, Doubt.RUNNING)
    assert verdict.reason.endswith("It is tried again.")


def test_a_soft_time_limit_is_tried_again_but_only_when_the_request_is_over() -> None:
    from billiard.exceptions import SoftTimeLimitExceeded

    verdict = classify(SoftTimeLimitExceeded())
    assert (verdict.kind, verdict.doubt) == (VerdictKind.TRANSIENT, Doubt.RUNNING)


def test_refusals_that_differ_in_names_ids_and_numbers_are_the_same() -> None:
    one = classify(
        refused("PermissionError", 'No access to Task "bc0010" (0d3f6c1e-1111-2222-3333-444455556666), rule 7')
    )
    two = classify(
        refused("PermissionError", 'No access to Task "bc0020" (77aa6c1e-1111-2222-3333-444455556666), rule 12')
    )
    assert signature(one) == signature(two)
    assert signature(one) != signature(classify(refused("PermissionError", "Another thing")))
    assert signature(one) != signature(classify(refused("ValidationError", one.server_text or "")))
