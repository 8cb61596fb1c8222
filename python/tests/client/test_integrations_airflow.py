"""Airflow, by its own means of testing a DAG: a database of its own, no scheduler and no triggerer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from service import Service

import autodenoise as ad

pytest.importorskip("airflow.sdk")

DAG = """
import json
import os

from airflow.sdk import DAG
from autodenoise.integrations.airflow import AutodenoiseOperator
from jobs import READING, quick

with DAG("nightly", schedule=None) as dag:
    AutodenoiseOperator(
        task_id="denoise",
        table_path=os.environ["TABLE"],
        output_path=os.environ["OUTPUT"],
        reading=READING,
        job=quick(certify={"seeds": 2}),
        if_refused=os.environ["IF_REFUSED"],
    )

# The tests' own way: Airflow reads the file too, to know the DAG.
if __name__ == "__main__":
    run = dag.test()
    (task,) = run.get_task_instances()
    done = task.state == "success"
    value = task.xcom_pull(task_ids="denoise", run_id=run.run_id, dag_id="nightly") if done else None
    print("RESULT", json.dumps({"state": str(run.state), "value": value}))
"""


@pytest.fixture(scope="session")
def airflow(service: Service, key: str, folder: Path) -> dict[str, str]:
    """The environment of an Airflow of these tests' own."""
    home = folder / "airflow"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW_CONN_AUTODENOISE_DEFAULT": json.dumps({"conn_type": "http", "host": service.url, "password": key}),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONWARNINGS": "ignore",
    }
    (home / "dags").mkdir(parents=True)
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return environment


@pytest.mark.parametrize(("if_refused", "rows"), [("all", 2000), ("kept", 1840), ("fail", None)])
def test_a_deferrable_operator(
    airflow: dict[str, str], client: ad.Client, clicks: Path, tmp_path: Path, if_refused: str, rows: int | None
) -> None:
    output, script = tmp_path / "train.csv", Path(airflow["AIRFLOW_HOME"]) / "dags" / "nightly.py"
    script.write_text(DAG)
    before = {job["id"] for job in client.jobs.list()}
    environment = {**airflow, "TABLE": str(clicks), "OUTPUT": str(output), "IF_REFUSED": if_refused}
    run = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=300)
    told = [line for line in run.stdout.splitlines() if line.startswith("RESULT ")]
    assert told, run.stdout[-3000:] + run.stderr[-3000:]
    result = json.loads(told[-1].removeprefix("RESULT "))
    made = [job["id"] for job in client.jobs.list() if job["id"] not in before]
    assert len(made) == 1
    if rows is None:
        assert "failed" in result["state"].lower()
        assert not output.exists()
        return
    assert "success" in result["state"].lower()
    assert len(output.read_text().splitlines()) == rows + 1
    expected = {"path": str(output), "verdict": "inconclusive", "job_id": made[0], "rows": if_refused}
    assert result["value"] == expected
    assert "deferr" in (run.stdout + run.stderr).lower()


def test_a_trigger_travels_without_the_key() -> None:
    from autodenoise.integrations.airflow import AutodenoiseTrigger

    path, arguments = AutodenoiseTrigger("job_1", "mine").serialize()
    assert path == "autodenoise.integrations.airflow.AutodenoiseTrigger"
    assert arguments == {"job_id": "job_1", "conn_id": "mine"}
