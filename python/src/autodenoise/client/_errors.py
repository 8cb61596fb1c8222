"""What a client raises."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, Optional, cast

from autodenoise._errors import AutodenoiseError, JobFailed, NotVerified, Refused

if TYPE_CHECKING:
    import httpx

    from autodenoise.client._types import DatasetView, JobView, ProblemItem


# Answers to HEAD have no body that could say more.
_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    410: "expired",
    429: "too_many_requests",
    503: "unavailable",
}


class ServiceError(AutodenoiseError):
    """The base of what a client raises."""


class ApiError(ServiceError):
    """The service refused a request, and said why in its answer (``application/problem+json``, RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any], retry_after: Optional[float] = None) -> None:
        super().__init__("", problem=problem)
        self.status = status
        """The HTTP status."""
        # The program has exit codes, the service has words.
        self.code: str = problem.get("code") or _CODES.get(status, f"http_{status}")  # type: ignore[assignment]
        """What is wrong in one word, for programs, for example ``invalid_spec``."""
        self.title: str = problem.get("title") or f"the service answered {status}"
        """The same in a sentence."""
        self.detail: str = problem.get("detail") or ""
        """What is wrong this time, and how to mend it."""
        self.errors: list[ProblemItem] = problem.get("errors") or []
        """The wrong parts: a ``rule``, and a JSON ``pointer`` into what was sent or a ``row`` of the table."""
        self.request_id: str = problem.get("request_id") or ""
        """Stands on the lines of the service's log: quote it when asking the operator."""
        self.retryable: bool = bool(problem.get("retryable", status >= 500))
        """Whether the same request may succeed later."""
        self.retry_after = retry_after
        """Seconds after which the service wants to be asked again, where it said so."""
        self.text = f"{status} {self.code}: {self.detail or self.title}"
        self.args = (self.text,)


class UnreachableError(ServiceError):
    """The service did not answer for as long as the client's ``Retry`` allows."""


class UploadBrokenError(UnreachableError):
    """An upload in parts stopped half-way. ``upload(…, upload_id=error.upload_id)`` sends the rest."""

    def __init__(self, message: str, upload_id: str, offset: int) -> None:
        self.upload_id = upload_id
        """The unfinished upload."""
        self.offset = offset
        """How many bytes of it are known to be there."""
        super().__init__(f"{message}; {upload_id} has {offset} bytes, and can be gone on with")


class DigestError(ServiceError, NotVerified):
    """What arrived is not what was sent: its sha256 differs."""


class DatasetInvalidError(ServiceError, Refused):
    """The table cannot be used; the first faults stand in the message, all that are known in ``dataset["errors"]``."""

    def __init__(self, dataset: DatasetView) -> None:
        self.dataset = dataset
        """The dataset, with ``errors``."""
        faults = dataset.get("errors", [])
        named = "; ".join(_describe(fault) for fault in faults[:3])
        super().__init__(f"the table of {dataset['id']} cannot be used ({dataset['error_total']} faults): {named}")


class JobFailedError(ServiceError, JobFailed):
    """A job ended without a result: it failed, or it was cancelled."""

    def __init__(self, job: JobView) -> None:
        self.job = job
        """The job as it ended, with ``error`` and ``error_kind``."""
        why = job.get("error")
        super().__init__(f"{job['id']} {job['status']}" + (f": {why}" if why else ""))


class JobCancelledError(JobFailedError):
    """A job was cancelled."""


class WaitTimeoutError(ServiceError, TimeoutError):
    """What was waited for did not come in time. It goes on, and can be waited for again."""


def read_problem(response: httpx.Response) -> ApiError:
    """The error that an answer is, whose body was read; also where it comes from a proxy and is no problem+json."""
    try:
        problem = json.loads(response.content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        text = response.content[:500].decode("utf-8", "replace").strip()
        problem = {"detail": text if response.headers.get("content-type", "").startswith("text/plain") else ""}
    return ApiError(
        response.status_code, cast("dict[str, Any]", problem), read_retry_after(response.headers.get("retry-after"))
    )


def read_retry_after(value: Optional[str]) -> Optional[float]:
    """Seconds to wait by a ``Retry-After`` header, which has seconds or a date; None where it has neither."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - time()
        return max(0.0, seconds)
    except (TypeError, ValueError):
        return None


def _describe(fault: ProblemItem) -> str:
    known = cast("dict[str, Any]", fault)
    place = known.get("pointer")
    if place is None:
        place = f"row {known.get('row')}" + (f", column {known['column']}" if known.get("column") else "")
    return f"{place}: {known.get('rule')}"
