"""Requests of the API's operations, sent again where that may help."""
# Written by scripts/python-client.py from the module of this name in _async.

from __future__ import annotations

import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Optional
from urllib.parse import quote

import httpx

from autodenoise.client._errors import UnreachableError, read_problem
from autodenoise.client._operations import OPERATIONS, OperationId
from autodenoise.client._retry import Attempts, Retry
from autodenoise.client._sync.io import sleep


class Transport:
    """Sends requests to one server with one key."""

    def __init__(self, http: httpx.Client, url: str, retry: Retry) -> None:
        self._http = http
        self.url = url.rstrip("/")
        self.retry = retry

    def call(
        self,
        operation: OperationId,
        path: Optional[Mapping[str, str]] = None,
        *,
        query: Optional[Mapping[str, Any]] = None,
        body: object = None,
        content: Optional[bytes] = None,
        headers: Optional[Mapping[str, str]] = None,
        replayable: bool = True,
        retry: Optional[Retry] = None,
    ) -> httpx.Response:
        """Asks for an operation, and reads the whole answer.

        Args:
            operation: its id in the OpenAPI document.
            path: the parts of its address.
            query: parameters; those that are None are left out.
            body: what is sent as JSON; or `content`, bytes as they are.
            headers: more headers.
            replayable: whether doing it twice is as good as doing it once. Else it is sent again only where the first
                request was certainly not carried out.
            retry: another than the client's.

        Raises:
            ApiError: the service refused.
            UnreachableError: there was no answer.
        """
        request = self._make_request(operation, path, query, body, content, headers)
        return self._send(request, False, replayable, retry or self.retry)

    @contextmanager
    def stream(
        self,
        operation: OperationId,
        path: Optional[Mapping[str, str]] = None,
        *,
        query: Optional[Mapping[str, Any]] = None,
        headers: Optional[Mapping[str, str]] = None,
        retry: Optional[Retry] = None,
    ) -> Generator[httpx.Response, None, None]:
        """As `call`, with the answer's body still to be read; what breaks off meanwhile is the reader's to take up."""
        request = self._make_request(operation, path, query, None, None, headers)
        response = self._send(request, True, True, retry or self.retry)
        try:
            yield response
        finally:
            response.close()

    def _make_request(
        self,
        operation: OperationId,
        path: Optional[Mapping[str, str]],
        query: Optional[Mapping[str, Any]],
        body: object,
        content: Optional[bytes],
        headers: Optional[Mapping[str, str]],
    ) -> httpx.Request:
        method, address = OPERATIONS[operation]
        address = address.format_map({name: quote(part, safe="") for name, part in (path or {}).items()})
        sent = dict(headers or {})
        if method == "POST":
            sent.setdefault("Idempotency-Key", uuid.uuid4().hex)
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        return self._http.build_request(
            method, self.url + address, params=asked or None, json=body, content=content, headers=sent
        )

    def _send(self, request: httpx.Request, stream: bool, replayable: bool, retry: Retry) -> httpx.Response:
        attempts = Attempts(retry)
        while True:
            try:
                response = self._http.send(request, stream=stream)
                if response.status_code < 400:
                    return response
                response.read()
                response.close()
            except httpx.TransportError as error:
                wait = attempts.wait_after_break(error, replayable)
                if wait is None:
                    raise UnreachableError(f"{self.url} does not answer: {error or type(error).__name__}") from error
            else:
                problem = read_problem(response)
                wait = attempts.wait_after_answer(problem, replayable)
                if wait is None:
                    raise problem
            sleep(wait)
