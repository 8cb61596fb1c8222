"""The client."""
# Written by scripts/python-client.py from the module of this name in _async.

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from typing import Optional, Union

import httpx

from autodenoise.client._errors import ApiError
from autodenoise.client._retry import Retry
from autodenoise.client._sync.artifacts import Artifacts
from autodenoise.client._sync.datasets import Datasets, pages
from autodenoise.client._sync.jobs import Jobs
from autodenoise.client._sync.judgements import Judgements
from autodenoise.client._sync.transport import Transport
from autodenoise.client._sync.uploads import Uploads
from autodenoise.client._sync.webhooks import Webhooks
from autodenoise.client._types import AuditEntryView, AuditOutcome, Capabilities, Health, WorkerView

# The service answers waits after at most 60 seconds, and streams say every 15 that they live.
_TIMEOUT = httpx.Timeout(connect=10.0, read=75.0, write=60.0, pool=60.0)


class Client:
    """A connection to a service, as the blocking client: tables in, jobs, their rows out.

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
        transport: Optional[httpx.BaseTransport] = None,
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
        self._http = httpx.Client(
            headers=headers,
            timeout=timeout,
            verify=verify,
            transport=transport,
            follow_redirects=False,
        )
        self._transport = Transport(self._http, address, retry or Retry())
        self.uploads = Uploads(self._transport)
        """Uploads in parts, step by step."""
        self.datasets = Datasets(self._transport, self.uploads)
        """Tables."""
        self.jobs = Jobs(self._transport)
        """What is computed."""
        self.artifacts = Artifacts(self._transport)
        """The files that jobs leave."""
        self.judgements = Judgements(self._transport)
        self.webhooks = Webhooks(self._transport)
        """Addresses that are told what becomes of jobs."""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.url

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def capabilities(self) -> Capabilities:
        """What the service can do, and how much of it."""
        return (self._transport.call("get_capabilities")).json()

    def workers(self, *, page_size: int = 100) -> Iterator[WorkerView]:
        """The service's workers; needs a key of scope ``admin``."""
        yield from pages(self._transport, "list_workers", {}, page_size)

    def audit(
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
    ) -> Iterator[AuditEntryView]:
        """Who did what, newest first; needs a key of scope ``admin``. Times are RFC 3339."""
        query = {"tenant": tenant, "key_id": key_id, "object": object, "action": action}
        query |= {"outcome": outcome, "since": since, "until": until}
        yield from pages(self._transport, "list_audit", query, page_size)

    def live(self) -> Health:
        """Whether the service's process lives."""
        return (self._transport.call("get_healthz")).json()

    def ready(self) -> bool:
        """Whether the service can do its work now, asked once."""
        try:
            self._transport.call("get_readyz", retry=Retry(patience=0.0))
        except ApiError as error:
            if error.status == 503:
                return False
            raise
        return True

    def metrics(self) -> str:
        """Figures of the service's process in Prometheus' text format; needs a key of scope ``admin``."""
        return (self._transport.call("get_metrics")).text
