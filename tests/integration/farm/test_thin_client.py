"""A node that has `trackteroid` without any extra: it records, holds, releases, spools and looks; workers do the rest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.integration.farm.conftest import Farm
from tests.support.processes import REPOSITORY
from tests.support.workers import worker_process
from trackteroid.cli.exit_codes import ExitCode

#: Makes a process find only what the base dependencies bring, whatever this environment has.
THIN = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""

RECORD = """
from pathlib import Path
from trackteroid import SESSION, Asset, AssetVersion, Query, enqueue
with SESSION.deferred_operations(sys.argv[1]) as recording:
    asset = Query(Asset).by_name("bc0040_comp").get_one(projections=[AssetVersion, AssetVersion.Task])
    version = asset.AssetVersion.create(task=asset.AssetVersion.Task, comment="thin")
    recording.expects(version.Component.create(name="main"), sys.argv[2])
print(enqueue(sys.argv[1], hold=True).commit_id)
"""

COMMAND = "from trackteroid.cli.main import main\nsys.exit(main())\n"


def extras() -> set[str]:
    """Return the top modules of everything that only an extra brings (pyproject.toml says which they are)."""
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    start = text.index("[project.optional-dependencies]")
    named = set(re.findall(r'"([a-z0-9-]+)(?:\[[a-z,]+\])?>=', text[start : text.index("dev = [", start)]))
    assert {"celery", "rich", "orjson", "lark", "pillow"} <= named
    # kombu and its like come with celery; the wheel of pillow is called otherwise inside.
    return named - {"pillow"} | {"PIL", "kombu", "billiard", "vine", "amqp", "click", "numpy"}


def thin(farm: Farm, source: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", THIN.format(absent=extras()) + source, *words],
        env=farm.environment(**env),
        cwd=farm.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_without_extras_a_node_records_holds_releases_and_looks(farm: Farm, tmp_path: Path) -> None:
    recording, movie = tmp_path / "publish.dbm", tmp_path / "main.mov"
    submitted = thin(farm, RECORD, str(recording), str(movie))
    assert submitted.returncode == 0, submitted.stderr
    farm.deliver()
    commit_id = submitted.stdout.strip()
    assert thin(farm, COMMAND, "release", commit_id).returncode == ExitCode.OUTPUTS_MISSING
    movie.write_bytes(b"movie")
    told = thin(farm, COMMAND, "where", commit_id)
    assert (told.returncode, "held" in told.stdout) == (0, True), told.stderr
    away = "redis://127.0.0.1:1/0"
    spooled = thin(farm, COMMAND, "release", str(recording), TRACKTEROID_REDIS_URL=away)
    assert (spooled.returncode, spooled.stdout.strip()) == (ExitCode.SPOOLED, commit_id), spooled.stderr
    flushed = thin(farm, COMMAND, "spool", "flush", "--any-redis")
    assert flushed.returncode == 0, flushed.stderr
    again = thin(farm, COMMAND, "enqueue", str(recording))
    assert (again.returncode, again.stdout.strip()) == (0, commit_id), again.stderr
    # No wake-up was sent, for want of Celery: the workers look by themselves.
    with worker_process(farm.redis.url, farm.sandbox.env, env=farm.env) as worker:
        farm.committed(commit_id)
        worker.kill_group()


def test_what_needs_an_extra_says_which(farm: Farm) -> None:
    done = thin(farm, COMMAND, "sandbox")
    assert "pip install 'trackteroid[sandbox]'" in done.stderr
    assert (done.returncode, "Traceback" in done.stderr) == (ExitCode.SETTINGS, False)
