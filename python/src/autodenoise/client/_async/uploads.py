"""Uploads in parts (tus 1.0.0), over connections that break."""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from typing import Callable, NamedTuple, Optional

import httpx

from autodenoise.client._async.io import in_thread, sleep
from autodenoise.client._async.transport import AsyncTransport
from autodenoise.client._errors import ApiError, UnreachableError, UploadBrokenError
from autodenoise.client._retry import Attempts, Retry
from autodenoise.client._table import TableBytes
from autodenoise.client._types import UploadSample

_TUS = {"Tus-Resumable": "1.0.0"}
_SMALLEST_PART = 64 << 10
# A part that fails is not sent again blindly: how far the upload has come is asked first.
_ONCE = Retry(patience=0.0)


class UploadState(NamedTuple):
    """How far an upload has come."""

    offset: int
    """Bytes that are there."""
    length: int
    """Bytes that there will be."""
    expires: Optional[str]
    """When it is removed if nothing more comes, as HTTP writes times."""


class UploadAbilities(NamedTuple):
    """What the service can do with uploads in parts."""

    versions: list[str]
    """Versions of tus."""
    extensions: list[str]
    """Its extensions."""
    most_bytes: int
    """Bytes of the largest upload."""
    checksums: list[str]
    """Algorithms of parts' digests."""


class AsyncUploads:
    """Uploads in parts. :meth:`AsyncDatasets.upload` does all of it; these are the single steps."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def discover(self) -> UploadAbilities:
        """What the service can do."""
        headers = (await self._transport.call("discover_uploads")).headers
        return UploadAbilities(
            headers["tus-version"].split(","),
            headers["tus-extension"].split(","),
            int(headers["tus-max-size"]),
            headers["tus-checksum-algorithm"].split(","),
        )

    async def create(self, length: int, *, name: Optional[str] = None, media_type: Optional[str] = None) -> str:
        """Begins an upload of `length` bytes, and gives its id."""
        known = {"filename": name, "filetype": media_type}
        words = [f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in known.items() if value]
        headers = {**_TUS, "Upload-Length": str(length), **({"Upload-Metadata": ",".join(words)} if words else {})}
        # Were it begun twice, the first one would expire.
        answer = await self._transport.call("create_upload", headers=headers)
        return answer.headers["location"].rstrip("/").rsplit("/", 1)[-1]

    async def get(self, upload_id: str) -> UploadState:
        """How far an upload has come."""
        answer = await self._transport.call("find_upload", {"id": upload_id}, headers=_TUS)
        headers = answer.headers
        return UploadState(int(headers["upload-offset"]), int(headers["upload-length"]), headers.get("upload-expires"))

    async def append(self, upload_id: str, offset: int, part: bytes) -> int:
        """Sends one part with its digest, once, and gives the offset behind it.

        Raises:
            ApiError: ``wrong_offset`` where the upload has come to another offset, ``checksum_mismatch`` where the
                bytes were damaged on the way.
        """
        checksum = base64.b64encode(hashlib.sha256(part).digest()).decode()
        headers = {
            **_TUS,
            "Upload-Offset": str(offset),
            "Upload-Checksum": f"sha256 {checksum}",
            "Content-Type": "application/offset+octet-stream",
        }
        answer = await self._transport.call(
            "append_upload", {"id": upload_id}, content=part, headers=headers, replayable=False, retry=_ONCE
        )
        return int(answer.headers["upload-offset"])

    async def delete(self, upload_id: str) -> None:
        """Deletes an upload that no dataset was made of."""
        await self._transport.call("delete_upload", {"id": upload_id}, headers=_TUS)

    async def sample(self, upload_id: str) -> UploadSample:
        """How the table of a complete upload would be read: its format, its columns, its first rows."""
        return (await self._transport.call("get_upload_sample", {"id": upload_id})).json()

    async def send(
        self,
        upload_id: str,
        table: TableBytes,
        *,
        part_bytes: int,
        progress: Optional[Callable[[int, int], None]] = None,
    ) -> None:
        """Sends all that an upload has not yet.

        After a failure the service is asked how far the upload has come, and smaller parts are sent: nothing of a part
        whose connection breaks is kept, and one of another size may get through.

        Raises:
            UploadBrokenError: no part got through for as long as the client's ``Retry`` allows.
        """
        offset, length, _ = await self.get(upload_id)
        if length != table.size:
            raise ValueError(f"{upload_id} is of {length} bytes, and the table has {table.size}")
        attempts, size = Attempts(self._transport.retry), part_bytes
        while offset < length:
            if progress is not None:
                progress(offset, length)
            part = await in_thread(partial(table.read, offset, size))
            try:
                offset = await self.append(upload_id, offset, part)
                attempts.reset()
                size = min(part_bytes, size * 2)
                continue
            except UnreachableError as error:
                failure = error
                cause = error.__cause__
                wait = attempts.wait_after_break(cause, True) if isinstance(cause, httpx.TransportError) else None
            except ApiError as error:
                failure = error
                if error.code not in ("wrong_offset", "checksum_mismatch", "bad_request"):
                    wait = attempts.wait_after_answer(error, True)
                else:
                    # A part that broke off and was answered all the same is a bad request.
                    wait = attempts.wait_after()
            if wait is None:
                if isinstance(failure, UnreachableError) or failure.retryable:
                    raise UploadBrokenError(str(failure), upload_id, offset) from failure
                raise failure
            await sleep(wait)
            size = max(_SMALLEST_PART, size // 2)
            try:
                reached = (await self.get(upload_id)).offset
            except UnreachableError as error:
                raise UploadBrokenError(str(error), upload_id, offset) from error
            if reached > offset:
                attempts.reset()
            offset = reached
        if progress is not None:
            progress(length, length)
