"""Airflow: an operator that holds no worker while the service computes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, cast
from urllib.parse import quote

from airflow.sdk import BaseHook, BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from autodenoise.client import AsyncClient, Client
from autodenoise.integrations._refusal import IfRefused, hands_out_kept

if TYPE_CHECKING:
    from airflow.sdk import Connection, Context

    from autodenoise.client._types import JobOptions, TableReading

DEFAULT_CONNECTION = "autodenoise_default"


class AutodenoiseOperator(BaseOperator):
    """Denoises a table by a service, and leaves the rows to train on in a file.

    The table is uploaded and the job submitted by a worker, which then gives its place back: the triggerer waits for
    the job's end, and a worker downloads what it left. A try that comes again, as after a worker died, finds the job of
    the try before.

    Returns (as XCom) a dictionary: ``path``, ``verdict``, ``job_id``, and ``rows``: ``kept`` or ``all``.
    """

    template_fields: Collection[str] = ("table_path", "output_path", "reading", "job")

    def __init__(
        self,
        *,
        table_path: str,
        output_path: str,
        reading: TableReading,
        job: Optional[JobOptions] = None,
        if_refused: IfRefused = "all",
        conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Runs nothing yet.

        Args:
            table_path: the table's file, which workers see.
            output_path: the file for the rows to train on.
            reading: how the table is read: ``{"label": .., "split_column": ..}``.
            job: what is asked for beside: ``{"method": .., "certify": {}}``. By default a verdict is.
            if_refused: what the file has when the verdict says no: ``all`` rows, the rows ``kept`` all the same, or
                ``fail``, with which the task does.
            conn_id: a connection whose host is the service's address and whose password is a key of its API.
            kwargs: what every operator takes.
        """
        super().__init__(**kwargs)
        self.table_path = table_path
        self.output_path = output_path
        self.reading = reading
        self.job = job
        self.if_refused: IfRefused = if_refused
        self.conn_id = conn_id
        self._job_id: Optional[str] = None

    def execute(self, context: Context) -> None:
        """Submits the job, and hands the wait to the triggerer."""
        options: JobOptions = self.job if self.job is not None else {"certify": {}}
        with self._connect() as client:
            dataset = client.datasets.upload(self.table_path, **self.reading)
            key = _idempotency_key(context, dataset["id"], options)
            job = client.jobs.submit(dataset["id"], idempotency_key=key, **options)
        self._job_id = job["id"]
        self.log.info("submitted %s of %s", job["id"], dataset["id"])
        self.defer(trigger=AutodenoiseTrigger(job["id"], self.conn_id), method_name="execute_complete")

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Downloads what the job left, once the triggerer says that it has ended."""
        self._job_id = event["job_id"]
        if event.get("error"):
            raise RuntimeError(f"{event['job_id']} could not be waited for: {event['error']}")
        with self._connect() as client:
            job = client.jobs.wait(event["job_id"])
            kept = hands_out_kept(job, self.if_refused)
            if kept:
                client.artifacts.download(job["id"], "denoised", self.output_path, allow_uncertified=True)
            elif Path(self.table_path) != Path(self.output_path):
                shutil.copyfile(self.table_path, self.output_path)
        verdict = job.get("verdict")
        rows = "kept" if kept else "all"
        self.log.info("the verdict on %s is %s: %s has %s rows", job["id"], verdict, self.output_path, rows)
        return {"path": self.output_path, "verdict": verdict, "job_id": job["id"], "rows": rows}

    def on_kill(self) -> None:
        """Cancels the job, whose trainer then ends."""
        if self._job_id is not None:
            with self._connect() as client:
                client.jobs.cancel(self._job_id)

    def _connect(self) -> Client:
        return Client(*_address_and_key(BaseHook.get_connection(self.conn_id)))


class AutodenoiseTrigger(BaseTrigger):
    """Waits for a job's end, without a thread of its own. The key stays in the connection, and goes into no row."""

    def __init__(self, job_id: str, conn_id: str = DEFAULT_CONNECTION) -> None:
        """A trigger for a job of the service of a connection."""
        super().__init__()
        self.job_id = job_id
        self.conn_id = conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What another triggerer makes it of."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"job_id": self.job_id, "conn_id": self.conn_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, when the job has ended or cannot be waited for."""
        try:
            connection = await cast("Any", BaseHook).aget_connection(self.conn_id)
            async with AsyncClient(*_address_and_key(connection)) as client:
                job = await client.jobs.wait(self.job_id, check=False)
        except Exception as error:
            # What a trigger raises is lost in the triggerer's log: the task says it.
            yield TriggerEvent({"job_id": self.job_id, "error": str(error)})
            return
        yield TriggerEvent({"job_id": self.job_id, "status": job["status"], "verdict": job.get("verdict")})


def _address_and_key(connection: Connection) -> tuple[str, Optional[str]]:
    """The service's address and a key for it: `host` is an address, or a name beside a `schema` and a `port`."""
    host = connection.host or "127.0.0.1"
    if "://" not in host:
        scheme = connection.schema or "http"
        port = f":{connection.port}" if connection.port else ""
        host = f"{scheme}://{host}{port}"
    return host, connection.password


def _idempotency_key(context: Context, dataset_id: str, options: JobOptions) -> str:
    """The same for every try of a task that asks for the same, so that no try computes what another one has."""
    task: Any = cast("Any", context)["ti"]
    names = (task.dag_id, task.run_id, task.task_id, str(task.map_index), dataset_id, repr(sorted(options.items())))
    return "airflow-" + hashlib.sha256("/".join(quote(name, safe="") for name in names).encode()).hexdigest()
