"""Artifacts: the files that jobs leave."""
# Written by scripts/python-client.py from the module of this name in _async.

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, Optional, Union

import httpx

from autodenoise.client._errors import ApiError, DigestError, UnreachableError
from autodenoise.client._retry import Attempts
from autodenoise.client._sync.io import in_thread, sleep
from autodenoise.client._sync.transport import Transport
from autodenoise.client._table import digest_file, read_frame
from autodenoise.client._types import ArtifactView


class Artifacts:
    """Results of jobs: ``denoised``, ``indices``, ``keep_mask``, ``scores``, ``labels``, ``report.html``, .."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, job_id: str) -> Sequence[ArtifactView]:
        """What a job left."""
        return (self._transport.call("list_artifacts", {"id": job_id})).json()["data"]

    def download(
        self,
        job_id: str,
        name: str,
        to: Union[str, os.PathLike[str], None] = None,
        *,
        allow_uncertified: bool = False,
        progress: Optional[Callable[[int, int], None]] = None,
    ) -> Path:
        """Saves a result, and checks its digest.

        What arrived before a connection broke is kept, also for a later call: it lies beside the file, which is there
        only when it is whole.

        Args:
            job_id: the job, which must have succeeded.
            name: the result, for example ``denoised``.
            to: the file, or a folder for a file of the result's usual name; by default the working folder.
            allow_uncertified: whether ``denoised`` is wanted whatever the verdict.
            progress: called with the bytes that are there and the bytes in all.

        Returns:
            The file.

        Raises:
            ApiError: the service refused: ``not_found``, ``not_finished``, ``not_certified``.
            DigestError: the file is not what the service has.
            UnreachableError: nothing came for as long as the client's ``Retry`` allows.
        """
        found = self._find(job_id, name)
        target = Path(to) if to is not None else Path()
        if target.is_dir():
            target = target / found["download_name"]
        # The digest in its name keeps the rest of another file from being put behind it.
        part = target.with_name(f".{target.name}.{found['sha256'][:16]}.part")
        self._fetch(job_id, found, part, allow_uncertified, progress)
        digest = in_thread(lambda: digest_file(part))
        if digest != found["sha256"]:
            part.unlink()
            raise DigestError(f"{name} of {job_id} arrived with the sha256 {digest}, and has {found['sha256']}")
        os.replace(part, target)
        return target

    def read(self, job_id: str, name: str, *, allow_uncertified: bool = False) -> bytes:
        """A result's bytes, whose digest was checked."""
        found = self._find(job_id, name)
        query = {"allow": "uncertified"} if allow_uncertified else None
        content = (self._transport.call("get_artifact", {"id": job_id, "name": name}, query=query)).content
        digest = hashlib.sha256(content).hexdigest()
        if digest != found["sha256"]:
            raise DigestError(f"{name} of {job_id} arrived with the sha256 {digest}, and has {found['sha256']}")
        return content

    def frame(
        self,
        job_id: str,
        name: str,
        kind: str = "pandas",
        *,
        allow_uncertified: bool = False,
    ) -> Any:  # noqa: ANN401
        """A result that is a table, as a frame: of ``pandas``, ``polars`` or ``pyarrow``.

        Raises:
            ValueError: the result is no table.
        """
        with tempfile.TemporaryDirectory(prefix="autodenoise-") as folder:
            path = self.download(job_id, name, folder, allow_uncertified=allow_uncertified)
            return in_thread(lambda: read_frame(str(path), path.name, kind))

    def _find(self, job_id: str, name: str) -> ArtifactView:
        rows = self.list(job_id)
        for row in rows:
            if row["name"] == name:
                return row
        known = ", ".join(row["name"] for row in rows)
        raise ApiError(404, {"code": "not_found", "detail": f"{job_id} has no artifact `{name}`; it has {known}"})

    def _fetch(
        self,
        job_id: str,
        found: ArtifactView,
        part: Path,
        allow_uncertified: bool,
        progress: Optional[Callable[[int, int], None]],
    ) -> None:
        """Writes what is missing of a file behind what is there."""
        attempts = Attempts(self._transport.retry)
        query = {"allow": "uncertified"} if allow_uncertified else None
        while True:
            there = part.stat().st_size if part.exists() else 0
            if there == found["bytes"] and part.exists():
                return
            if there > found["bytes"]:
                part.unlink()
                there = 0
            # Bytes are counted in the file as it is, and not compressed on the way.
            headers = {"Accept-Encoding": "identity"}
            if there > 0:
                headers |= {"Range": f"bytes={there}-", "If-Range": f'"{found["sha256"]}"'}
            try:
                where = {"id": job_id, "name": found["name"]}
                with self._transport.stream("get_artifact", where, query=query, headers=headers) as response:
                    if response.status_code != 206:
                        there = 0
                    with open(part, "ab" if there else "wb") as file:
                        for chunk in response.iter_raw():
                            file.write(chunk)
                            there += len(chunk)
                            attempts.reset()
                            if progress is not None:
                                progress(there, found["bytes"])
            except httpx.TransportError as error:
                failure: Optional[httpx.TransportError] = error
            else:
                failure = None
            if there < found["bytes"]:
                wait = attempts.wait_after()
                if wait is None:
                    raise UnreachableError(f"{found['name']} of {job_id} breaks off each time") from failure
                sleep(wait)
