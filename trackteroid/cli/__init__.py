"""The command line: one module per group of commands. Standard output is for results, standard error for messages."""

from __future__ import annotations
