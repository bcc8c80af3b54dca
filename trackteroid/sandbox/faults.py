"""Trouble on order: what goes wrong with the next requests.

A fault is a JSON object; `FaultSet.replace` says which keys there are. Everything here only decides; the HTTP shell acts.
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["KINDS", "Decision", "FaultError", "FaultSet"]

KINDS = (
    "drop_reply",
    "error",
    "half_batch",
    "latency",
    "maintenance",
    "racy_versions",
    "refuse",
    "reject_credentials",
    "reset",
    "trickle",
)
# HTTP has no answers with a body under these.
_WITHOUT_BODY = (204, 304)
_KEYS = {"kind", "times", "probability", "seconds", "jitter", "status", "body", "actions", "users", "seed"}


class FaultError(ValueError):
    """A description of faults that makes no sense."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one request.

    Attributes:
        kind: The fault that decides the answer, None for an undisturbed one.
        seconds: How long to wait first; for `trickle`, how long the answer takes.
        status: HTTP status of `error` and `maintenance`.
        body: Error object of `error`.
        racy_seconds: Versions that others made within so many seconds are overlooked when a number is chosen.
        names: The faults that struck, for the request log.
    """

    kind: str | None = None
    seconds: float = 0.0
    trickle_seconds: float = 0.0
    status: int = 503
    body: Any = None
    racy_seconds: float = 0.0
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class _Fault:
    kind: str
    times: int | None
    probability: float | None
    seconds: float
    jitter: float
    status: int
    body: Any
    actions: frozenset[str] | None
    users: frozenset[str] | None
    dice: random.Random
    description: Mapping[str, Any] = field(default_factory=dict)

    def concerns(self, actions: Sequence[str], user: str | None) -> bool:
        """Whether it is about a batch with any of these actions, sent by this user, and not used up."""
        if self.kind == "refuse" or (self.kind == "racy_versions" and "create" not in actions):
            return False
        return (
            self.times != 0
            and (self.actions is None or not self.actions.isdisjoint(actions))
            and (self.users is None or user in self.users)
        )

    def strikes(self) -> bool:
        if self.probability is not None and self.dice.random() >= self.probability:
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def delay(self) -> float:
        return max(0.0, self.seconds + self.dice.uniform(-self.jitter, self.jitter))


class FaultSet:
    """The active faults; may be changed while requests run.

    Args:
        clock: Seconds of any beginning, to know when a refusal is over.

    Attributes:
        on_refuse: Told for how many seconds connections are refused from now on; 0 ends it. Called by the thread that
            changes the faults.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.on_refuse: Callable[[float], None] | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []
        self._refusing_until: float | None = None

    def replace(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Make these the active faults.

        Args:
            faults: Objects with `kind` (one of `KINDS`), and optionally `times` (how often; for ever if not given) or
                `probability` (0 to 1, with `seed`), `actions` (only batches with any of these), `users` (only theirs),
                `seconds` and `jitter` (latency, trickle), `status` and `body` (error, maintenance). `refuse` begins at
                once and lasts its `seconds`; it knows nothing else. `racy_versions` lets versions of one asset collide
                that are created within `seconds` of each other.

        Raises:
            FaultError: One of them is no such object; the active faults stay as they are.
        """
        if isinstance(faults, (str, bytes, Mapping)) or not isinstance(faults, Sequence):
            raise FaultError("Faults must be given as a list of objects.")
        parsed = [_parsed(each) for each in faults]
        with self._lock:
            self._faults = parsed
            was_refusing, self._refusing_until = self._refusing_until, None
            seconds = max((fault.seconds for fault in parsed if fault.kind == "refuse"), default=0.0)
            if seconds:
                self._refusing_until = self._clock() + seconds
        if self.on_refuse is not None and (seconds or was_refusing is not None):
            self.on_refuse(seconds)

    def clear(self) -> None:
        """End all faults."""
        self.replace([])

    def active(self) -> list[dict[str, Any]]:
        """The faults that can still strike, with the `times` that are left."""
        with self._lock:
            return [
                {**fault.description, **({} if fault.times is None else {"times": fault.times})}
                for fault in self._faults
                if fault.times != 0 and (fault.kind != "refuse" or self._clock() < (self._refusing_until or 0.0))
            ]

    def decide(self, actions: Sequence[str], user: str | None) -> Decision:
        """What happens to a request: latencies add up, the first fault that strikes and is no latency decides the answer."""
        seconds, racy, names = 0.0, 0.0, []
        with self._lock:
            for fault in self._faults:
                if not fault.concerns(actions, user) or not fault.strikes():
                    continue
                names.append(fault.kind)
                if fault.kind == "latency":
                    seconds += fault.delay()
                    continue
                if fault.kind == "racy_versions":
                    racy = max(racy, fault.seconds)
                    continue
                return Decision(
                    kind=fault.kind,
                    seconds=seconds,
                    trickle_seconds=fault.delay() if fault.kind == "trickle" else 0.0,
                    status=fault.status,
                    body=fault.body,
                    racy_seconds=racy,
                    names=tuple(names),
                )
        return Decision(seconds=seconds, racy_seconds=racy, names=tuple(names))


def _parsed(description: Mapping[str, Any]) -> _Fault:
    if not isinstance(description, Mapping):
        raise FaultError(f"A fault must be an object, not {description!r}.")
    unknown = sorted(set(description) - _KEYS)
    if unknown:
        raise FaultError(f"A fault has no {unknown[0]!r}; it may have: {', '.join(sorted(_KEYS))}.")
    kind = description.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise FaultError(f"There is no fault of kind {kind!r}; choose one of: {', '.join(KINDS)}.")
    if kind == "refuse":
        _check_refusal(description)
    times, probability = description.get("times"), description.get("probability")
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 0):
        raise FaultError(f"`times` must be a whole number, not {times!r}.")
    if probability is not None and not 0 <= _number(description, "probability", 0.0) <= 1:
        raise FaultError("`probability` must be between 0 and 1.")
    status = description.get("status", 503)
    if not isinstance(status, int) or not 200 <= status <= 599 or status in _WITHOUT_BODY:
        raise FaultError(f"`status` must be an HTTP status of an answer with a body, not {status!r}.")
    seed = description.get("seed")
    if not isinstance(seed, (int, float, str, type(None))):
        raise FaultError(f"`seed` must be a number or a text, not {seed!r}.")
    try:
        json.dumps(description.get("body"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise FaultError(f"`body` must be something that JSON can say: {error}.") from None
    return _Fault(
        kind=kind,
        times=times,
        probability=probability,
        seconds=_number(description, "seconds", 1.0),
        jitter=_number(description, "jitter", 0.0),
        status=status,
        body=description.get("body"),
        actions=_words(description, "actions"),
        users=_words(description, "users"),
        dice=random.Random(seed),
        description=dict(description),
    )


def _check_refusal(description: Mapping[str, Any]) -> None:
    # Nobody could end it from outside, so it must be clear when it ends.
    if not _number(description, "seconds", 0.0):
        raise FaultError("A refusal needs `seconds`, above 0: for how long connections are refused.")
    others = sorted(set(description) - {"kind", "seconds"})
    if others:
        raise FaultError(f"A refusal begins at once, whoever asks for whatever: it can't have `{others[0]}`.")


def _number(description: Mapping[str, Any], name: str, default: float) -> float:
    value = description.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise FaultError(f"`{name}` must be a number, not {value!r}.")
    return float(value)


def _words(description: Mapping[str, Any], name: str) -> frozenset[str] | None:
    value = description.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise FaultError(f"`{name}` must be a list of words, not {value!r}.")
    return frozenset(value)
