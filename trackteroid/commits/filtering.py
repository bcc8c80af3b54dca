"""Choosing commits by what people know of them: state, age, user, project, labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from trackteroid.commits.commit import Commit
from trackteroid.commits.indexing import is_pattern, label_tag, project_tag, texts_of, user_tag, users_of, word_of
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.state import CommitState
from trackteroid.commits.words import fits_words, words_of_commit

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

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the ledger's index under which the commits stand; patterns among them."""
        return (
            *((user_tag(self.user),) if self.user is not None else ()),
            *((project_tag(self.project),) if self.project is not None else ()),
            *(label_tag(name, text) for name, text in self.labels.items()),
        )

    def fits_age(self, commit: Commit, *, now: float) -> bool:
        """Whether a commit was accepted when it should have been; `now` in seconds since the epoch."""
        age = now - commit.created_at
        if self.older_than is not None and age < self.older_than:
            return False
        return self.newer_than is None or age <= self.newer_than

    def fits(self, commit: Commit) -> bool:
        """Whether a commit is meant, apart from its age."""
        facts = commit.facts
        if self.states is not None and commit.state not in self.states:
            return False
        if self.user is not None and not _fits(self.user, users_of(facts.user)):
            return False
        if self.project is not None and not _fits(self.project, texts_of(facts.context.get("project"))):
            return False
        return all(_fits(wanted, texts_of(facts.labels.get(name))) for name, wanted in self.labels.items())


def select(
    ledger: Ledger, wanted: CommitFilter, *, now: float, limit: int | None = None, words: Sequence[str] = ()
) -> Iterator[Commit]:
    """Yield the commits that a filter means, newest first.

    Costs time in proportion to the commits of whatever is asked for and is rarest: states, a user, a project, a label, a word.

    Args:
        ledger: Where to look.
        wanted: The filter.
        now: Seconds since the epoch.
        limit: Most commits to yield; None: all.
        words: Words of `trackteroid.commits.words`, all of which a commit must have; a commit's id may be among them.
    """
    groups: list[Sequence[str]] = []
    for word in (*wanted.tags, *map(word_of, words)):
        found: Sequence[str] | None = ledger.words_like(word) if is_pattern(word) else (word,)
        # What means too much of the index is left to the comparison.
        if found is not None:
            groups.append(found)
    number = 0
    before = None if wanted.older_than is None else (now - wanted.older_than, "")
    while limit is None or number < limit:
        page = ledger.list(wanted.states, limit=_PAGE, before=before, words=groups)
        for commit in page:
            if wanted.newer_than is not None and commit.created_at < now - wanted.newer_than:
                return
            if wanted.fits(commit) and (not words or fits_words(words, words_of_commit(commit))):
                yield commit
                number += 1
                if number == limit:
                    return
        if len(page) < _PAGE:
            return
        before = (page[-1].created_at, page[-1].id)


def _fits(wanted: str, texts: Iterable[str]) -> bool:
    pattern = wanted.casefold()
    if not is_pattern(pattern):
        return any(text.casefold() == pattern for text in texts)
    return any(fnmatchcase(text.casefold(), pattern) for text in texts)
