"""A client of the service: :class:`Client` blocks, :class:`AsyncClient` is awaited, and both have the same members."""

from __future__ import annotations

try:
    import httpx  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ImportError as error:
    raise ImportError("the client of the service needs httpx: pip install 'autodenoise[client]'") from error

from autodenoise.client._async.client import AsyncClient
from autodenoise.client._errors import (
    ApiError,
    DatasetInvalidError,
    DigestError,
    JobCancelledError,
    JobFailedError,
    ServiceError,
    UnreachableError,
    UploadBrokenError,
    WaitTimeoutError,
)
from autodenoise.client._retry import Retry
from autodenoise.client._sync.client import Client

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "DatasetInvalidError",
    "DigestError",
    "JobCancelledError",
    "JobFailedError",
    "Retry",
    "ServiceError",
    "UnreachableError",
    "UploadBrokenError",
    "WaitTimeoutError",
]
