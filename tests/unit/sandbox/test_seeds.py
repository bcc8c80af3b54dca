"""The data a sandbox starts with."""

from __future__ import annotations

import pytest

from tests.unit.sandbox.conftest import Ask
from trackteroid.sandbox.errors import SandboxStartError
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import SEEDS, plant
from trackteroid.sandbox.storage import Storage


def dump(name: str) -> list[str]:
    storage = Storage(load_schema(), now=lambda: "2024-01-01 00:00:00")
    plant(storage, name)
    rows = []
    for table, types in load_schema().tables():
        if not types[0].view:
            rows += [f"{table} {row}" for row in storage.execute(f'SELECT * FROM "{table}"')]
    storage.close()
    return rows


# Small: what is made is the same for any size.
_EVERY_SEED = [f"{name}:shots=4" if seed.kept else name for name, seed in sorted(SEEDS.items())]


@pytest.mark.parametrize("name", _EVERY_SEED)
def test_a_seed_is_the_same_every_time(name: str) -> None:
    assert dump(name) == dump(name)


def test_the_demo_has_what_the_examples_ask_for_and_something_of_everything(query: Ask) -> None:
    versions = query(
        "select version, task.name, asset.parent.name, components.component_locations.resource_identifier"
        " from AssetVersion where asset.name is bc0040_comp order by version"
    )
    assert [each["version"] for each in versions] == [1, 2, 3]
    # The same entities every time: they are written out at their first place.
    assert (versions[0]["task"]["name"], versions[0]["asset"]["parent"]["name"]) == ("compositing", "bc0040")
    assert len({(each["task"]["id"], each["asset"]["id"]) for each in versions}) == 1
    for each in versions:
        (component,) = each["components"]
        assert component["component_locations"][0]["resource_identifier"].endswith(".exr")
    wanted = ["Project", "Note", "List", "Metadata", "CustomAttributeConfiguration", "Appointment", "Timelog"]
    wanted += [each["name"].replace(" ", "") for each in query("select name from ObjectType")]
    assert [name for name in wanted if not query(name)] == []
    assert query("CustomAttributeValue"), "one value that is no default"


def test_an_unknown_seed_is_named_with_the_known_ones() -> None:
    storage = Storage(load_schema(), now=lambda: "2024-01-01 00:00:00")
    with pytest.raises(SandboxStartError, match=r'no seed "spring"\. Choose one of: client-test, demo, empty, farm\.'):
        plant(storage, "spring")
    storage.close()
