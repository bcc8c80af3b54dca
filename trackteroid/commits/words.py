"""The words by which people find a commit: shot, artist, label, version, file, as they say them. Pure.

A word fits if it is one of the commit's words, whatever its case. A name is a word, and so are its parts (`bc0010_comp`:
`bc0010`, `comp`); a path is the words of its folders and its file; versions are the same with and without zeros (`v012`, `v12`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from trackteroid.commits.commit import Commit, CommitFacts

__all__ = ["fits_words", "normal_word", "words_of_commit", "words_of_facts", "words_of_result"]

# What separates names from each other, and the parts of a name.
_NAMES = re.compile(r"[\s,;/\\|]+")
_PARTS = re.compile(r"[_\-.:@#%+=()\[\]{}\"']+")
_VERSION = re.compile(r"v0*(\d+)", re.ASCII)
_LONGEST = 100


def normal_word(text: str) -> str:
    """Return a word as it is compared: without case, versions without leading zeros."""
    word = text.strip().casefold()
    told = _VERSION.fullmatch(word)
    return f"v{told[1]}" if told else word


def words_of_facts(facts: CommitFacts) -> set[str]:
    """Return the words in what is known of a commit when it is accepted."""
    found = set(_words([facts.user, facts.host, facts.application]))
    for name, value in facts.context.items():
        found.update(_version_words(value) if name == "version" else _words(_texts(value)))
    for value in facts.labels.values():
        found.update(_words(_texts(value)))
    return found


def words_of_commit(commit: Commit) -> set[str]:
    """Return the words of a commit, its id and the version numbers that it was given included."""
    return {*words_of_facts(commit.facts), *words_of_result(commit.result or {}), normal_word(commit.id)}


def words_of_result(result: Mapping[str, Any]) -> set[str]:
    """Return the words in what committing brought: the version numbers."""
    versions = result.get("versions")
    if not isinstance(versions, Mapping):
        return set()
    return {word for number in versions.values() for word in _version_words(number)}


def fits_words(wanted: Iterable[str], words: set[str]) -> bool:
    """Whether each of the wanted words (`*` and `?` as in file names) is among `words`."""
    for text in wanted:
        word = normal_word(text)
        if "*" in word or "?" in word:
            if not any(fnmatchcase(each, word) for each in words):
                return False
        elif word not in words:
            return False
    return True


def _words(texts: Iterable[str | None]) -> Iterator[str]:
    for text in texts:
        for name in _NAMES.split(text or ""):
            for word in (name, *_PARTS.split(name)):
                if 0 < len(word) <= _LONGEST:
                    yield normal_word(word)
        if text and len(text) <= _LONGEST:
            yield normal_word(text)


def _version_words(value: Any) -> Iterator[str]:
    for text in _texts(value):
        for number in re.findall(r"\d+", text):
            yield number
            yield f"v{int(number)}"


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    return () if value is None else (str(value),)
