"""The stage of the tests of committing, for those of failures: a sandbox, a real Redis, the official client."""

from __future__ import annotations

from tests.integration.commits.conftest import (
    ledger,
    redis_server,
    sandbox,
    sandbox_process,
    settings,
    witness,
    witness_session,
)

__all__ = ["ledger", "redis_server", "sandbox", "sandbox_process", "settings", "witness", "witness_session"]
