"""`trackteroid doctor --probe PROJECT`: how does this ftrack server behave where exactly-once depends on it?"""

from __future__ import annotations

import uuid
from typing import Any

from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.experiments import EXPERIMENTS, Experiment, Laboratory
from trackteroid.cli.output import print_json, print_line, print_table
from trackteroid.errors import BadInputError, ServerCallError
from trackteroid.session import Session

__all__ = ["probe"]

_SECONDS = 60.0
# What makes a project one that is in use: whatever somebody could miss.
_CONTENTS = {
    "TypedContext": "project_id",
    "Asset": "context_id",
    "List": "project_id",
    "ReviewSession": "project_id",
    "CalendarEvent": "project_id",
}


def probe(project: str, *, force: bool, as_json: bool) -> int:
    """Run the experiments on a test project of the configured server and print the answers beside the sandbox's.

    Args:
        project: Name or id of the project. It must be empty, and is left as it was.
        force: Use it although there is something in it; that is not touched.
        as_json: Print a list of objects instead of a table.

    Returns:
        Exit code: FAILED if an answer is not the one that exactly-once rests on.

    Raises:
        BadInputError: There is no such project, or it is not empty.
        ServerCallError: The server can't be asked.
    """
    with Session() as session:

        def exchange(batch: list[dict[str, Any]]) -> list[Any]:
            results: list[Any] = session.exchange(batch, timeout=_SECONDS)
            return results

        project_id = _project_id(session, project)
        laboratory = Laboratory(exchange, project_id, session.types, lambda: str(uuid.uuid4()))
        if not force:
            _expect_empty(laboratory, project, project_id)
        with laboratory:
            findings = [_finding(experiment, laboratory) for experiment in EXPERIMENTS]
    _print(findings, session.server_url, as_json=as_json)
    return ExitCode.OK if all(finding["ok"] for finding in findings) else ExitCode.FAILED


def _project_id(session: Session, project: str) -> str:
    quoted = '"' + project.replace("\\", "\\\\").replace('"', '\\"') + '"'
    expression = f"select id from Project where id is {quoted} or name is {quoted} or full_name is {quoted}"
    (result,) = session.exchange([{"action": "query", "expression": expression}], timeout=_SECONDS)
    found = [row["id"] for row in result["data"]]
    if len(found) != 1:
        count = "no project" if not found else f"{len(found)} projects"
        raise BadInputError(f'There is {count} with the name or id "{project}" that {session.api_user} can see.')
    identifier: str = found[0]
    return identifier


def _expect_empty(laboratory: Laboratory, project: str, project_id: str) -> None:
    for entity_type, column in _CONTENTS.items():
        if laboratory.query(f'select id from {entity_type} where {column} is "{project_id}" limit 1'):
            raise BadInputError(
                f'The project "{project}" is not empty (it has a {entity_type}). Experiments belong into a test project;'
                " --force uses this one all the same and touches nothing that is there."
            )


def _finding(experiment: Experiment, laboratory: Laboratory) -> dict[str, Any]:
    try:
        answer = experiment.run(laboratory)
    except ServerCallError as error:
        if error.kind != "error_object":
            raise
        # Something that any server should do was refused: that is an answer as well, and the others are still wanted.
        answer = f"the experiment failed: {' '.join(str(error).split())}"
    return {
        "experiment": experiment.question,
        "answer": answer,
        "sandbox": experiment.sandbox,
        "needed": experiment.needed,
        "ok": experiment.needed in (None, answer),
    }


def _print(findings: list[dict[str, Any]], server: str, *, as_json: bool) -> None:
    if as_json:
        print_json(findings)
        return
    print_table(
        ["experiment", "this server", "sandbox", "needed"],
        [[each["experiment"], each["answer"], each["sandbox"], each["needed"] or "-"] for each in findings],
    )
    wrong = [each for each in findings if not each["ok"]]
    print_line("")
    if wrong:
        print_line(f"{len(wrong)} of the answers of {server} are not what exactly-once rests on. Please report them.")
    else:
        print_line(f"Commits to {server} can be repeated safely.")
