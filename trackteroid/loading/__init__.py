"""Loading: the server's rows become the client's entities in one pass, with the state that the client would leave."""

from __future__ import annotations
