"""The client that is awaited, on a real service: what both clients share is tested with the one that blocks."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from jobs import READING, lasting, quick
from service import Proxy, Service

import autodenoise as ad
from autodenoise.client import ApiError, Retry, WaitTimeoutError


def run(work: Callable[[ad.AsyncClient], Awaitable[Any]], url: str, key: str) -> Any:
    """Runs some work with a client, in an event loop of its own."""

    async def main() -> Any:
        async with ad.AsyncClient(url, key, retry=Retry(patience=40, first=0.05, longest=0.5)) as client:
            return await asyncio.wait_for(work(client), 120)

    return asyncio.run(main())


def test_many_jobs_at_once_over_connections_that_break(
    service: Service, key: str, clicks: Path, tmp_path: Path
) -> None:
    proxy = Proxy(service.port)

    async def work(client: ad.AsyncClient) -> list[Path]:
        table = clicks.read_bytes()
        dataset = await client.datasets.upload(table, resumable=True, part_bytes=64 << 10, **READING)

        async def one(seed: int) -> Path:
            job = await client.jobs.run(dataset["id"], **quick(seed=seed))
            return await client.artifacts.download(job["id"], "denoised", tmp_path / f"{seed}.csv")

        return await asyncio.gather(*(one(seed) for seed in range(6)))

    left = proxy.cut_at(lambda: proxy.received, *range(5_000, 60_000, 6_000))
    paths = run(work, proxy.url, key)
    assert left == [], "every cut was made"
    assert len({path.read_bytes() for path in paths}) == 6, "each seed drops others"
    proxy.close()


def test_waiting_keeps_nobody_else_waiting(service: Service, key: str, dataset: str) -> None:
    async def work(client: ad.AsyncClient) -> None:
        job = await client.jobs.submit(dataset, **lasting())
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        turning = asyncio.create_task(turn())
        start = time.monotonic()
        with pytest.raises(WaitTimeoutError):
            await client.jobs.wait(job["id"], timeout=1.5)
        assert 1.4 < time.monotonic() - start < 4
        assert turns > 50
        turning.cancel()
        assert (await client.jobs.cancel(job["id"]))["status"] in ("cancelling", "cancelled")
        assert [row["id"] async for row in client.jobs.list(dataset_id=dataset, page_size=1)].count(job["id"]) == 1

    run(work, service.url, key)


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """A shell starts what runs in the background deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.parametrize("how", ["a task is cancelled", "ctrl-c"])
def test_a_run_that_is_broken_off_cancels_its_job(service: Service, key: str, dataset: str, how: str) -> None:
    ids: list[str] = []

    async def work(client: ad.AsyncClient) -> None:
        def started(job: Any) -> None:
            ids.append(job["id"])
            if how == "ctrl-c":
                signal.raise_signal(signal.SIGINT)
            else:
                running.cancel()

        running = asyncio.create_task(client.jobs.run(dataset, progress=started, **lasting()))
        await running

    with pytest.raises((KeyboardInterrupt, asyncio.CancelledError)):
        run(work, service.url, key)

    async def look(client: ad.AsyncClient) -> str:
        return (await client.jobs.wait(ids[0], timeout=30, check=False))["status"]

    assert run(look, service.url, key) == "cancelled"


def test_errors_are_the_same(service: Service, key: str, dataset: str) -> None:
    async def work(client: ad.AsyncClient) -> None:
        with pytest.raises(ApiError) as caught:
            await client.jobs.submit(dataset, seeds=0)
        assert caught.value.errors[0].get("pointer") == "/seeds"

    run(work, service.url, key)
