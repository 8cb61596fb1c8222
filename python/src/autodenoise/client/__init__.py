"""A client of the service, that blocks (:class:`Client`) or is awaited (:class:`AsyncClient`), with the same members."""

from __future__ import annotations

try:
    import httpx as _httpx  # noqa: F401
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
