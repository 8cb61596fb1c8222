"""What a pipeline trains on when the verdict is not that the kept rows are better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from autodenoise.client._types import JobView

IfRefused = Literal["all", "kept", "fail"]
"""Every row as it came, the kept rows all the same, or an error that stops the pipeline."""


def hands_out_kept(job: JobView, if_refused: IfRefused) -> bool:
    """Whether the rows to train on are those kept, of a job that succeeded; else they are all rows.

    A job that asked for no verdict hands out the kept rows.

    Raises:
        ValueError: the verdict says no, and that is to stop the pipeline.
    """
    verdict = job.get("verdict")
    if not job["spec"].get("certify") or verdict == "certified" or if_refused == "kept":
        return True
    if if_refused == "fail":
        raise ValueError(f"the verdict on {job['id']} is {verdict}: no gain by leaving rows out is certain")
    return False
