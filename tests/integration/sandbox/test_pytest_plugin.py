"""The fixtures for other people's tests, used as they would use them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.docs.examples import python_examples
from tests.support.processes import REPOSITORY
from tests.support.schema_lists import studio_list

pytest_plugins = ["pytester"]

# Other plugins of this environment have nothing to do with it, and cost time.
ONLY_OURS = ("-p", "trackteroid.sandbox.pytest_plugin", "-p", "no:cacheprovider")


@pytest.fixture
def studio(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a studio's tests in it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("FTRACK_SERVER", "FTRACK_API_USER", "FTRACK_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return pytester


def test_each_test_begins_with_the_seeds_data(studio: pytest.Pytester) -> None:
    studio.makepyfile(
        """
        import os
        import ftrack_api
        import pytest

        URLS = set()

        def session():
            return ftrack_api.Session(auto_connect_event_hub=False)

        @pytest.mark.parametrize("number", range(3))
        def test_publishing(ftrack_sandbox, number):
            URLS.add(ftrack_sandbox.url)
            assert os.environ["FTRACK_SERVER"] == ftrack_sandbox.url
            assert len(ftrack_sandbox.requests) == 0
            assert ftrack_sandbox.requests.counters()["requests"] == 0
            with session() as client:
                asset = client.query('Asset where name is "bc0040_comp"').one()
                version = client.create("AssetVersion", {"asset": asset})
                client.commit()
                assert version["version"] == 4
            assert ["create"] in [each["actions"] for each in ftrack_sandbox.requests]

        def test_faults_end_with_the_test(ftrack_sandbox):
            ftrack_sandbox.faults.replace([{"kind": "refuse", "seconds": 3600}])

        def test_nothing_is_left_of_them(ftrack_sandbox):
            assert ftrack_sandbox.faults.active() == []
            with session() as client:
                assert len(client.query("Project").all()) == 3
            URLS.add(ftrack_sandbox.url)
            assert len(URLS) == 1

        def test_without_the_fixture_nothing_is_set():
            assert "FTRACK_SERVER" not in os.environ
        """
    )
    result = studio.runpytest_subprocess("-q", *ONLY_OURS)
    result.assert_outcomes(passed=6)


def test_seed_and_schema_come_from_the_configuration_file(studio: pytest.Pytester) -> None:
    (studio.path / "settings").mkdir()
    (studio.path / "settings" / "schema.json").write_text(json.dumps(studio_list()))
    studio.makeini("[pytest]\nftrack_sandbox_seed = empty\nftrack_sandbox_schema = settings/schema.json\n")
    studio.makepyfile(
        """
        import ftrack_api

        def test_it(ftrack_sandbox):
            with ftrack_api.Session(auto_connect_event_hub=False) as client:
                assert client.query("Project").all() == []
                assert "TurntableShot" in client.types
        """
    )
    studio.runpytest_subprocess("-q", *ONLY_OURS).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("ftrack_sandbox_seed = spring", 'ftrack_sandbox cannot start. There is no seed "spring".'),
        ("ftrack_sandbox_schema = nowhere.json", "ftrack_sandbox cannot start. Cannot read the schema"),
    ],
)
def test_a_wrong_setting_is_one_line(studio: pytest.Pytester, setting: str, message: str) -> None:
    studio.makeini(f"[pytest]\n{setting}\n")
    studio.makepyfile("def test_it(ftrack_sandbox): pass")
    result = studio.runpytest_subprocess("-q", *ONLY_OURS)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{message}*"])
    assert "Traceback" not in result.stdout.str()


def test_a_missing_extra_is_one_line(studio: pytest.Pytester) -> None:
    (studio.path / "uvicorn.py").write_text('raise ModuleNotFoundError("No module", name="uvicorn")')
    studio.makepyfile("def test_it(ftrack_sandbox): pass")
    result = studio.runpytest_subprocess("-q", *ONLY_OURS, "-p", "no:faulthandler")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ftrack_sandbox needs uvicorn: pip install 'trackteroid[[]sandbox]'*"])


def test_the_documentations_example_passes(studio: pytest.Pytester) -> None:
    examples = python_examples(REPOSITORY / "docs" / "sandbox.md")
    (source,) = (example.source for example in examples if "def test_" in example.source)
    studio.makepyfile(source)
    studio.runpytest_subprocess("-q", *ONLY_OURS).assert_outcomes(passed=source.count("def test_"))


def test_pytest_finds_the_plugin_by_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(ftrack_sandbox): pass")
    listed = pytester.runpytest_subprocess("--fixtures", "-q")
    listed.stdout.fnmatch_lines(["ftrack_sandbox -- *pytest_plugin.py:*", "*A local ftrack server*"])


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    source = "import trackteroid.sandbox.pytest_plugin, sys; print(' '.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"lark", "starlette", "uvicorn", "ftrack_api", "sqlite3", "trackteroid.sandbox.server", "redis", "celery"}
    assert heavy.isdisjoint(modules)
