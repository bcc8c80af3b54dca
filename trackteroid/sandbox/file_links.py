"""URLs that say what they are good for and need no credentials: uploads must work without headers (specification 1.6)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

__all__ = ["FileLink", "FileLinks"]

_SIGNATURE_BYTES = 16
_HOURS = 24


@dataclass(frozen=True, kw_only=True)
class FileLink:
    """What a URL is good for.

    Attributes:
        operation: `get` or `put`.
        upload_id, part: The part of a multipart upload that is put; None and 0 if the whole is.
        until: End of its life in seconds since 1970.
    """

    operation: str
    component_id: str
    upload_id: str | None = None
    part: int = 0
    until: float


class FileLinks:
    """Makes and reads such URLs.

    Args:
        url: Address of this server.
        secret: What signatures are made with.
        clock: Seconds since 1970.
    """

    def __init__(self, url: str, secret: bytes, clock: Callable[[], float]) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock

    def at(self, url: str) -> FileLinks:
        """The same, for who reaches this server under another address."""
        return FileLinks(url, self._secret, self._clock)

    def upload(self, component_id: str, *, upload_id: str | None = None, part: int = 0) -> str:
        """Where to PUT a component's data, or a part of it; good for a day."""
        return f"{self._url}/upload/" + self._token("put", component_id, upload_id, part)

    def download(self, component_id: str) -> str:
        """Where to GET a component's data; good for a day."""
        return f"{self._url}/download/" + self._token("get", component_id)

    def read(self, token: str, operation: str) -> FileLink | None:
        """What a URL's last part stands for; None if it is none of ours, too old, or good for something else."""
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii"))
        except (binascii.Error, ValueError):
            return None
        signature, content = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content)):
            return None
        link = FileLink(**json.loads(content))
        return link if link.operation == operation and self._clock() < link.until else None

    def _token(self, operation: str, component_id: str, upload_id: str | None = None, part: int = 0) -> str:
        until = self._clock() + _HOURS * 3600
        link = FileLink(operation=operation, component_id=component_id, upload_id=upload_id, part=part, until=until)
        content = json.dumps(asdict(link)).encode("ascii")
        return base64.urlsafe_b64encode(self._signature(content) + content).decode("ascii")

    def _signature(self, content: bytes) -> bytes:
        return hmac.new(self._secret, content, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
