"""The parts of the client that need no service."""

from __future__ import annotations

import ast
import json
import ssl
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path
from time import time

import httpx
import pytest
from service import ROOT

import autodenoise as ad
from autodenoise.client import ApiError, Retry, UnreachableError
from autodenoise.client._errors import read_retry_after
from autodenoise.client._reading import job_body, reading_body, reading_query
from autodenoise.client._retry import Attempts
from autodenoise.client._sse import EventReader, ends_job

CLIENT = ROOT / "python" / "src" / "autodenoise" / "client"
DOCUMENT = json.loads((ROOT / "openapi" / "openapi.json").read_text())
# Operations that no member of the client asks for, each with the reason.
LEFT_OUT: dict[str, str] = {}


def test_what_is_made_from_the_document_and_from_the_awaited_client_is_up_to_date() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "python-client.py", "--check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("side", ["_async", "_sync"])
def test_every_operation_of_the_document_can_be_asked_for(side: str) -> None:
    asked: set[str] = set()
    for module in (CLIENT / side).glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            name = getattr(getattr(node, "func", None), "attr", None) or getattr(
                getattr(node, "func", None), "id", None
            )
            if isinstance(node, ast.Call) and name in ("call", "stream", "pages"):
                asked |= {
                    part.value for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    operations = {
        operation["operationId"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
    }
    assert asked | set(LEFT_OUT) == operations
    assert not asked & set(LEFT_OUT)


def test_both_clients_have_the_same_members() -> None:
    def members(thing: object) -> set[str]:
        return {name.replace("aclose", "close") for name in dir(thing) if not name.startswith("_")}

    blocking, awaited = ad.Client("http://127.0.0.1:1"), ad.AsyncClient("http://127.0.0.1:1")
    assert members(blocking) == members(awaited)
    for part in ("uploads", "datasets", "jobs", "judgements", "artifacts", "webhooks"):
        assert members(getattr(blocking, part)) == members(getattr(awaited, part))


def test_events_are_read_however_their_bytes_are_divided() -> None:
    stream = (
        b': ping\n\nid: 1\nevent: job.queued\ndata: {"at":"t","seq":1}\n\n'
        b'id: 2\r\nevent: log\r\ndata: {"at":"t","message":"a\xe2\x80\xa8b",\r\ndata: "seq":2}\r\n\r\n'
        b'id: 3\nevent: job.succeeded\ndata: {"at":"t","seq":3}\n\nid: 4\nevent: cut'
    )
    for size in (1, 2, 7, len(stream)):
        reader = EventReader()
        events = [event for start in range(0, len(stream), size) for event in reader.feed(stream[start : start + size])]
        assert [(event["seq"], event["type"], event["at"]) for event in events] == [
            (1, "job.queued", "t"),
            (2, "log", "t"),
            (3, "job.succeeded", "t"),
        ]
        assert events[1]["data"] == {"message": "a\u2028b"}
        assert [ends_job(event) for event in events] == [False, False, True]


def test_retry_after_is_seconds_or_a_date() -> None:
    assert read_retry_after("7") == 7
    assert 8 <= (read_retry_after(formatdate(time() + 10, usegmt=True)) or 0) <= 10
    assert read_retry_after(formatdate(time() - 10, usegmt=True)) == 0
    assert read_retry_after(None) is None
    assert read_retry_after("soon") is None


def test_waits_grow_are_random_and_end() -> None:
    waits = [Attempts(Retry(first=1, longest=4)).wait_after() for _ in range(50)]
    assert len(set(waits)) > 40, "many clients must not come back at once"
    assert all(wait is not None and wait <= 1 for wait in waits)
    attempts = Attempts(Retry(patience=30, first=1, longest=4))
    assert all((wait := attempts.wait_after()) is not None and wait <= 4 for _ in range(20))
    assert (attempts.wait_after(asked=10) or 0) >= 10
    assert attempts.wait_after(asked=31) is None, "the service asks for more patience than there is"
    assert Attempts(Retry(patience=0)).wait_after() is None


def test_what_may_have_been_done_is_not_done_again() -> None:
    def attempts() -> Attempts:
        return Attempts(Retry())

    def refused(status: int, code: str = "") -> ApiError:
        return ApiError(status, {"code": code})

    assert attempts().wait_after_answer(refused(503), replayable=True) is not None
    assert attempts().wait_after_answer(refused(503), replayable=False) is None
    assert attempts().wait_after_answer(refused(429), replayable=False) is not None, (
        "such a request was not carried out"
    )
    assert attempts().wait_after_answer(refused(429, "quota_exceeded"), replayable=True) is None, (
        "only a deletion helps"
    )
    for status in (400, 401, 404, 409, 422, 500):
        assert attempts().wait_after_answer(refused(status), replayable=True) is None
    assert attempts().wait_after_break(httpx.ReadError(""), replayable=True) is not None
    assert attempts().wait_after_break(httpx.ReadError(""), replayable=False) is None
    assert attempts().wait_after_break(httpx.ConnectError(""), replayable=False) is not None, "nothing was sent"
    untrusted = httpx.ConnectError("")
    untrusted.__cause__ = ssl.SSLCertVerificationError()
    assert attempts().wait_after_break(untrusted, replayable=True) is None, "the certificate will be the same"


def test_arguments_that_there_are_not_are_refused_here() -> None:
    with pytest.raises(TypeError, match=r"'lable'.*label"):
        reading_body({"lable": "click"})
    with pytest.raises(TypeError, match="'sead'"):
        job_body("ds_1", {"sead": 1})
    assert job_body("ds_1", {"seed": 1, "certify": None}) == {"dataset_id": "ds_1", "seed": 1}


def test_a_reading_that_an_address_cannot_say_goes_into_a_body() -> None:
    body = {"label": "click", "features": ["a", "b"], "split": [0.8, 0.1, 0.1], "strict": True, "split_seed": 3}
    assert reading_query(body) == {
        "label": "click",
        "features": "a,b",
        "split": "0.8,0.1,0.1",
        "strict": "true",
        "split_seed": "3",
    }
    assert reading_query({"features": ["a,b"]}) is None
    assert reading_query({"features": [" a"]}) is None
    assert reading_query({"multi": ["genres=|", "tags=|"]}) is None
    assert reading_query({"features": ["long"] * 2000}) is None


def test_requests_are_sent_again_with_the_same_idempotency_key() -> None:
    keys: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers.get("idempotency-key"))
        if len(keys) == 1:
            raise httpx.ReadError("broken", request=request)
        if len(keys) == 2:
            return httpx.Response(503, json={"code": "unavailable"}, headers={"Retry-After": "0"})
        return httpx.Response(201, json={"id": "job_1"})

    with ad.Client("http://denoise", transport=httpx.MockTransport(answer), retry=Retry(first=0.01)) as client:
        assert client.jobs.submit("ds_1")["id"] == "job_1"
        assert len(keys) == 3
        assert len(set(keys)) == 1
        assert keys[0]
        keys[:] = ["", ""]
        client.jobs.submit("ds_1", idempotency_key="nightly-2026-01-01")
        assert keys[2] == "nightly-2026-01-01"


def test_an_answer_that_is_no_problem_is_an_error_all_the_same() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, html="<h1>Bad Gateway</h1>")

    client = ad.Client("http://denoise", transport=httpx.MockTransport(answer))
    with pytest.raises(ApiError, match="500 http_500") as caught:
        client.capabilities()
    assert caught.value.errors == []
    assert caught.value.retryable


