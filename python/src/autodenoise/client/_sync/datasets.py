"""Datasets: tables that the service has."""
# Written by scripts/python-client.py from the module of this name in _async.

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable, Optional

from autodenoise.client._clock import Deadline
from autodenoise.client._errors import DatasetInvalidError, WaitTimeoutError
from autodenoise.client._operations import OperationId
from autodenoise.client._reading import reading_body, reading_query
from autodenoise.client._sync.io import in_thread, sleep
from autodenoise.client._sync.transport import Transport
from autodenoise.client._sync.uploads import Uploads
from autodenoise.client._table import Table, TableBytes
from autodenoise.client._types import DatasetView

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from autodenoise.client._types import TableReading

PART_BYTES = 8 << 20


class Datasets:
    """The service's tables."""

    def __init__(self, transport: Transport, uploads: Uploads) -> None:
        self._transport = transport
        self._uploads = uploads

    def upload(
        self,
        table: Table,
        *,
        resumable: Optional[bool] = None,
        part_bytes: int = PART_BYTES,
        upload_id: Optional[str] = None,
        wait: bool = True,
        timeout: Optional[float] = None,
        progress: Optional[Callable[[int, int], None]] = None,
        **reading: Unpack[TableReading],
    ) -> DatasetView:
        """Sends a table, and makes a dataset of it. The same bytes read the same way are the same dataset.

        Args:
            table: a path, the bytes of a file, or a frame of pandas, polars or pyarrow, which goes as Parquet without
                its index.
            resumable: whether it goes in parts, of which those that arrived are kept when the connection breaks. By
                default what is larger than a part does.
            part_bytes: bytes of a part.
            upload_id: an upload that broke off (:attr:`UploadBrokenError.upload_id`): only the rest is sent.
            wait: whether to wait until the service has read the table.
            timeout: seconds to wait for that at most.
            progress: called with the bytes sent and the bytes in all.
            reading: how the table is read: ``label``, ``split_column``, ``time``, .. as in :class:`TableReading`.

        Raises:
            ApiError: the service refused; ``errors`` point at what is wrong.
            DatasetInvalidError: the table cannot be used.
            UploadBrokenError: an upload in parts stopped half-way.
            WaitTimeoutError: the service has not read the table in time.
        """
        body = reading_body(reading)
        query = reading_query(body)
        with in_thread(lambda: TableBytes(table)) as source:
            digest = in_thread(source.digest)
            in_parts = source.size > part_bytes or query is None if resumable is None else resumable
            if in_parts or upload_id is not None:
                if upload_id is None:
                    upload_id = self._uploads.create(source.size, name=source.name, media_type=source.media_type)
                self._uploads.send(upload_id, source, part_bytes=part_bytes, progress=progress)
                dataset = self.create(upload_id, digest, **reading)
            else:
                if query is None:
                    raise ValueError("names with commas, and several `multi`, need resumable=True")
                dataset = self._send_whole(source, digest, query, progress)
        return self.wait(dataset["id"], timeout=timeout) if wait else dataset

    def create(self, upload_id: str, sha256: str, **reading: Unpack[TableReading]) -> DatasetView:
        """Makes a dataset of a complete upload whose bytes have this digest."""
        body = {"upload_id": upload_id, "sha256": sha256, **reading_body(reading)}
        return (self._transport.call("create_dataset", body=body)).json()

    def get(self, dataset_id: str) -> DatasetView:
        """A dataset: its status, and its profile or its errors."""
        return (self._transport.call("find_dataset", {"id": dataset_id})).json()

    def list(self, *, page_size: int = 100) -> Iterator[DatasetView]:
        """All datasets, newest first, asked for by pages."""
        yield from pages(self._transport, "list_datasets", {}, page_size)

    def delete(self, dataset_id: str) -> None:
        """Deletes a dataset that no unfinished job uses; results of finished jobs stay."""
        self._transport.call("delete_dataset", {"id": dataset_id})

    def wait(self, dataset_id: str, *, timeout: Optional[float] = None) -> DatasetView:
        """Waits until a dataset is ready.

        Raises:
            DatasetInvalidError: the table cannot be used.
            WaitTimeoutError: it is still being read.
        """
        deadline, pause = Deadline(timeout), 0.05
        while True:
            dataset = self.get(dataset_id)
            if dataset["status"] == "ready":
                return dataset
            if dataset["status"] == "invalid":
                raise DatasetInvalidError(dataset)
            if deadline.left() <= 0.0:
                raise WaitTimeoutError(f"{dataset_id} is still being read after {timeout} seconds")
            sleep(min(pause, deadline.left()))
            pause = min(2.0, pause * 1.5)

    def _send_whole(
        self, source: TableBytes, digest: str, query: dict[str, str], progress: Optional[Callable[[int, int], None]]
    ) -> DatasetView:
        content = in_thread(lambda: source.read(0, source.size))
        expected = base64.b64encode(bytes.fromhex(digest)).decode()
        headers = {"Content-Type": source.media_type, "Content-Digest": f"sha-256=:{expected}:"}
        answer = self._transport.call("upload_table", query=query, content=content, headers=headers)
        if progress is not None:
            progress(source.size, source.size)
        return answer.json()


def pages(
    transport: Transport,
    operation: OperationId,
    query: dict[str, Any],
    page_size: int,
    path: Optional[dict[str, str]] = None,
) -> Iterator[Any]:
    """The rows of all pages of a list."""
    after = query.pop("after", None)
    while True:
        answer = transport.call(operation, path, query={**query, "limit": page_size, "after": after})
        page = answer.json()
        yield from page["data"]
        after = page.get("next")
        if not page["has_more"] or after is None:
            return
