"""The client that blocks, on a real service."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jobs import READING, lasting, quick
from service import Proxy, Service, find_program

import autodenoise as ad
from autodenoise.client import (
    ApiError,
    DatasetInvalidError,
    JobCancelledError,
    Retry,
    UploadBrokenError,
    WaitTimeoutError,
)
from autodenoise.client._types import EventView, MethodSpec, OptionValue

QUICK_RETRY = Retry(patience=40, first=0.05, longest=0.5)


@pytest.fixture
def proxy(service: Service) -> Iterator[Proxy]:
    """A proxy before the service that can break connections."""
    proxy = Proxy(service.port)
    yield proxy
    proxy.close()


def test_the_whole_way(client: ad.Client, clicks: Path, tmp_path: Path) -> None:
    sent: list[tuple[int, int]] = []
    dataset = client.datasets.upload(clicks, progress=lambda *at: sent.append(at), **READING)
    assert dataset["status"] == "ready"
    assert sent[-1] == (clicks.stat().st_size,) * 2
    assert client.datasets.upload(clicks, **READING)["id"] == dataset["id"], "the same bytes are the same dataset"
    assert client.datasets.get(dataset["id"])["sha256"] == hashlib.sha256(clicks.read_bytes()).hexdigest()
    assert dataset["id"] in [row["id"] for row in client.datasets.list(page_size=1)]

    plan = client.jobs.plan(dataset["id"], **quick())
    assert plan["memory_bytes"] > 0
    shown: list[str] = []
    options = quick(
        certify={"seeds": 2},
        compare=[{"name": "loss_drop"}],
        transfer=["wide_deep"],
        labels={"suite": "client"},
    )
    job = client.jobs.run(dataset["id"], progress=lambda job: shown.append(job["status"]), **options)
    assert job["status"] == "succeeded"
    assert shown[-1] == "succeeded"
    assert client.jobs.get(job["id"])["spec_sha256"] == job["spec_sha256"]
    assert [row["id"] for row in client.jobs.list(label="suite=client")] == [job["id"]]
    assert client.jobs.verdict(job["id"])["verdict"] == job.get("verdict")
    assert client.jobs.report(job["id"])["kept"]["rows"] == 1440
    assert len(list(client.jobs.metrics(job["id"], arm="denoised"))) > 0
    assert [attempt["attempt"] for attempt in client.jobs.attempts(job["id"])] == [1]
    assert isinstance(client.jobs.checkpoints(job["id"]), list)
    kept = list(client.jobs.rows(job["id"], kept=False, cells=True))
    assert len(kept) == 160
    assert kept[0].get("cells", [])[0]["column"] == "user"
    assert client.jobs.overlap(job["id"], job["id"])["dropped_by_both"] == 160

    with pytest.raises(ApiError) as refused:
        client.artifacts.download(job["id"], "denoised", tmp_path)
    assert (refused.value.status, refused.value.code) == (409, "not_certified")
    path = client.artifacts.download(job["id"], "denoised", tmp_path, allow_uncertified=True)
    assert path == tmp_path / "denoised.csv"
    assert [file.name for file in tmp_path.iterdir()] == ["denoised.csv"]
    assert client.artifacts.read(job["id"], "denoised", allow_uncertified=True) == path.read_bytes()
    for kind in ("pandas", "polars", "pyarrow"):
        frame = client.artifacts.frame(job["id"], "denoised", kind, allow_uncertified=True)
        assert frame.shape == (1840, 8)
        assert client.artifacts.frame(job["id"], "indices", kind).shape[0] == 1440
    with pytest.raises(ValueError, match="neither Parquet nor CSV"):
        client.artifacts.frame(job["id"], "report.html")
    with pytest.raises(ApiError, match="has no artifact `secret`; it has certificate"):
        client.artifacts.download(job["id"], "secret")

    again = client.jobs.wait(client.jobs.reproduce(job["id"])["id"])
    assert client.jobs.verdict(again["id"])["reproduction"]["identical"]  # pyright: ignore
    client.jobs.delete(again["id"])
    with pytest.raises(ApiError, match="404 not_found"):
        client.jobs.get(again["id"])


def test_a_sweep_is_a_job(client: ad.Client, dataset: str) -> None:
    job = client.jobs.run(dataset, **quick(sweep={"option": "select_ratio", "values": [0.8, 0.9]}))
    assert len(client.jobs.report(job["id"])["table"]) >= 2  # pyright: ignore


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_frames_go_up_and_come_down(client: ad.Client, clicks: Path, kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(clicks)
    if kind == "polars":
        frame = pytest.importorskip("polars").from_pandas(frame)
    if kind == "pyarrow":
        frame = pytest.importorskip("pyarrow").Table.from_pandas(frame, preserve_index=False)
    for resumable in (False, True):
        dataset = client.datasets.upload(frame, resumable=resumable, **READING)
        assert dataset["profile"]["rows"] == {"train": 1600, "valid": 200, "test": 200}  # pyright: ignore
    job = client.jobs.run(dataset["id"], **quick())
    clean = client.artifacts.frame(job["id"], "denoised", kind)
    assert type(clean) is type(frame)
    assert clean.shape == (1840, 8)


def test_bytes_and_names_that_fit_no_address(client: ad.Client) -> None:
    table = b'"user, or id",item,click,split\n' + b"".join(
        b"%d,%d,%d,%s\n" % (i % 7, i % 5, i % 2, [b"train", b"train", b"valid", b"test"][i // 3 % 4]) for i in range(96)
    )
    dataset = client.datasets.upload(
        table, label="click", split_column="split", features=["user, or id", "item"], format="csv"
    )
    assert [field["column"] for field in dataset["feature_map"]["fields"]] == ["user, or id", "item"]  # pyright: ignore
    with pytest.raises(ValueError, match="resumable=True"):
        client.datasets.upload(table, label="click", features=["user, or id"], resumable=False)


def test_faults_are_pointed_at(client: ad.Client, clicks: Path, dataset: str) -> None:
    with pytest.raises(ApiError) as caught:
        client.jobs.submit(dataset, method={"options": {"select_ratio": 7}}, seeds=0)
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (422, "invalid_spec", False)
    assert {fault.get("pointer") for fault in caught.value.errors} == {"/method/options/select_ratio", "/seeds"}
    assert caught.value.request_id
    assert "select_ratio" in caught.value.detail
    with pytest.raises(DatasetInvalidError, match="rating") as invalid:
        client.datasets.upload(clicks, label="rating > 3", split_column="split")
    assert invalid.value.dataset["status"] == "invalid"
    with pytest.raises(ApiError, match="401 unauthorized"), ad.Client(client.url, "adk_none") as stranger:
        list(stranger.jobs.list())


def test_the_service_says_how_it_is(client: ad.Client, service: Service) -> None:
    assert client.live()["status"] == "alive"
    assert client.ready()
    with ad.Client(service.url, service.make_key("admin")) as admin:
        assert "autodenoise_http_requests_total" in admin.metrics()
        assert [worker["slots"] for worker in admin.workers()] == [2]


def test_webhooks(client: ad.Client) -> None:
    with pytest.raises(ApiError, match="422 blocked_url") as caught:
        client.webhooks.create("https://127.0.0.1/hook")
    assert caught.value.errors[0].get("pointer") == "/url"
    # An address by number needs no name server.
    made = client.webhooks.create("https://1.1.1.1/hook", events=["job.failed"])
    assert made["secret"].startswith("whsec_")
    assert client.webhooks.get(made["id"])["events"] == ["job.failed"]
    assert [hook["id"] for hook in client.webhooks.list()] == [made["id"]]
    assert client.webhooks.test(made["id"])["message_id"]
    assert isinstance(list(client.webhooks.deliveries(made["id"])), list)
    client.webhooks.delete(made["id"])
    assert list(client.webhooks.list()) == []


def test_an_upload_goes_on_where_its_connection_was_cut(proxy: Proxy, key: str, clicks: Path) -> None:
    table = clicks.read_bytes()
    table += b"".join(table.splitlines(keepends=True)[1:] * 20)
    left = proxy.cut_at(lambda: proxy.sent, 300_000, 700_000, 900_000)
    offsets: list[int] = []
    with ad.Client(proxy.url, key, retry=QUICK_RETRY) as client:
        dataset = client.datasets.upload(
            table, resumable=True, part_bytes=256 << 10, progress=lambda offset, _: offsets.append(offset), **READING
        )
    assert left == [], "every cut was made"
    assert dataset["sha256"] == hashlib.sha256(table).hexdigest()
    assert offsets == sorted(offsets)
    assert proxy.sent < 2 * len(table), "what had arrived was not sent again"


def test_an_upload_that_broke_is_taken_up_by_another_call(
    proxy: Proxy, key: str, client: ad.Client, clicks: Path
) -> None:
    table = clicks.read_bytes() * 30
    proxy.cut = lambda: proxy.sent > 1 << 20
    with (
        ad.Client(proxy.url, key, retry=Retry(patience=0.5, first=0.05)) as broken,
        pytest.raises(UploadBrokenError) as caught,
    ):
        broken.datasets.upload(table, part_bytes=256 << 10, **READING)
    assert 0 < caught.value.offset < len(table)
    rest: list[int] = []
    dataset = client.datasets.upload(
        table,
        upload_id=caught.value.upload_id,
        part_bytes=256 << 10,
        wait=False,
        progress=lambda offset, _: rest.append(offset),
        **READING,
    )
    assert rest[0] >= caught.value.offset
    assert dataset["bytes"] == len(table)


def test_the_single_steps_of_an_upload(client: ad.Client, clicks: Path) -> None:
    table = clicks.read_bytes()
    assert "creation" in client.uploads.discover().extensions
    upload = client.uploads.create(len(table), name="clicks.csv")
    half = client.uploads.append(upload, 0, table[:5000])
    assert (half, client.uploads.get(upload).offset) == (5000, 5000)
    with pytest.raises(ApiError, match="409 wrong_offset"):
        client.uploads.append(upload, 0, table)
    client.uploads.append(upload, half, table[5000:])
    assert client.uploads.sample(upload)["columns"][:2] == ["user", "item"]
    client.uploads.delete(upload)
    with pytest.raises(ApiError, match="404 not_found"):
        client.uploads.get(upload)


def test_a_download_goes_on_where_its_connection_was_cut(
    proxy: Proxy, key: str, client: ad.Client, tmp_path: Path
) -> None:
    table = b"user,item,click,split\n" + b"".join(
        b"%d,%d,%d,%s\n" % (i % 997, i % 89, i % 2, [b"train", b"train", b"valid", b"test"][i // 3 % 4])
        for i in range(150_000)
    )
    job = client.jobs.run(client.datasets.upload(table, label="click", split_column="split")["id"], **quick())
    seen: list[int] = []
    left = proxy.cut_at(lambda: proxy.received, 300_000, 600_000, 1_000_000)
    with ad.Client(proxy.url, key, retry=QUICK_RETRY) as broken:
        path = broken.artifacts.download(
            job["id"], "denoised", tmp_path / "clean.csv", progress=lambda there, _: seen.append(there)
        )
    assert left == [], "every cut was made"
    assert path.read_bytes() == client.artifacts.read(job["id"], "denoised")
    assert seen == sorted(seen), "what had arrived was not asked for again"


def test_events_miss_and_repeat_nothing_over_connections_that_break(proxy: Proxy, key: str, dataset: str) -> None:
    with ad.Client(proxy.url, key, retry=QUICK_RETRY) as client:
        job = client.jobs.submit(dataset, **quick(certify={"seeds": 5}))
        numbers, last = [], ""
        left = proxy.cut_at(lambda: proxy.received, *(proxy.received + place for place in (1500, 3000, 6000, 9000)))
        for event in client.jobs.events(job["id"]):
            numbers, last = [*numbers, event["seq"]], event["type"]
        assert left == [], "every cut was made"
        assert numbers == list(range(1, len(numbers) + 1))
        assert last == "job.succeeded"
        assert [event["seq"] for event in client.jobs.events(job["id"], after=numbers[-3])] == numbers[-2:]
        assert list(client.jobs.events(job["id"], after=numbers[-1])) == []


def test_pause_resume_cancel_and_time_limits(client: ad.Client, dataset: str) -> None:
    job = client.jobs.submit(dataset, **lasting())
    with pytest.raises(WaitTimeoutError, match="is still running after 2"):
        client.jobs.wait(job["id"], timeout=2)
    assert client.jobs.pause(job["id"])["status"] in ("pausing", "paused")
    _until(lambda: client.jobs.get(job["id"])["status"] == "paused")
    assert client.jobs.resume(job["id"])["status"] in ("queued", "running")
    _until(lambda: client.jobs.get(job["id"])["status"] == "running")
    threading.Timer(0.5, client.jobs.cancel, [job["id"]]).start()
    with pytest.raises(JobCancelledError) as caught:
        client.jobs.wait(job["id"])
    assert caught.value.job["status"] == "cancelled"
    assert client.jobs.wait(job["id"], check=False)["status"] == "cancelled"
    with pytest.raises(ApiError, match="409 conflict"):
        client.jobs.pause(job["id"])


def test_the_same_key_is_the_same_job(client: ad.Client, dataset: str) -> None:
    first = client.jobs.submit(dataset, idempotency_key="nightly", **quick())
    assert client.jobs.submit(dataset, idempotency_key="nightly", **quick())["id"] == first["id"]
    assert client.jobs.submit(dataset, **quick())["id"] != first["id"]


def test_requests_that_are_too_many_wait_as_the_service_says(service: Service) -> None:
    key = service.make_key("write", "--tenant", "busy")
    limit = ["keys", "tenants", "busy", "--max-requests", "60", "--data-dir", service.folder / "data", "--log", "warn"]
    subprocess.run([find_program(), *limit], check=True, capture_output=True)
    start = time.monotonic()
    with ad.Client(service.url, key) as client:
        for _ in range(63):
            list(client.jobs.list())
    assert time.monotonic() - start > 1.5, "three of the requests came when there were none left"
    client = ad.Client(service.url, key, retry=Retry(patience=0))
    with pytest.raises(ApiError) as caught:
        [list(client.jobs.list()) for _ in range(5)]
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (429, "too_many_requests", True)
    assert (caught.value.retry_after or 0) >= 1


@pytest.mark.parametrize("how", ["wait", "run"])
def test_ctrl_c_ends_the_wait_and_where_asked_the_job(
    service: Service, key: str, client: ad.Client, dataset: str, how: str
) -> None:
    before = {job["id"] for job in client.jobs.list()}
    script = f"""
