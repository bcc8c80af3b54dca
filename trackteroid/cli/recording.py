"""`trackteroid recording show|commit FILE`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any

from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.output import message, print_json, print_line, print_table

if TYPE_CHECKING:
    from trackteroid.operations.operation import Operation
    from trackteroid.operations.recording import Recording

__all__ = ["NAMES_SECONDS", "configure", "operation_rows"]

#: How long somebody who looks at a recording waits for names.
NAMES_SECONDS = 5.0
_CREDENTIALS = ("FTRACK_SERVER", "FTRACK_API_USER", "FTRACK_API_KEY")

# Longer values are cut in the table; `--json` shows all of them.
_VALUE_WIDTH = 60


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the group's commands to its parser."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = commands.add_parser("show", help="show what a recording would do")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--json", action="store_true", help='print {"manifest": ..., "operations": [...]}')
    show.add_argument(
        "--names",
        action=argparse.BooleanOptionalAction,
        help="names instead of ids; by default ftrack is asked for them where it is set up and answers within "
        f"{NAMES_SECONDS:g} seconds, with --names however long that takes",
    )
    show.set_defaults(run=_show)
    commit = commands.add_parser("commit", help="commit a recording at once, without a queue")
    commit.add_argument("file", metavar="FILE")
    commit.add_argument(
        "--server", metavar="URL", help="ftrack server, also another than it was recorded for (default: FTRACK_SERVER)"
    )
    commit.add_argument("--json", action="store_true", help="print the result as JSON")
    commit.set_defaults(run=_commit)


def _show(options: argparse.Namespace) -> int:
    from trackteroid.operations.operation import operation_to_json
    from trackteroid.operations.recording import read_recording

    recording = read_recording(options.file)
    if options.json:
        manifest = recording.manifest
        print_json(
            {
                "manifest": None if manifest is None else manifest.to_json(),
                "operations": [operation_to_json(operation) for operation in recording.operations],
            }
        )
        return ExitCode.OK
    print_table(
        ["#", "operation", "entity", "what"],
        operation_rows(recording.operations, _names(recording, options.names), ensured=_ensured(recording)),
        title=_title(recording),
    )
    return ExitCode.OK


def _ensured(recording: Recording) -> frozenset[str]:
    manifest = recording.manifest
    return frozenset(ensure.entity for ensure in (manifest.ensures if manifest else ()))


def _title(recording: Recording) -> str:
    parts = [f"Recording {recording.recording_id}: {len(recording.operations)} operations"]
    manifest = recording.manifest
    if manifest is None:
        parts.append("written by the original library (no manifest)")
    else:
        parts.append(f"recorded {manifest.created_at}")
        for word, value in (("by", manifest.user), ("on", manifest.host), ("for", manifest.server_url)):
            if value:
                parts[-1] += f" {word} {value}"
    return ", ".join(parts)


def _names(recording: Recording, wanted: bool | None) -> dict[str, str]:
    """Return id to name, as far as the recording and the server say; what the server did not say is no error.

    Args:
        recording: Whose entities.
        wanted: False: no names; None: ask ftrack where it is set up, but not for long.
    """
    from trackteroid.cli.names import names_in
    from trackteroid.commits.bounded import within
    from trackteroid.errors import LedgerUnavailableError

    if wanted is False:
        return {}
    names = names_in(recording)
    if wanted is None and not all(os.environ.get(name) for name in _CREDENTIALS):
        return names
    try:
        asked = _asked(recording, names) if wanted else within(NAMES_SECONDS, lambda: _asked(recording, names))
    except LedgerUnavailableError:
        message(f"only names from the recording itself: no answer within {NAMES_SECONDS:g} s (--names waits longer)")
    except Exception as error:
        # Whatever is missing (settings, network, rights): the recording is shown all the same.
        message(f"only names from the recording itself: {' '.join(str(error).split()) or type(error).__name__}")
    else:
        names.update(asked)
    return names


def _asked(recording: Recording, known: Iterable[str]) -> dict[str, str]:
    """Return what the server of this environment says; it alone, for a file may name any server, and a key is sent along."""
    from trackteroid.cli.names import names_on_server
    from trackteroid.commits.servers import normalise_server_url
    from trackteroid.errors import RecordingRefusedError
    from trackteroid.session import Session
    from trackteroid.settings import Settings

    ours = os.environ.get("FTRACK_SERVER")
    if ours and recording.server_url:
        aliases = Settings.from_environment().server_aliases
        theirs, ours = (normalise_server_url(url, aliases) for url in (recording.server_url, ours))
        if theirs != ours:
            raise RecordingRefusedError(f"it was recorded for {theirs}, and FTRACK_SERVER is {ours}")
    with Session(auto_connect_event_hub=False) as session:
        return names_on_server(recording, session.schemas, lambda text: session.query(text).all(), known=known)


def operation_rows(
    operations: tuple[Operation, ...], names: Mapping[str, str] | None = None, *, ensured: Set[str] = frozenset()
) -> list[list[str]]:
    """Return one row per operation: number, kind, entity, and what it sets.

    Args:
        operations: Which.
        names: Id to name, shown in its place.
        ensured: Textual keys of entities that are created only if there is none like them.
    """
    from trackteroid.operations.operation import CreateOperation, UpdateOperation, key_text

    names = names or {}
    rows = []
    for number, operation in enumerate(operations, 1):
        entity = f"{operation.entity_type} {_key(operation.entity_key.values(), names)}"
        if isinstance(operation, CreateOperation):
            what = ", ".join(
                f"{name}={_text(value, names)}"
                for name, value in operation.entity_data.items()
                if name not in operation.entity_key
            )
            text = key_text(operation.entity_type, list(operation.entity_key.values())) if ensured else ""
            rows.append([str(number), "get or create" if text in ensured else "create", entity, what])
        elif isinstance(operation, UpdateOperation):
            old, new = _text(operation.old_value, names), _text(operation.new_value, names)
            what = f"{operation.attribute_name}: {old} -> {new}"
            rows.append([str(number), "update", entity, what])
        else:
            rows.append([str(number), "delete", entity, ""])
    return rows


def _key(parts: Iterable[Any], names: Mapping[str, str]) -> str:
    return ", ".join(names.get(str(part), str(part)) for part in parts)


def _text(value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, dict) and "__entity_type__" in value:
        parts = (part for name, part in value.items() if name != "__entity_type__")
        return f"{value['__entity_type__']} {_key(parts, names)}"
    if isinstance(value, dict) and "__type__" in value:
        return str(value.get("value"))
    if isinstance(value, list):
        text = f"[{', '.join(_text(item, names) for item in value)}]"
    elif isinstance(value, str | int | float | bool) or value is None:
        text = json.dumps(names.get(value, value) if isinstance(value, str) else value, ensure_ascii=False)
    else:
        text = str(getattr(value, "value", value))
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 1]}…"


def _commit(options: argparse.Namespace) -> int:
    from trackteroid.commits.committer import commit_now
    from trackteroid.operations.recording import read_recording

    recording = read_recording(options.file)
    from trackteroid.commits.servers import refuse_other_server
    from trackteroid.session import Session
    from trackteroid.settings import Settings

    with Session(server_url=options.server) as session:
        if options.server is None:
            aliases = Settings.from_environment().server_aliases
            refuse_other_server(recording.server_url, session.server_url, aliases)
        result = commit_now(session, recording)
    if options.json:
        print_json({"id": recording.recording_id, **result.as_dict()})
    elif result.already_there:
        print_line(f"{recording.recording_id} was committed before; nothing was sent")
    else:
        print_line(f"{recording.recording_id} committed, {len(recording.operations)} operations")
    return ExitCode.OK
