"""The client."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from typing import Optional, Union

import httpx

from autodenoise.client._async.artifacts import AsyncArtifacts
from autodenoise.client._async.datasets import AsyncDatasets, pages
from autodenoise.client._async.jobs import AsyncJobs
from autodenoise.client._async.judgements import AsyncJudgements
from autodenoise.client._async.transport import AsyncTransport
from autodenoise.client._async.uploads import AsyncUploads
from autodenoise.client._async.webhooks import AsyncWebhooks
from autodenoise.client._errors import ApiError
from autodenoise.client._retry import Retry
from autodenoise.client._types import AuditEntryView, AuditOutcome, Capabilities, Health, WorkerView

# The service answers waits after at most 60 seconds, and streams say every 15 that they live.
_TIMEOUT = httpx.Timeout(connect=10.0, read=75.0, write=60.0, pool=60.0)


class AsyncClient:
    """A connection to a service, as the awaited client: tables in, jobs, their rows out.

    Requests that meet an outage, or are too many, are sent again by `retry`. A context that closes its connections::

        with Client("https://denoise.example.com", key) as client:
            dataset = client.datasets.upload(frame, label="rating > 3", split_column="split")
            job = client.jobs.run(dataset["id"], certify={})
            client.artifacts.download(job["id"], "denoised", "clean.parquet")
    """

    def __init__(
        self,
        url: Optional[str] = None,
        key: Optional[str] = None,
        *,
        retry: Optional[Retry] = None,
        timeout: Union[httpx.Timeout, float] = _TIMEOUT,
        verify: Union[ssl.SSLContext, bool] = True,
        transport: Optional[httpx.AsyncBaseTransport] = None,
    ) -> None:
        """Makes no connection yet.

        Args:
            url: the service's address; by default what ``AUTODENOISE_SERVER`` says, else ``http://127.0.0.1:8080``.
            key: a key of its API; by default what ``AUTODENOISE_API_KEY`` says, if anything.
            retry: for how long, and how often, requests are sent again.
            timeout: seconds of silence after which a request has failed. Waits for news are silent for up to a minute.
            verify: False accepts any certificate; a context has your own authorities.
            transport: what carries requests in place of httpx's own, for proxies with passwords and for tests.
        """
        address = url or os.environ.get("AUTODENOISE_SERVER") or "http://127.0.0.1:8080"
        secret = key or os.environ.get("AUTODENOISE_API_KEY")
        headers = {"User-Agent": "autodenoise-python", "Accept": "application/json"}
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        # A redirect could take the key elsewhere, and the service sends none.
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=timeout,
            verify=verify,
            transport=transport,
            follow_redirects=False,
        )
        self._transport = AsyncTransport(self._http, address, retry or Retry())
        self.uploads = AsyncUploads(self._transport)
        """Uploads in parts, step by step."""
        self.datasets = AsyncDatasets(self._transport, self.uploads)
        """Tables."""
        self.jobs = AsyncJobs(self._transport)
        """What is computed."""
        self.artifacts = AsyncArtifacts(self._transport)
        """The files that jobs leave."""
        self.judgements = AsyncJudgements(self._transport)
        self.webhooks = AsyncWebhooks(self._transport)
        """Addresses that are told what becomes of jobs."""

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.url

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def capabilities(self) -> Capabilities:
        """What the service can do, and how much of it."""
        return (await self._transport.call("get_capabilities")).json()

    async def workers(self, *, page_size: int = 100) -> AsyncIterator[WorkerView]:
        """The service's workers; needs a key of scope ``admin``."""
        async for row in pages(self._transport, "list_workers", {}, page_size):
            yield row

    async def audit(
        self,
        *,
        tenant: Optional[str] = None,
        key_id: Optional[str] = None,
        object: Optional[str] = None,
        action: Optional[str] = None,
        outcome: Optional[AuditOutcome] = None,
        since: Optional[str] = None,
        until: Optional[str] = None,
        page_size: int = 100,
    ) -> AsyncIterator[AuditEntryView]:
        """Who did what, newest first; needs a key of scope ``admin``. Times are RFC 3339."""
        query = {"tenant": tenant, "key_id": key_id, "object": object, "action": action}
        query |= {"outcome": outcome, "since": since, "until": until}
        async for row in pages(self._transport, "list_audit", query, page_size):
            yield row

    async def live(self) -> Health:
        """Whether the service's process lives."""
        return (await self._transport.call("get_healthz")).json()

    async def ready(self) -> bool:
        """Whether the service can do its work now, asked once."""
        try:
            await self._transport.call("get_readyz", retry=Retry(patience=0.0))
        except ApiError as error:
            if error.status == 503:
                return False
            raise
        return True

    async def metrics(self) -> str:
        """Figures of the service's process in Prometheus' text format; needs a key of scope ``admin``."""
        return (await self._transport.call("get_metrics")).text
