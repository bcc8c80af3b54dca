"""`python -m trackteroid.stubs`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_session import stock_schemas
from tests.support.processes import REPOSITORY
from tests.support.sandbox import SandboxProcess
from trackteroid.relationships import SchemaIndex
from trackteroid.stubs import stub_text, write_stubs

USE = """
from typing_extensions import assert_type
from trackteroid import EntityCollection, Query, Shot, TypedContext, VehicleRig
from trackteroid.entities.base import Relationship
assert_type(Query(VehicleRig).get_one(), EntityCollection[VehicleRig])
assert_type(Query(Shot).get_one(), EntityCollection[Shot])
assert_type(VehicleRig.horsepower, Relationship)
assert_type(VehicleRig.anything.else_, Relationship)
one: type[TypedContext] = VehicleRig
"""


def schemas_with(name: str, **attributes: Any) -> SchemaIndex:
    schemas = stock_schemas()
    shot = next(schema for schema in schemas if schema["id"] == "Shot")
    own = {**shot, "id": name, "properties": {**shot["properties"], **attributes}}
    return SchemaIndex([*schemas, own])


def test_object_types_of_the_server_become_classes_with_their_attributes() -> None:
    text = stub_text(schemas_with("VehicleRig", horsepower={"type": "number"}), "https://studio.ftrackapp.com")
    assert "https://studio.ftrackapp.com" in text.splitlines()[0]
    assert "class VehicleRig(TypedContext):" in text
    assert "    horsepower: ClassVar[Relationship]" in text
    assert "class Shot" not in text
    assert "from trackteroid.query import Query as Query" in text
    compile(text, "__init__.pyi", "exec")


@pytest.mark.parametrize("name", ["Vehicle Rig", "class"])
def test_what_cannot_be_a_class_is_left_out(name: str) -> None:
    assert f"class {name}(" not in stub_text(schemas_with(name), "x")


def test_a_type_checker_understands_them(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "trackteroid", tmp_path / "trackteroid", ignore=shutil.ignore_patterns("__pycache__"))
    index = schemas_with("VehicleRig", horsepower={"type": "number"})
    write_stubs(index, "https://studio.ftrackapp.com", tmp_path / "trackteroid" / "__init__.pyi")
    (tmp_path / "use.py").write_text(USE)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "use.py"], cwd=tmp_path, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_writes_where_it_is_told(tmp_path: Path) -> None:
    with SandboxProcess() as sandbox:
        done = subprocess.run(
            [sys.executable, "-m", "trackteroid.stubs", "--output", str(tmp_path / "out.pyi")],
            env={**sandbox.env, "PATH": "", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "out.pyi")
    assert sandbox.url in (tmp_path / "out.pyi").read_text()


def test_without_a_server_the_command_says_why(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trackteroid.stubs", "--output", str(tmp_path / "out.pyi")],
        env={"PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith("The object types of your server cannot be looked at: ")
    assert "FTRACK_SERVER" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.pyi").exists()
