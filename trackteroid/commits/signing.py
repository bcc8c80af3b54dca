"""Signatures over recordings, so that only who knows the key gives work to the workers. HMAC-SHA256; rules: design 5.

Whoever can write to Redis or into a spool can otherwise let the workers' API key do anything. The signature covers the compressed
recording, the commit's id and its server, so that a signed one can be used neither under another id nor for another server. It
stands in front of the recording: whoever passes it on (a spool) needs no key, and it is checked before anything is decompressed.
Keys and signatures are never logged.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from trackteroid.errors import SignatureRefusedError

__all__ = ["SIGNATURE_BYTES", "seal", "sign", "unseal", "unseal_checked", "verify"]

# zlib's streams begin with 0x78: one can be told from the other.
_MAGIC = b"trackteroid-signed-1\n"
_DIGEST_BYTES = 32

#: By how much a signed payload is longer than an unsigned one.
SIGNATURE_BYTES = len(_MAGIC) + _DIGEST_BYTES


def sign(payload: bytes, *, key: str, commit_id: str, server_url: str) -> bytes:
    """Return the signature of a payload, 32 bytes.

    Args:
        payload: The compressed recording.
        key: The secret.
        commit_id: The commit that it is.
        server_url: Normalised URL of the server that it is for.
    """
    mac = hmac.new(key.encode(), digestmod="sha256")
    for part in (_MAGIC, commit_id.encode("utf-8", "surrogatepass"), server_url.encode(), payload):
        # With its length, so that no other parts make the same bytes.
        mac.update(len(part).to_bytes(8, "big"))
        mac.update(part)
    return mac.digest()


def verify(payload: bytes, signature: bytes, *, keys: Iterable[str], commit_id: str, server_url: str) -> bool:
    """Whether `signature` is that of `payload` under one of the keys; takes the same time wherever it differs."""
    good = False
    for key in keys:
        good |= hmac.compare_digest(sign(payload, key=key, commit_id=commit_id, server_url=server_url), signature)
    return good


def seal(payload: bytes, *, keys: tuple[str, ...], commit_id: str, server_url: str) -> bytes:
    """Return a payload as it is stored: signed with the first key, as it is without keys."""
    if not keys:
        return payload
    return _MAGIC + sign(payload, key=keys[0], commit_id=commit_id, server_url=server_url) + payload


def unseal(stored: bytes) -> tuple[bytes, bytes | None]:
    """Return the payload in what is stored, and its signature (not checked); None if it is not signed."""
    if not stored.startswith(_MAGIC):
        return stored, None
    return stored[SIGNATURE_BYTES:], stored[len(_MAGIC) : SIGNATURE_BYTES]


def unseal_checked(stored: bytes, *, keys: tuple[str, ...], commit_id: str, server_url: str) -> bytes:
    """Return the payload in what is stored, if it is signed as it must be; without keys signatures do not matter.

    Raises:
        SignatureRefusedError: There are keys, and it is not signed, or was changed or moved after it was signed.
    """
    payload, signature = unseal(stored)
    if not keys:
        return payload
    if signature is None:
        raise SignatureRefusedError(
            "The recording is not signed, and these workers commit only signed ones: set TRACKTEROID_SIGNING_KEY where "
            "recordings are enqueued, and record again."
        )
    if not verify(payload, signature, keys=keys, commit_id=commit_id, server_url=server_url):
        raise SignatureRefusedError(
            "The recording's signature is wrong: it was changed after it was signed, or signed with a key that these workers do "
            "not have (TRACKTEROID_SIGNING_KEY)."
        )
    return payload