def test_nobody_there_is_said_with_the_address() -> None:
    client = ad.Client("http://127.0.0.1:9", retry=Retry(patience=0.3))
    with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:9 does not answer"):
        client.capabilities()


def test_a_client_shows_no_key() -> None:
    assert "adk" not in repr(ad.Client("http://denoise", "adk_secret"))


def test_the_address_and_the_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"status": "ok"})

    monkeypatch.setenv("AUTODENOISE_SERVER", "http://denoise/prefix/")
    monkeypatch.setenv("AUTODENOISE_API_KEY", "adk_1")
    with ad.Client(transport=httpx.MockTransport(answer)) as client:
        client.live()
    assert str(seen[0].url) == "http://denoise/prefix/healthz"
    assert seen[0].headers["authorization"] == "Bearer adk_1"


@pytest.mark.parametrize("stream", ["silent", "another type", "refused"])
def test_where_streams_do_not_get_through_pages_are_asked_for(stream: str) -> None:
    accepted: list[str] = []
    event = {"seq": 8, "type": "job.succeeded", "at": "t", "data": {}}

    def answer(request: httpx.Request) -> httpx.Response:
        accepted.append(request.headers["accept"])
        if "event-stream" not in accepted[-1]:
            assert request.url.params["after"] == "7"
            return httpx.Response(200, json={"data": [event], "has_more": False, "is_terminal": True})
        if stream == "silent":
            raise httpx.ReadTimeout("silent", request=request)
        return httpx.Response(406 if stream == "refused" else 200, json={})

    with ad.Client("http://denoise", transport=httpx.MockTransport(answer)) as client:
        assert list(client.jobs.events("job_1", after=7)) == [event]
    assert accepted == ["text/event-stream", "application/json"]


def test_a_stream_that_ends_at_once_each_time_is_given_up() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"", headers={"Content-Type": "text/event-stream"})

    with (
        ad.Client(
            "http://denoise", transport=httpx.MockTransport(answer), retry=Retry(patience=0.2, first=0.01)
        ) as client,
        pytest.raises(UnreachableError, match="breaks off the events of job_1"),
    ):
        list(client.jobs.events("job_1"))


def test_a_frame_is_written_without_its_index(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    from autodenoise.client._table import TableBytes, write_parquet

    frame = pandas.DataFrame({"user": ["a", "b"], "click": [0, 1]}, index=[7, 9])
    for table in (frame, polars.from_pandas(frame), pyarrow.Table.from_pandas(frame, preserve_index=False)):
        with TableBytes(table) as source:
            (tmp_path / "frame.parquet").write_bytes(source.read(0, source.size))
        read = parquet.read_table(tmp_path / "frame.parquet")
        assert read.column_names == ["user", "click"]
        assert read.to_pylist() == [{"user": "a", "click": 0}, {"user": "b", "click": 1}]
    with pytest.raises(TypeError, match="not list"):
        write_parquet([1, 2], str(tmp_path / "none.parquet"))
