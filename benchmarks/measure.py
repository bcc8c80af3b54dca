"""Timing and the rows of the table."""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class Row:
    """One line of the table: `ours` and `theirs` are seconds, the ratio is what counts."""

    what: str
    against: str
    ours: float
    theirs: float
    goal: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def met(self) -> bool:
        # Ten per cent of noise are allowed (design: performance).
        return self.ratio <= self.goal * 1.1


def seconds(work: Callable[[], object], *, repeats: int = 5) -> float:
    """Return the median time of `work`, with the garbage collector off while it runs."""
    times = []
    for _ in range(repeats):
        gc.collect()
        gc.disable()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
        gc.enable()
    return statistics.median(times)


def least(works: Sequence[Callable[[], object]], *, runs: int) -> list[float]:
    """Return the least time of each of some works, done in turns, so that a busy machine is busy for all of them."""
    return [
        min(times) for times in zip(*([seconds(work, repeats=1) for work in works] for _ in range(runs)), strict=True)
    ]


def middle_pair(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return, of the times of two works that were done in turns, the pair of the middle ratio.

    Where the machine's speed changes from second to second, the least time of each may be of different speeds: of the same code
    that gave ratios from 1.12 to 1.40, this one from 1.13 to 1.24.
    """
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]


def least_process_seconds(commands: Sequence[list[str]], env: Mapping[str, str], *, runs: int = 12) -> list[float]:
    """Return the least time of each of some Python processes, started in turns."""
    works = [partial(process_seconds, command, env, repeats=1) for command in commands]
    return [min(times) for times in zip(*([work() for work in works] for _ in range(runs)), strict=True)]


def process_seconds(arguments: list[str], env: Mapping[str, str], *, repeats: int = 7) -> float:
    """Return the median time of a Python process from start to end."""
    # Compiled modules are kept, as on any installation: else ours would be compiled in each process.
    env = {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run() -> None:
        subprocess.run(
            [sys.executable, *arguments],
            env=env,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    run()
    return seconds(run, repeats=repeats)
