"""The connection to an ftrack server: making it lazily, exchanging batches over it, retiring what came over an old one."""

from __future__ import annotations
