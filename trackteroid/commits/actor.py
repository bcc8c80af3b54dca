"""Who is acting: what the ledger notes beside every manual action."""

from __future__ import annotations

import getpass
import socket

__all__ = ["current_actor"]


def current_actor() -> str:
    """Return `user@host` of this process; never raises."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container without a user database (KeyError before Python 3.13), Windows without environment.
        user = "unknown"
    # Redis takes no half characters, which a variable in an old encoding has.
    return f"{user}@{socket.gethostname()}".encode("utf-8", "replace").decode()
