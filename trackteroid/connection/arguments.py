"""A session's constructor arguments: the client's, in its order or in that of the original library, and our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["bind"]

# The client's positional order; its type hints are ours to keep.
_CLIENT_ARGUMENTS = (
    "server_url",
    "api_key",
    "api_user",
    "auto_populate",
    "plugin_paths",
    "cache",
    "cache_key_maker",
    "auto_connect_event_hub",
    "schema_cache_path",
    "plugin_arguments",
    "timeout",
    "cookies",
    "headers",
    "strict_api",
)

# The original library took its two flags first.
_FLAG_ARGUMENTS = ("auto_populate", "auto_connect_event_hub")

_OWN_ARGUMENTS = ("reuse_query_results", "cache_namespace")


def bind(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments for positional ones and `kwargs`.

    Raises:
        TypeError: An argument is unknown or given twice, or there are too many.
    """
    names = _FLAG_ARGUMENTS if args and isinstance(args[0], bool) else _CLIENT_ARGUMENTS
    if len(args) > len(names):
        raise TypeError(f"Session takes at most {len(names)} positional arguments ({', '.join(names)}).")
    bound = dict(zip(names, args, strict=False))
    known = {*_CLIENT_ARGUMENTS, *_OWN_ARGUMENTS}
    for name in kwargs:
        if name in bound:
            raise TypeError(f"Session got two values for the argument {name!r}.")
        if name not in known:
            raise TypeError(f"Session has no argument {name!r}; it knows {', '.join(sorted(known))}.")
    return {**bound, **kwargs}
