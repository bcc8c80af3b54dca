"""Trouble on order: what goes wrong with the next requests.

A fault is a JSON object; `FaultSet.replace` says which keys there are. Everything here only decides; the HTTP shell acts.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["KINDS", "Decision", "FaultError", "FaultSet"]

KINDS = (
    "drop_reply",
    "error",
    "half_batch",
    "latency",
    "maintenance",
    "reject_credentials",
    "reset",
    "trickle",
)
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
        names: The faults that were used up, for the request log.
    """

    kind: str | None = None
    seconds: float = 0.0
    trickle_seconds: float = 0.0
    status: int = 503
    body: Any = None
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

    def concerns(self, actions: Iterable[str], user: str | None) -> bool:
        """Whether it is about a batch with any of these actions, sent by this user, and not used up."""
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
    """The active faults; may be changed while requests run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []

    def replace(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Make these the active faults.

        Args:
            faults: Objects with `kind` (one of `KINDS`), and optionally `times` (how often; for ever if not given) or
                `probability` (0 to 1, with `seed`), `actions` (only batches with any of these), `users` (only theirs),
                `seconds` and `jitter` (latency, trickle), `status` and `body` (error, maintenance).

        Raises:
            FaultError: One of them is no such object; the active faults stay as they are.
        """
        if isinstance(faults, (str, bytes, Mapping)) or not isinstance(faults, Sequence):
            raise FaultError("Faults must be given as a list of objects.")
        parsed = [_parsed(each) for each in faults]
        with self._lock:
            self._faults = parsed

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._faults = []

    def active(self) -> list[dict[str, Any]]:
        """The faults that can still strike, with the `times` that are left."""
        with self._lock:
            return [
                {**fault.description, **({} if fault.times is None else {"times": fault.times})}
                for fault in self._faults
                if fault.times != 0
            ]

    def decide(self, actions: Sequence[str], user: str | None) -> Decision:
        """What happens to a request: latencies add up, the first other fault that strikes decides the answer."""
        seconds, names = 0.0, []
        with self._lock:
            for fault in self._faults:
                if not fault.concerns(actions, user) or not fault.strikes():
                    continue
                names.append(fault.kind)
                if fault.kind == "latency":
                    seconds += fault.delay()
                    continue
                return Decision(
                    kind=fault.kind,
                    seconds=seconds,
                    trickle_seconds=fault.delay() if fault.kind == "trickle" else 0.0,
                    status=fault.status,
                    body=fault.body,
                    names=tuple(names),
                )
        return Decision(seconds=seconds, names=tuple(names))


def _parsed(description: Mapping[str, Any]) -> _Fault:
    if not isinstance(description, Mapping):
        raise FaultError(f"A fault must be an object, not {description!r}.")
    unknown = sorted(set(description) - _KEYS)
    if unknown:
        raise FaultError(f"A fault has no {unknown[0]!r}; it may have: {', '.join(sorted(_KEYS))}.")
    kind = description.get("kind")
    if kind not in KINDS:
        raise FaultError(f"There is no fault of kind {kind!r}; choose one of: {', '.join(KINDS)}.")
    times, probability = description.get("times"), description.get("probability")
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 0):
        raise FaultError(f"`times` must be a whole number, not {times!r}.")
    if probability is not None and not 0 <= _number(description, "probability", 0.0) <= 1:
        raise FaultError("`probability` must be between 0 and 1.")
    status = description.get("status", 503)
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise FaultError(f"`status` must be an HTTP status, not {status!r}.")
    return _Fault(
        kind=str(kind),
        times=times,
        probability=probability,
        seconds=_number(description, "seconds", 1.0),
        jitter=_number(description, "jitter", 0.0),
        status=status,
        body=description.get("body"),
        actions=_words(description, "actions"),
        users=_words(description, "users"),
        dice=random.Random(description.get("seed")),
        description=dict(description),
    )


def _number(description: Mapping[str, Any], name: str, default: float) -> float:
    value = description.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise FaultError(f"`{name}` must be a number, not {value!r}.")
    return float(value)


def _words(description: Mapping[str, Any], name: str) -> frozenset[str] | None:
    value = description.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise FaultError(f"`{name}` must be a list of words, not {value!r}.")
    return frozenset(value)
