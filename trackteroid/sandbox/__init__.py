"""A local ftrack server for laptops and tests: it speaks the real protocol, so official clients run unmodified.

Parts, one way: schema -> grammar -> SQL compiler -> storage -> api -> HTTP shell. Nothing here imports anything else of
trackteroid, and the sandbox is judged by the official client only: one mistake must not agree with itself.

Needs the extra `trackteroid[sandbox]`. Importing this package imports nothing of it; the modules do.
"""

from __future__ import annotations

__all__: list[str] = []
