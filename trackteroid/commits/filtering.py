"""Choosing commits by what people know of them: state, age, user, project, labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from trackteroid.commits.commit import Commit
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.state import CommitState

__all__ = ["CommitFilter", "select"]

# Commits read in one step: one script in Redis, which serves nobody else meanwhile.
_PAGE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitFilter:
    """Which commits. All that is given must fit; texts ignore case and may hold `*` and `?`.

    Attributes:
        states: None: all.
        user: Who recorded.
        project: A project that the recording is about.
        labels: Name to text; all of them.
        older_than: Accepted at least so many seconds ago.
        newer_than: Accepted less than so many seconds ago.
    """

    states: tuple[CommitState, ...] | None = None
    user: str | None = None
    project: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    older_than: float | None = None
    newer_than: float | None = None

    @property
    def narrows(self) -> bool:
        """Whether it asks for anything but states."""
        ages = (self.older_than, self.newer_than)
        return bool(self.user or self.project or self.labels) or any(age is not None for age in ages)

    def fits(self, commit: Commit) -> bool:
        """Whether a commit is meant, apart from its age."""
        facts = commit.facts
        if self.states is not None and commit.state not in self.states:
            return False
        if self.user is not None and not _fits(self.user, _users(facts.user)):
            return False
        if self.project is not None and not _fits(self.project, _texts(facts.context.get("project"))):
            return False
        return all(_fits(wanted, _texts(facts.labels.get(name))) for name, wanted in self.labels.items())


def select(ledger: Ledger, wanted: CommitFilter, *, now: float, limit: int | None = None) -> Iterator[Commit]:
    """Yield the commits that a filter means, newest first.

    States and ages are looked up; the rest is compared one by one, so it costs time in proportion to the commits of these
    states and ages.

    Args:
        ledger: Where to look.
        wanted: The filter.
        now: Seconds since the epoch.
        limit: Most commits to yield; None: all.
    """
    found = 0
    before = None if wanted.older_than is None else (now - wanted.older_than, "")
    oldest = None if wanted.newer_than is None else now - wanted.newer_than
    while limit is None or found < limit:
        page: Sequence[Commit] = ledger.list(wanted.states, limit=_PAGE, before=before)
        for commit in page:
            if oldest is not None and commit.created_at < oldest:
                return
            if wanted.fits(commit):
                yield commit
                found += 1
                if found == limit:
                    return
        if len(page) < _PAGE:
            return
        before = (page[-1].created_at, page[-1].id)


def _fits(wanted: str, texts: Iterable[str]) -> bool:
    pattern = wanted.casefold()
    return any(fnmatchcase(text.casefold(), pattern) for text in texts)


def _users(user: str | None) -> tuple[str, ...]:
    if not user:
        return ()
    # ftrack's user names are mail addresses in many studios.
    return (user, user.partition("@")[0])


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    text = str(value)
    # Several names are kept as one text, joined by commas.
    return (text, *(part.strip() for part in text.split(","))) if "," in text else (text,)
