"""MLflow, with runs in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jobs import quick

import autodenoise as ad

mlflow = pytest.importorskip("mlflow")


def test_a_job_is_a_run_with_metrics_report_and_certificate(
    client: ad.Client, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autodenoise.integrations.mlflow import log_job, log_result

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    job = client.jobs.run(dataset, **quick(certify={"seeds": 2}))
    run = mlflow.get_run(log_job(client, job["id"]))
    assert run.info.status == "FINISHED"
    assert run.data.tags["autodenoise.verdict"] == job.get("verdict")
    assert run.data.tags["autodenoise.job"].endswith(job["id"])
    assert run.data.params["autodenoise.method"] == "random_drop"
    assert run.data.metrics["autodenoise.kept_share"] == pytest.approx(0.9)
    report = client.jobs.report(job["id"])
    gain = next(gain for gain in report["certification"]["gains"] if gain["over"] == "full")  # pyright: ignore
    assert run.data.metrics["autodenoise.delta_auc.over_full"] == gain["mean"]
    assert run.data.metrics["autodenoise.delta_auc.over_full.low"] == gain["ci95"][0]
    assert 0 < run.data.metrics["autodenoise.test_auc.denoised"] < 1
    folder = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="autodenoise", dst_path=tmp_path)
    names = {path.name for path in Path(folder).iterdir()}
    assert names == {"report.json", "report.html", "certificate.json"}
    assert json.loads((Path(folder) / "report.json").read_text())["verdict"] == job.get("verdict")

    with mlflow.start_run() as active:
        mlflow.log_param("mine", 1)
        assert log_result(folder) == active.info.run_id
        assert mlflow.active_run() is not None, "a run of the caller's stays open"
    assert mlflow.get_run(active.info.run_id).data.tags["autodenoise.verdict"] == job.get("verdict")
