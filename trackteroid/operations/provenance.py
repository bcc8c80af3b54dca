"""Where a recording was made: user, machine, program and versions, as the operating system says."""

from __future__ import annotations

import getpass
import os
import platform
import sys
from dataclasses import dataclass

import ftrack_api

from trackteroid.constants import __VERSION__

__all__ = ["Provenance"]


@dataclass(frozen=True)
class Provenance:
    """Where a recording was made.

    Attributes:
        system_user: Login name, None where the system does not say.
        host: Name of the machine.
        application: Name of the program.
        library_versions: Of what took part.
    """

    system_user: str | None
    host: str | None
    application: str | None
    library_versions: dict[str, str]

    @classmethod
    def of_this_process(cls) -> Provenance:
        """Return the provenance of what this process records."""
        return cls(
            system_user=_system_user(),
            host=platform.node() or None,
            application=os.path.basename(sys.argv[0] if sys.argv else "") or os.path.basename(sys.executable) or None,
            library_versions={
                "trackteroid": __VERSION__,
                "ftrack-python-api": ftrack_api.__version__,
                "python": platform.python_version(),
            },
        )


def _system_user() -> str | None:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        # Containers run under numbers without names, and Windows services without these variables.
        return None
