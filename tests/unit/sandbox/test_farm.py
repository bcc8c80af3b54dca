"""The `farm` seed: its size, its shape, and where it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trackteroid.sandbox import seeds
from trackteroid.sandbox.errors import SandboxStartError
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import SeedCache, plant
from trackteroid.sandbox.seeds.farm import FarmSize
from trackteroid.sandbox.seeds.keeping import user_cache_folder
from trackteroid.sandbox.storage import Storage

SMALL = "farm:shots=2,versions=7"


def empty_storage() -> Storage:
    return Storage(load_schema(), now=lambda: "2024-01-01 00:00:00")


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = empty_storage()
    yield made
    made.close()


def number(storage: Storage, table: str, where: str = "1") -> int:
    found: int = storage.column(f'SELECT COUNT(*) FROM "{table}" WHERE {where}')[0]
    return found


# Size


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ("", FarmSize()),
        ("shots=100", FarmSize(sequences=5, shots=100, tasks=300, assets=300, versions=1000)),
        ("shots=1", FarmSize(sequences=1, shots=1, tasks=3, assets=3, versions=10)),
        ("versions=50", FarmSize(versions=50)),
        ("projects=2,shots=20,tasks=7", FarmSize(projects=2, sequences=1, shots=20, tasks=7, assets=60, versions=200)),
        ("shots=0", FarmSize(sequences=0, shots=0, tasks=0, assets=0, versions=0)),
        ("versions=0,assets=0", FarmSize(versions=0, assets=0)),
    ],
)
def test_what_is_not_given_keeps_its_proportion_to_the_shots(options: str, size: FarmSize) -> None:
    assert FarmSize.of(options) == size


@pytest.mark.parametrize(
    "options", ["shots", "shots=", "shots=x", "shots=-1", "trees=1", "shots=1;tasks=2", "shots=1e3"]
)
def test_a_wrong_option_is_named_with_the_right_ones(storage: Storage, options: str) -> None:
    with pytest.raises(SandboxStartError, match=r"is no option of the seed .* projects, sequences, shots, tasks"):
        plant(storage, f"farm:{options}")


def test_nothing_hangs_in_the_air() -> None:
    with pytest.raises(SandboxStartError, match="cannot have assets without tasks"):
        FarmSize.of("tasks=0")


def test_seeds_without_options_say_so(storage: Storage) -> None:
    with pytest.raises(SandboxStartError, match=r'has no options\. Leave ":shots=1" out'):
        plant(storage, "demo:shots=1")


# Shape


def test_everything_is_shared_out_evenly(storage: Storage) -> None:
    plant(storage, "farm:projects=2,sequences=4,shots=10,tasks=30,assets=30,versions=100")
    kinds = dict(storage.execute('SELECT "__type", COUNT(*) FROM "Context" GROUP BY 1'))
    assert kinds == {"Project": 2, "Sequence": 4, "Shot": 10, "Task": 30}
    for table, column in (("Asset", "context_id"), ("AssetVersion", "asset_id"), ("AssetVersion", "task_id")):
        sizes = storage.column(f'SELECT COUNT(*) FROM "{table}" GROUP BY "{column}"')
        assert max(sizes) - min(sizes) <= 1, (table, column)
    assert number(storage, "Context", '"__type" = \'Shot\' AND "project_id" IS NULL') == 0
    assert set(storage.column('SELECT MIN("version") FROM "AssetVersion" GROUP BY "asset_id"')) == {1}


def test_every_version_has_a_component_in_a_location(storage: Storage) -> None:
    plant(storage, SMALL)
    assert [number(storage, table) for table in ("AssetVersion", "Component", "ComponentLocation")] == [7, 7, 7]
    assert number(storage, "Component", '"version_id" IN (SELECT "id" FROM "AssetVersion")') == 7
    assert number(storage, "Appointment", "\"type\" = 'assignment'") == 6


# Keeping


class Counting(SeedCache):
    """A cache that counts how often something was found."""

    hits = 0

    def restore(self, storage: Storage, seed: str) -> bool:
        found = super().restore(storage, seed)
        self.hits += found
        return found


def start(cache: SeedCache, text: str = SMALL) -> list[str]:
    storage = empty_storage()
    plant(storage, text, cache=cache)
    ids: list[str] = storage.column('SELECT "id" FROM "AssetVersion" ORDER BY "__seq"')
    assert storage.recall("seed") == text
    storage.close()
    return ids


def test_the_second_start_takes_the_kept_one(tmp_path: Path) -> None:
    cache = Counting(tmp_path / "deep" / "cache")
    assert start(cache) == start(cache)
    assert cache.hits == 1
    (kept,) = cache.folder.iterdir()
    assert kept.name.startswith("farm-")


def test_each_size_is_kept_for_itself_and_small_seeds_are_not(tmp_path: Path) -> None:
    cache = Counting(tmp_path)
    for text in (SMALL, "farm:shots=3,versions=7", "empty", "empty"):
        start(cache, text)
    assert cache.hits == 0 and len(list(tmp_path.iterdir())) == 2


def test_another_schema_or_another_version_of_the_code_makes_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Counting(tmp_path)
    start(cache)
    package = tmp_path / "package"
    (package / "seeds").mkdir(parents=True)
    (package / "changed.py").write_text("x = 1\n")
    monkeypatch.setattr(seeds.keeping, "__file__", str(package / "seeds" / "keeping.py"))
    start(cache)
    assert cache.hits == 0
    start(cache)
    assert cache.hits == 1
    (package / "changed.py").write_text("x = 2\n")
    start(cache)
    assert cache.hits == 1


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"SQLite format 3\0" + b"\0" * 4096])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    cache = SeedCache(tmp_path)
    ids = start(cache)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(damage)
    assert start(cache) == ids
    assert start(cache) == ids


def test_no_place_to_write_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert len(start(SeedCache(tmp_path / "file" / "cache"))) == 7


def test_only_the_last_used_ones_are_kept(tmp_path: Path) -> None:
    for age in range(6):
        (tmp_path / f"farm-{age}.sqlite").write_bytes(b"x")
        os.utime(tmp_path / f"farm-{age}.sqlite", (1000 - age, 1000 - age))
    start(SeedCache(tmp_path))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 4 and {"farm-0.sqlite", "farm-1.sqlite", "farm-2.sqlite"} < set(names)


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", "/home/a/.cache/trackteroid"),
        ({"XDG_CACHE_HOME": "/fast"}, "linux", "/fast/trackteroid"),
        ({"XDG_CACHE_HOME": "relative"}, "linux", "/home/a/.cache/trackteroid"),
        ({"XDG_CACHE_HOME": "/fast"}, "darwin", "/home/a/Library/Caches/trackteroid"),
        ({}, "win32", "/home/a/AppData/Local/trackteroid/Cache"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local/trackteroid/Cache"),
    ],
)
def test_the_cache_folder_is_where_the_platform_wants_it(environ: dict[str, str], platform: str, expected: Any) -> None:
    assert user_cache_folder(environ, platform, Path("/home/a")) == Path(expected)
