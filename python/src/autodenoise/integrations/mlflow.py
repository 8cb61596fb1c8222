"""MLflow: what a job came to as a run, with its metrics, its report and its certificate."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Protocol, Union

import mlflow

if TYPE_CHECKING:
    from autodenoise.client import Client

FILES = ("report.json", "report.html", "certificate.json")
"""The files of a job that are kept with the run, where the job left them."""
PREFIX = "autodenoise"


class HasFolder(Protocol):
    """A result of :func:`autodenoise.denoise`: its files lie in a folder."""

    @property
    def folder(self) -> Path:
        """The folder."""
        ...


def log_result(result: Union[HasFolder, str, os.PathLike[str]], *, run_id: Optional[str] = None) -> str:
    """Logs a result to the active run, to the run of that id, or to a new one.

    The run gets the tag ``autodenoise.verdict``, parameters (method, backbone, seed, the table's digest), metrics (rows
    kept, gains in AUC with their intervals, the change of log-loss, AUC of each arm), the job's report and certificate.

    Args:
        result: what :func:`autodenoise.denoise` gave, or the folder of a job's results: ``--results`` of the program,
            or what ``autodenoise download`` left.
        run_id: a run to log to.

    Returns:
        The run's id.
    """
    folder = Path(result) if isinstance(result, (str, os.PathLike)) else result.folder
    report = json.loads((folder / "report.json").read_text())
    with _open_run(run_id) as run:
        mlflow.set_tag(f"{PREFIX}.verdict", report.get("verdict", "not_evaluated"))
        mlflow.log_params({f"{PREFIX}.{name}": value for name, value in _parameters(report).items()})
        mlflow.log_metrics({f"{PREFIX}.{name}": value for name, value in _metrics(report).items()})
        for name in FILES:
            if (folder / name).exists():
                mlflow.log_artifact(str(folder / name), PREFIX)
        return run


def log_job(client: Client, job_id: str, *, run_id: Optional[str] = None) -> str:
    """Logs a job of a service, which must have succeeded, as :func:`log_result` does."""
    with tempfile.TemporaryDirectory(prefix="autodenoise-") as folder:
        for artifact in client.artifacts.list(job_id):
            if artifact["download_name"] in FILES:
                client.artifacts.download(job_id, artifact["name"], folder)
        with _open_run(run_id) as run:
            mlflow.set_tag(f"{PREFIX}.job", f"{client.url}/v1/jobs/{job_id}")
            return log_result(folder, run_id=run)


@contextmanager
def _open_run(run_id: Optional[str]) -> Generator[str, None, None]:
    """A run to log to, which is ended again if it was begun here."""
    active = mlflow.active_run()
    if active is not None and run_id in (None, active.info.run_id):
        yield active.info.run_id
        return
    with mlflow.start_run(run_id=run_id, nested=active is not None) as run:
        yield run.info.run_id


def _parameters(report: dict[str, Any]) -> dict[str, Any]:
    spec = report["spec"]
    return {
        "method": spec["method"]["name"],
        "backbone": spec["method"]["backbone"],
        "seed": spec["seed"],
        "dataset_digest": spec["dataset_digest"],
        "engine_version": spec["engine_version"],
    }


def _metrics(report: dict[str, Any]) -> dict[str, float]:
    """The numbers of a report that runs are compared by."""
    metrics = {"kept_share": report["kept"]["rows"] / max(1, report["kept"]["of"]), "seconds": report["seconds"]}
    metrics |= {name: report[name] for name in ("relabelled", "reweighted", "softened") if name in report}
    for arm in report.get("arms", []):
        if arm["test"].get("auc") is not None:
            metrics[f"test_auc.{arm['arm']}"] = arm["test"]["auc"]
    certification = report.get("certification")
    if certification:
        metrics["delta_logloss"] = certification["delta_logloss"]
        for gain in certification["gains"]:
            name = f"delta_auc.over_{gain['over']}"
            low, high = gain["ci95"]
            metrics |= {name: gain["mean"], f"{name}.low": low, f"{name}.high": high, f"{name}.p": gain["p_rows"]}
    findings = report.get("findings")
    if findings:
        metrics["noise_rate"] = findings["noise_rate"]
    return {name: float(value) for name, value in metrics.items()}
