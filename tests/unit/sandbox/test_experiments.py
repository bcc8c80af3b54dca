"""The experiments of `trackteroid doctor --probe`: on the sandbox, and on servers that behave otherwise."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from trackteroid.cli.experiments import EXPERIMENTS, Experiment, Laboratory
from trackteroid.errors import BadInputError, ServerCallError
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.errors import ApiError
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, API_USER
from trackteroid.sandbox.seeds.rows import Rows

SPOT = Rows("demo", load_schema()).identifier("Project", "spot")
QUESTIONS = {each.question: each for each in EXPERIMENTS}


class Server:
    """The sandbox's core behind the error class that experiments know; subclasses behave otherwise."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ids = count()

    def handle(self, batch: list[dict[str, Any]]) -> list[Any]:
        answers: list[Any] = self._api.handle(batch, username=API_USER, api_key=API_KEY)
        return answers

    def exchange(self, batch: list[dict[str, Any]]) -> list[Any]:
        try:
            return self.handle(batch)
        except ApiError as error:
            raise ServerCallError(
                error.content, kind="error_object", exception=error.exception, maybe_applied=False
            ) from None

    def laboratory(self) -> Laboratory:
        return Laboratory(self.exchange, SPOT, set(load_schema().types), lambda: f"probe-{next(self._ids)}")


class WithoutAtomicity(Server):
    def handle(self, batch: list[dict[str, Any]]) -> list[Any]:
        return [super(WithoutAtomicity, self).handle([each])[0] for each in batch]


class Forgiving(Server):
    """Takes whatever it has or hasn't got for granted."""

    def handle(self, batch: list[dict[str, Any]]) -> list[Any]:
        try:
            return super().handle(batch)
        except ApiError as error:
            if error.exception != "IntegrityError":
                raise
            return [{"data": {}} for _ in batch]


class Late(Server):
    """Answers queries from a copy that is behind."""

    def handle(self, batch: list[dict[str, Any]]) -> list[Any]:
        answers = super().handle(batch)
        if batch[0]["action"] == "query" and " where id is " in batch[0]["expression"]:
            return [{"data": []}]
        return answers


class Racing(Server):
    def handle(self, batch: list[dict[str, Any]]) -> list[Any]:
        answers: list[Any] = self._api.handle(batch, username=API_USER, api_key=API_KEY, racy_seconds=60)
        return answers


class Mute(Server):
    """Is away from some moment on."""

    def __init__(self, api: Api, answers: int) -> None:
        super().__init__(api)
        self._left = answers

    def exchange(self, batch: list[dict[str, Any]]) -> list[Any]:
        self._left -= 1
        if self._left < 0:
            raise ServerCallError("No answer.", kind="connection", maybe_applied=True)
        return super().exchange(batch)


def contents(api: Api) -> dict[str, list[Any]]:
    tables = [table for table, types in load_schema().tables() if not types[0].view]
    return {table: api.storage.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables}


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda each: each.question)
def test_the_sandbox_answers_as_it_is_said_to(api: Api, experiment: Experiment) -> None:
    with Server(api).laboratory() as laboratory:
        assert experiment.run(laboratory) == experiment.sandbox


def test_everything_is_as_it_was_afterwards(api: Api) -> None:
    before = contents(api)
    with Server(api).laboratory() as laboratory:
        for experiment in EXPERIMENTS:
            experiment.run(laboratory)
        assert contents(api) != before
    assert contents(api) == before


@pytest.mark.parametrize(
    ("server", "question", "answer"),
    [
        (WithoutAtomicity, "a batch that fails half-way", "it is applied in part"),
        (Forgiving, "a batch that fails half-way", "it could not be made to fail"),
        (Forgiving, "a second create with the same id", "accepted (Asset, AssetVersion, FileComponent)"),
        (Forgiving, "an update of what does not exist", "accepted"),
        (Forgiving, "a second delete", "accepted"),
        (Late, "what was just created is found", "not always"),
        (Racing, "numbers of versions created at the same time", "some get the same number"),
        (Racing, "numbers of versions created one by one", "1, 1, 1"),
    ],
)
def test_other_servers_give_other_answers(api: Api, server: type[Server], question: str, answer: str) -> None:
    with server(api).laboratory() as laboratory:
        assert QUESTIONS[question].run(laboratory) == answer


@pytest.mark.parametrize("answers", [3, 6])
def test_what_cannot_be_cleaned_up_is_named(api: Api, answers: int) -> None:
    with pytest.raises(ServerCallError, match=r"is still there: Folder trackteroid_probe_probe-0\.") as caught:
        with Mute(api, answers).laboratory() as laboratory:
            for experiment in EXPERIMENTS:
                experiment.run(laboratory)
    assert caught.value.kind == "connection"


def test_a_lost_answer_is_no_refusal(api: Api) -> None:
    server = Mute(api, 2)
    with pytest.raises(ServerCallError), server.laboratory() as laboratory:
        laboratory.is_refused(laboratory.asset("a"))


def test_a_server_without_any_usable_object_type_is_told(api: Api) -> None:
    with pytest.raises(BadInputError, match="none of these object types: Folder"):
        Laboratory(Server(api).exchange, SPOT, {"Turntable"}, lambda: "x")
