"""Judgements: verdicts by models that are trained elsewhere, where the service keeps the test labels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Optional

from autodenoise.client._async.datasets import pages
from autodenoise.client._async.transport import AsyncTransport
from autodenoise.client._types import JudgementSpec, JudgementSummary, JudgementView, PredictionsView


class AsyncJudgements:
    """The judgements of jobs. Ask for one, train on its files, hand the predictions in, and ask for the verdict."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, job_id: str, spec: JudgementSpec, *, idempotency_key: Optional[str] = None) -> JudgementView:
        """Asks for the trainings whose models are to be judged. They are there once its status is ``open``."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        replayable = idempotency_key is not None
        answer = await self._transport.call("create_judgement", {"id": job_id}, body=spec, headers=headers, replayable=replayable)
        return answer.json()

    async def get(self, job_id: str, judgement_id: str) -> JudgementView:
        """A judgement: its trainings, its files, and in the end its verdict."""
        return (await self._transport.call("find_judgement", _path(job_id, judgement_id))).json()

    async def list(self, job_id: str, *, page_size: int = 100) -> AsyncIterator[JudgementSummary]:
        """The judgements of a job, newest first."""
        async for row in pages(self._transport, "list_judgements", {}, page_size, {"id": job_id}):
            yield row

    async def read_file(self, job_id: str, judgement_id: str, name: str) -> bytes:
        """A file of it: an array (NPY) of rows, targets or weights, or what the verdict wrote."""
        path = {**_path(job_id, judgement_id), "name": name}
        return (await self._transport.call("get_judgement_file", path)).content

    async def put_predictions(
        self, job_id: str, judgement_id: str, training: str, predictions: bytes, *, split: Optional[str] = None
    ) -> PredictionsView:
        """Hands in what the model of a training predicts, in place of what was handed in before.

        Args:
            job_id: the job.
            judgement_id: its judgement, which must be ``open``.
            training: the training's name, for example ``full-42``.
            predictions: the probability of label 1 of each row: a line each, or an array (NPY) of floats.
            split: ``valid`` for the validation rows; by default the test rows.
        """
        path = {**_path(job_id, judgement_id), "training": training}
        query = {"split": split}
        return (await self._transport.call("put_predictions", path, query=query, content=predictions)).json()

    async def ask_for_verdict(self, job_id: str, judgement_id: str) -> JudgementView:
        """Closes the predictions, and has them judged: its status becomes ``judged``. The test rows count as read."""
        return (await self._transport.call("ask_for_verdict", _path(job_id, judgement_id))).json()

    async def delete(self, job_id: str, judgement_id: str) -> None:
        """Deletes a judgement. What it read stays counted."""
        await self._transport.call("delete_judgement", _path(job_id, judgement_id))


def _path(job_id: str, judgement_id: str) -> dict[str, str]:
    return {"id": job_id, "judgement_id": judgement_id}
