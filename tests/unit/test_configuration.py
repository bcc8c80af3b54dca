"""The studio's configuration file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from trackteroid import configuration
from trackteroid.errors import ConfigurationError


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    configuration.forget()
    yield
    configuration.forget()


def write(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv(configuration.VARIABLE, str(path))


def test_without_a_file_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(configuration.VARIABLE, raising=False)
    assert configuration.RELATIONSHIPS_RESOLVER(api_version="1") == {}
    assert configuration.ALLOWED_FOR_DELETION_RESOLVER(session=None, type_name="Task") is True
    assert configuration.LOGGING_NAMESPACE == "trackteroid"


def test_upper_case_names_replace_entries_and_others_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "conf.py", "import os\nWARN_ON_INJECT = True\nOTHER = 1\nwarn_on_inject = 3\n", monkeypatch)
    assert configuration.WARN_ON_INJECT is True
    with pytest.raises(AttributeError, match="OTHER"):
        _ = configuration.OTHER


def test_the_file_is_executed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "marker"
    write(tmp_path / "conf.py", f"with open({str(marker)!r}, 'a') as file:\n    file.write('x')\n", monkeypatch)
    for _ in range(3):
        assert configuration.WARN_ON_INJECT is False
    assert marker.read_text() == "x"


@pytest.mark.parametrize(
    ("name", "text", "message", "kind"),
    [
        ("conf.txt", "", "ends in '.py'", AssertionError),
        ("missing.py", None, "cannot be read", OSError),
        ("broken.py", "raise ValueError('boom')", "boom", RuntimeError),
        ("broken.py", "this is no python", "SyntaxError", RuntimeError),
        ("broken.py", "import sys\nsys.exit('bye')", "bye", RuntimeError),
    ],
)
def test_a_file_that_cannot_be_used_is_a_clear_error(
    name: str,
    text: str | None,
    message: str,
    kind: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if text is None:
        monkeypatch.setenv(configuration.VARIABLE, str(tmp_path / name))
    else:
        write(tmp_path / name, text, monkeypatch)
    with pytest.raises(ConfigurationError, match=message) as raised:
        _ = configuration.WARN_ON_INJECT
    # As the original library raises, where callers may catch it.
    assert isinstance(raised.value, kind)


def test_a_file_that_uses_what_it_configures_is_told_so_and_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "conf.py", "from trackteroid import configuration\nconfiguration.WARN_ON_INJECT\n", monkeypatch)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="belong into its functions"):
            configuration.entries()
    # What only names things may.
    write(tmp_path / "conf.py", "from trackteroid import Shot, SESSION\nOTHER = Shot.name, SESSION\n", monkeypatch)
    assert configuration.WARN_ON_INJECT is False


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ALLOWED_FOR_DELETION_RESOLVER = None", "ALLOWED_FOR_DELETION_RESOLVER must be a function, not None"),
        ("RELATIONSHIPS_RESOLVER = {'entities': {}}", "RELATIONSHIPS_RESOLVER must be a function, not {'entities'"),
        ("ON_COMMIT_STATE = 'mail'", "ON_COMMIT_STATE must be a function, or None, not 'mail'"),
        ("LOGGING_NAMESPACE = 5", "LOGGING_NAMESPACE must be a text, not 5"),
        ("LOGGING_NAMESPACE = ''", "LOGGING_NAMESPACE must be a text, not ''"),
    ],
)
def test_entries_are_of_their_kind(text: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "conf.py", text, monkeypatch)
    with pytest.raises(ConfigurationError, match=rf"conf\.py.*: {re.escape(complaint)}"):
        configuration.entries()
