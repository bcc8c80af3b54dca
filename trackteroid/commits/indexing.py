"""The words under which the ledger finds commits, so that a question costs what it finds and not what there is. Pure.

Each commit stands under the words by which people ask (`words.py`) and under exact tags: `user:anna`, `project:bc`,
`label:farm_job=123`. What is found is compared once more by whoever asks, so a word may be cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.words import normal_word, words_of_facts, words_of_result

__all__ = [
    "index_words",
    "is_pattern",
    "label_tag",
    "literal_start",
    "may_fit",
    "project_tag",
    "texts_of",
    "user_tag",
    "users_of",
    "word_of",
]

#: A commit of more words stands under all of them that fit, and among those that every question looks at.
MOST_WORDS = 64
_LONGEST = 100


def index_words(commit_id: str, facts: CommitFacts, result: Mapping[str, Any] | None = None) -> tuple[list[str], bool]:
    """Return the words under which a commit is found, and whether they are all of them.

    Args:
        commit_id: Its id, which is one.
        facts: What is known of it from its acceptance on.
        result: What committing it brought; None: it is not committed.
    """
    tags = {word_of(commit_id): None}
    tags.update(dict.fromkeys(user_tag(name) for name in users_of(facts.user)))
    tags.update(dict.fromkeys(project_tag(name) for name in texts_of(facts.context.get("project"))))
    tags.update(dict.fromkeys(label_tag(name, text) for name in facts.labels for text in texts_of(facts.labels[name])))
    words = {cut(word) for word in words_of_facts(facts) | words_of_result(result or {})}
    found = [*tags, *sorted(words - tags.keys())]
    return found[:MOST_WORDS], len(found) <= MOST_WORDS


def cut(word: str) -> str:
    """Return a word as far as it is kept. Half characters, as names of files in an old encoding have them, become `?`."""
    return (word if word.isascii() else word.encode("utf-8", "replace").decode())[:_LONGEST]


def user_tag(name: str) -> str:
    """Return the tag of what a user recorded; a pattern gives one."""
    return cut(f"user:{name.casefold()}")


def project_tag(name: str) -> str:
    """Return the tag of what is about a project."""
    return cut(f"project:{name.casefold()}")


def label_tag(name: str, text: str) -> str:
    """Return the tag of what has a label."""
    return cut(f"label:{name}={text.casefold()}")


def word_of(text: str) -> str:
    """Return a word that people ask for as it stands in the index."""
    return cut(normal_word(text))


def is_pattern(word: str) -> bool:
    """Whether a word holds `*` or `?`."""
    return "*" in word or "?" in word


def literal_start(pattern: str) -> str:
    """Return the part of a pattern before its first sign that stands for something else."""
    return pattern[: min((at for at in map(pattern.find, "*?[") if at >= 0), default=len(pattern))]


def may_fit(word: str, pattern: str, matches: bool) -> bool:
    """Whether a word of the index, which may be cut, stands for what a pattern means."""
    return matches or (len(word) >= _LONGEST and word.startswith(literal_start(pattern)))


def users_of(user: str | None) -> tuple[str, ...]:
    """Return the names of a user: ftrack's are mail addresses in many studios, so there is a short one too."""
    return (user, user.partition("@")[0]) if user else ()


def texts_of(value: Any) -> tuple[str, ...]:
    """Return the texts of a fact. Several names may be kept as one text, joined by commas."""
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    text = str(value)
    return (text, *(part.strip() for part in text.split(","))) if "," in text else (text,)