import autodenoise as ad
from jobs import lasting
client = ad.Client({service.url!r}, {key!r})
shown = lambda job: print(job["status"], flush=True)
if {how!r} == "run":
    client.jobs.run({dataset!r}, progress=shown, **lasting())
else:
    client.jobs.wait(client.jobs.submit({dataset!r}, **lasting())["id"], progress=shown)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in ("queued", "running")
    job = next(job["id"] for job in client.jobs.list() if job["id"] not in before)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    if how == "run":
        _until(lambda: client.jobs.get(job)["status"] == "cancelled")
    else:
        assert not client.jobs.get(job)["is_terminal"]
        client.jobs.cancel(job)


def test_a_service_that_is_killed_and_started_again_while_somebody_waits(clicks: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="autodenoise-python-") as path:
        Path(path).chmod(0o755)
        service = Service(Path(path), "--lease-seconds", "5", "--retry-seconds", "1")
        service.start()
        try:
            with ad.Client(service.url, retry=QUICK_RETRY) as client:
                dataset = client.datasets.upload(clicks, **READING)
                long: dict[str, OptionValue] = {"retrain_max_epoch": 100, "patience": 100, "mlp_dims": [64]}
                method: MethodSpec = {"name": "random_drop", "backbone": "deepfm", "options": long}
                job = client.jobs.submit(dataset["id"], method=method, tuning="off")
                events: list[int] = []

                def restart() -> None:
                    service.kill()
                    time.sleep(1)
                    service.start()

                restarting = threading.Thread(target=restart)

                def note(event: EventView) -> None:
                    events.append(event["seq"])
                    if event["type"] == "epoch.completed" and restarting.ident is None:
                        restarting.start()

                ended = client.jobs.wait(job["id"], on_event=note, timeout=120)
                restarting.join()
                assert ended["status"] == "succeeded"
                assert ended["attempt"] >= 2, "the service was killed while it ran"
                assert events == sorted(set(events))
        finally:
            service.stop()


def _until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
