"""Jobs: what the service computes."""
# Written by scripts/python-client.py from the module of this name in _async.

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Callable, Optional

import httpx

from autodenoise.client._clock import Deadline
from autodenoise.client._errors import (
    ApiError,
    JobCancelledError,
    JobFailedError,
    ServiceError,
    UnreachableError,
    WaitTimeoutError,
)
from autodenoise.client._reading import job_body
from autodenoise.client._retry import Attempts, Retry
from autodenoise.client._sse import EventReader, ends_job
from autodenoise.client._sync.datasets import pages
from autodenoise.client._sync.io import INTERRUPTS, sleep
from autodenoise.client._sync.transport import Transport
from autodenoise.client._types import (
    AttemptView,
    CheckpointView,
    EpochRow,
    EventView,
    JobState,
    JobSummary,
    JobView,
    OverlapView,
    Plan,
    Report,
    RowWithCells,
    VerdictView,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from autodenoise.client._types import JobOptions

# A stream says every 15 seconds that it lives. One that would outlast the time limit is asked for as pages.
_SHORTEST_STREAM = 20.0
_LONGEST_POLL = 50
# What becomes of a stream that breaks is decided where it is read.
_ONCE = Retry(patience=0.0)
# A job is shown to whoever watches it at most this often.
_PROGRESS_SECONDS = 1.0


class Jobs:
    """The service's jobs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def submit(
        self, dataset_id: str, *, idempotency_key: Optional[str] = None, **options: Unpack[JobOptions]
    ) -> JobView:
        """Asks for a job. The answer holds the spec with every default filled in; that is what runs.

        Args:
            dataset_id: the dataset, which must be ready.
            idempotency_key: the same key and job within 24 hours are the same job, so that a program that is started
                again makes no second one. By default each call has a key of its own, with which it may be sent again.
            options: ``method``, ``certify``, ``seeds``, ``compare``, ``sweep``, .. as in :class:`JobOptions`.

        Raises:
            ApiError: the service refused; ``errors`` point at what is wrong.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key is not None else None
        return (self._transport.call("create_job", body=job_body(dataset_id, options), headers=headers)).json()

    def run(
        self,
        dataset_id: str,
        *,
        timeout: Optional[float] = None,
        progress: Optional[Callable[[JobView], None]] = None,
        idempotency_key: Optional[str] = None,
        **options: Unpack[JobOptions],
    ) -> JobView:
        """Submits a job and waits for its end. Ctrl-C cancels the job, whose trainer then ends.

        The arguments and errors are those of :meth:`submit` and :meth:`wait`.
        """
        job = self.submit(dataset_id, idempotency_key=idempotency_key, **options)
        return self.wait(job["id"], timeout=timeout, progress=progress, cancel_on_interrupt=True)

    def plan(self, dataset_id: str, **options: Unpack[JobOptions]) -> Plan:
        """What a job would take and could show, before any of it is computed."""
        return (self._transport.call("plan_job", body=job_body(dataset_id, options))).json()

    def get(self, job_id: str) -> JobView:
        """A job: its state, phase, progress and resolved spec."""
        return (self._transport.call("find_job", {"id": job_id})).json()

    def list(
        self,
        *,
        status: Optional[JobState] = None,
        dataset_id: Optional[str] = None,
        label: Optional[str] = None,
        page_size: int = 100,
    ) -> Iterator[JobSummary]:
        """Jobs, newest first, asked for by pages: those in a state, of a dataset, with a label (``name=value``)."""
        query = {"status": status, "dataset_id": dataset_id, "label": label}
        yield from pages(self._transport, "list_jobs", query, page_size)

    def cancel(self, job_id: str) -> JobView:
        """Cancels a job. A queued one ends at once, a running one as soon as its worker hears of it."""
        return (self._transport.call("cancel_job", {"id": job_id})).json()

    def pause(self, job_id: str) -> JobView:
        """Pauses a job, which then holds no worker."""
        return (self._transport.call("pause_job", {"id": job_id})).json()

    def resume(self, job_id: str) -> JobView:
        """Puts a paused job back into the queue; it goes on from where it stopped."""
        return (self._transport.call("resume_job", {"id": job_id})).json()

    def delete(self, job_id: str) -> None:
        """Deletes a job that has ended, with its events and results."""
        self._transport.call("delete_job", {"id": job_id})

    def reproduce(self, job_id: str) -> JobView:
        """Runs a job again, to see whether it comes to the same."""
        # The service knows no idempotency key here, so that a lost answer may not be asked for again.
        return (self._transport.call("create_reproduction", {"id": job_id}, replayable=False)).json()

    def wait(
        self,
        job_id: str,
        *,
        timeout: Optional[float] = None,
        progress: Optional[Callable[[JobView], None]] = None,
        on_event: Optional[Callable[[EventView], None]] = None,
        cancel_on_interrupt: bool = False,
        check: bool = True,
    ) -> JobView:
        """Waits until a job has ended, and gives it as it then is.

        It follows the job's events, and comes back to them when the connection breaks or the service is started again,
        for as long as the client's ``Retry`` allows.

        Args:
            job_id: the job.
            timeout: seconds to wait at most. The job goes on.
            progress: called with the job at once, when something happened to it, at most once a second, and at its end.
            on_event: called with each event from now on.
            cancel_on_interrupt: whether Ctrl-C cancels the job.
            check: whether a job that failed or was cancelled is an error.

        Raises:
            JobFailedError: the job failed; JobCancelledError: it was cancelled.
            WaitTimeoutError: it has not ended in time.
        """
        try:
            job = self._wait(job_id, Deadline(timeout), progress, on_event)
        except INTERRUPTS:
            if cancel_on_interrupt:
                self._cancel_quietly(job_id)
            raise
        if not job["is_terminal"]:
            raise WaitTimeoutError(f"{job_id} is still {job['status']} after {timeout} seconds")
        if check and job["status"] == "cancelled":
            raise JobCancelledError(job)
        if check and job["status"] != "succeeded":
            raise JobFailedError(job)
        return job

    def events(self, job_id: str, *, after: int = 0) -> Generator[EventView, None, None]:
        """What happens to a job, from its first event or from behind number `after`, until its last.

        Connections that break are made again, and no event is missed or given twice. Types that you do not know are to
        be ignored.
        """
        events = self._follow(job_id, after, Deadline(None))
        try:
            yield from events
        finally:
            events.close()

    def attempts(self, job_id: str) -> Iterator[AttemptView]:
        """The times that a worker has started a job."""
        yield from pages(self._transport, "list_attempts", {}, 100, {"id": job_id})

    def checkpoints(self, job_id: str) -> Sequence[CheckpointView]:
        """The states that a job could go on from."""
        return (self._transport.call("list_checkpoints", {"id": job_id})).json()["data"]

    def metrics(
        self,
        job_id: str,
        *,
        contender: Optional[int] = None,
        arm: Optional[str] = None,
        seed: Optional[int] = None,
        phase: Optional[str] = None,
    ) -> Iterator[EpochRow]:
        """AUC and log-loss of every pass, in the order they were made."""
        query = {"contender": contender, "arm": arm, "seed": seed, "phase": phase}
        yield from pages(self._transport, "list_metrics", query, 1000, {"id": job_id})

    def report(self, job_id: str) -> Report:
        """All that a job came to."""
        return (self._transport.call("get_report", {"id": job_id})).json()

    def verdict(self, job_id: str) -> VerdictView:
        """What a finished job proved."""
        return (self._transport.call("get_verdict", {"id": job_id})).json()

    def rows(
        self,
        job_id: str,
        *,
        page_size: int = 100,
        **filters: str | int | bool | None,
    ) -> Iterator[RowWithCells]:
        """Training rows with what was decided of them and why.

        Args:
            job_id: the job, which must have succeeded.
            page_size: rows asked for at once.
            filters: parameters of the address: ``kept``, ``label``, ``row``, ``column``, ``value``, ``order``, ..
        """
        query = {name: str(value).lower() if isinstance(value, bool) else value for name, value in filters.items()}
        yield from pages(self._transport, "list_rows", query, page_size, {"id": job_id})

    def overlap(self, job_id: str, other: str) -> OverlapView:
        """How many of the rows that one job dropped another dropped too."""
        return (self._transport.call("get_overlap", {"id": job_id}, query={"with": other})).json()

    def _wait(
        self,
        job_id: str,
        deadline: Deadline,
        progress: Optional[Callable[[JobView], None]],
        on_event: Optional[Callable[[EventView], None]],
    ) -> JobView:
        job = self.get(job_id)
        if not job["is_terminal"]:
            # A job that waits for a worker may say nothing for long.
            if progress is not None:
                progress(job)
            shown = monotonic()
            events = self._follow(job_id, job.get("last_event_seq", 0), deadline)
            try:
                for event in events:
                    if on_event is not None:
                        on_event(event)
                    if progress is not None and not ends_job(event) and monotonic() >= shown + _PROGRESS_SECONDS:
                        progress(self.get(job_id))
                        shown = monotonic()
            finally:
                events.close()
            job = self.get(job_id)
        if progress is not None:
            progress(job)
        return job

    def _cancel_quietly(self, job_id: str) -> None:
        """Cancels a job whose waiter is broken off: that it has ended, or that nobody answers, is no news then."""
        with suppress(ApiError, UnreachableError):
            self.cancel(job_id)

    def _follow(self, job_id: str, after: int, deadline: Deadline) -> Generator[EventView, None, None]:
        """Events until the last one or the deadline: a stream of them, or pages where streams do not get through."""
        reading, attempts = _Reading(after), Attempts(self._transport.retry)
        while not reading.ended and deadline.left() > 0.0:
            in_stream = reading.streams and deadline.left() >= _SHORTEST_STREAM
            failure: Optional[Exception] = None
            events = self._stream(job_id, reading, deadline) if in_stream else self._page(job_id, reading, deadline)
            try:
                yield from events
            except (httpx.TransportError, ServiceError) as error:
                if not in_stream:
                    raise
                failure = error
            finally:
                events.close()
            if in_stream and not reading.ended:
                # What was told makes the next try a new one.
                if reading.heard:
                    attempts.reset()
                wait = _wait_after_stream(failure, reading, attempts)
                if wait is None:
                    raise failure or UnreachableError(f"{self._transport.url} breaks off the events of {job_id}")
                sleep(min(wait, deadline.left()))

    def _stream(self, job_id: str, reading: _Reading, deadline: Deadline) -> Generator[EventView, None, None]:
        """The events of one connection."""
        reading.heard = False
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(reading.after)}
        asked = self._transport.stream("list_events", {"id": job_id}, headers=headers, retry=_ONCE)
        with asked as response:
            if response.status_code == 204:
                reading.ended = True
                return
            reading.streams = response.headers.get("content-type", "").startswith("text/event-stream")
            if not reading.streams:
                return
            reader = EventReader()
            for chunk in response.iter_bytes():
                reading.heard = True
                for event in reader.feed(chunk):
                    reading.take(event)
                    yield event
                if reading.ended or deadline.left() < _SHORTEST_STREAM:
                    return

    def _page(self, job_id: str, reading: _Reading, deadline: Deadline) -> Generator[EventView, None, None]:
        """The events of one page, which the service waits for."""
        wait = math.ceil(min(_LONGEST_POLL, deadline.left()))
        query, headers = {"after": reading.after, "wait": wait}, {"Accept": "application/json"}
        page = (self._transport.call("list_events", {"id": job_id}, query=query, headers=headers)).json()
        for event in page["data"]:
            reading.take(event)
            yield event
        reading.ended = page["is_terminal"]


class _Reading:
    """How far the reading of a job's events has come."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.streams = True
        """Whether streams get through."""
        self.heard = False
        """Whether the stream of this connection has said anything."""
        self.ended = False
        """Whether there are no more events."""

    def take(self, event: EventView) -> None:
        self.after, self.ended = event["seq"], ends_job(event)


def _wait_after_stream(failure: Optional[Exception], reading: _Reading, attempts: Attempts) -> Optional[float]:
    """Seconds until events are asked for again; None where that would not help."""
    broken = failure.__cause__ if isinstance(failure, UnreachableError) else failure
    if isinstance(broken, httpx.ReadTimeout):
        # Neither an event nor a sign of life: something on the way gathers what is streamed.
        reading.streams = reading.heard
    if isinstance(broken, ApiError):
        reading.streams = broken.status not in (406, 501)
        return attempts.wait_after_answer(broken, True) if reading.streams else 0.0
    if not reading.streams:
        return 0.0
    return (
        attempts.wait_after_break(broken, True) if isinstance(broken, httpx.TransportError) else attempts.wait_after()
    )
