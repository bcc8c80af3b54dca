"""What the sandbox answers instead of a result, and what stops it from starting."""

from __future__ import annotations

__all__ = [
    "ApiError",
    "DataFileError",
    "DuplicateEntryError",
    "IntegrityError",
    "InvalidCredentialsError",
    "MalformedRequestError",
    "ParseError",
    "PermissionDeniedError",
    "SandboxStartError",
    "SchemaFormatError",
    "UnknownActionError",
    "UnknownAttributeError",
    "UnknownEntityTypeError",
    "ValidationError",
]


class SandboxStartError(Exception):
    """The sandbox cannot start; the message is one line for the person who started it."""


class SchemaFormatError(ValueError):
    """A file of entity types cannot be read."""


class ApiError(Exception):
    """A request that fails as a whole: becomes the protocol's error object (specification 1.4).

    Attributes:
        exception: Class-like name that clients see.
        status: HTTP status where the client asked for strict errors (`ftrack-strict-api`), else 200 is sent.
        error_code: Machine-readable code, None without one.
    """

    exception = "ServerError"
    status = 400
    error_code: str | None = None

    def __init__(self, content: str, *, exception: str | None = None, status: int | None = None) -> None:
        super().__init__(content)
        self.content = content
        if exception is not None:
            self.exception = exception
        if status is not None:
            self.status = status

    def as_object(self) -> dict[str, str | None]:
        return {"exception": self.exception, "content": self.content, "error_code": self.error_code}


class InvalidCredentialsError(ApiError):
    """Unknown user, inactive user or wrong key."""

    exception = "InvalidCredentialsError"
    status = 401
    error_code = "api_credentials_invalid"


class MalformedRequestError(ApiError):
    """The body is no batch of operations."""

    exception = "MalformedRequestError"


class ParseError(ApiError):
    """A query that is no sentence of the query language.

    Attributes:
        position: Index of the first character that cannot be understood, counted from 0.
    """

    exception = "ParseError"

    def __init__(self, content: str, *, position: int) -> None:
        super().__init__(content)
        self.position = position


class ValidationError(ApiError):
    """A value that the attribute cannot hold."""

    exception = "ValidationError"


class PermissionDeniedError(ApiError):
    """The operation is forbidden."""

    exception = "PermissionError"
    status = 403


class IntegrityError(ApiError):
    """A constraint of the data failed."""

    exception = "IntegrityError"


class DuplicateEntryError(ApiError):
    """A value that must be unique exists already."""

    exception = "DuplicateEntryError"


class DataFileError(ApiError):
    """The data file cannot be read or written: it is not the request's fault."""

    exception = "InternalError"
    status = 500


class UnknownActionError(ApiError):
    """No such action."""

    exception = "ValueError"


class UnknownEntityTypeError(ApiError):
    """No such entity type."""

    exception = "KeyError"


class UnknownAttributeError(ApiError):
    """No such attribute."""

    exception = "AttributeError"
