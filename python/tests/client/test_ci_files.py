"""The GitHub Action and the GitLab template, run by hand, step by step, with a wheel that stands in for ours."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from service import ROOT, find_program

yaml = pytest.importorskip("yaml")

QUICK = """--split-column split
--exclude timestamp
--method random_drop
--backbone fm
--certify-seeds 2
--threads 1"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel with nothing but a script that is the program under test."""
    path = tmp_path_factory.mktemp("wheel") / "autodenoise-0.1.0-py3-none-any.whl"
    information = "autodenoise-0.1.0.dist-info"
    files = {
        "autodenoise-0.1.0.data/scripts/autodenoise": f'#!/bin/sh\nexec {find_program()} "$@"\n',
        f"{information}/METADATA": "Metadata-Version: 2.1\nName: autodenoise\nVersion: 0.1.0\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if "scripts" in name else 0o100644) << 16
            archive.writestr(entry, text)
        archive.writestr(f"{information}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{information}/RECORD"]))
    return path


def run_action(folder: Path, inputs: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """Runs the Action's steps as a runner does; gives the exit status, the outputs and the summary."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert set(inputs) <= set(action["inputs"])
    values = {name: inputs.get(name, given.get("default")) for name, given in action["inputs"].items()}
    assert None not in values.values(), "every required input is given"

    def fill(text: str) -> str:
        return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: values[found[1]], text)

    runner = {"RUNNER_TEMP": str(folder / "runner"), "GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary"}
    (folder / "output").touch()
    (folder / "summary").touch()
    status = 0
    for step in action["runs"]["steps"]:
        if "run" not in step or status != 0:
            continue
        assert "${{" not in step["run"], "inputs are no part of a script"
        environment = {name: fill(value) for name, value in step.get("env", {}).items()}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        run = subprocess.run(command, cwd=folder, env={**os.environ, **runner, **environment}, check=False)
        status = run.returncode
    outputs = dict(line.split("=", 1) for line in (folder / "output").read_text().splitlines())
    assert set(outputs) <= set(action["outputs"])
    return status, outputs, (folder / "summary").read_text()


def run_gitlab(folder: Path, inputs: dict[str, str]) -> tuple[int, dict[str, str]]:
    """Runs the template's script as GitLab's runner does; gives the exit status and the variables for later jobs."""
    header, job = yaml.safe_load_all((ROOT / "ci" / "gitlab" / "autodenoise.yml").read_text())
    given = header["spec"]["inputs"]
    assert set(inputs) <= set(given)
    values = {name: inputs.get(name, (about or {}).get("default")) for name, about in given.items()}
    assert None not in values.values(), "every required input is given"
    job = job["denoise"]
    variables = {
        name: re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda found: values[found[1]], text)
        for name, text in job["variables"].items()
    }
    script = "set -eo pipefail\n" + "\n".join(job["script"])
    assert "$[[" not in script, "inputs are no part of a script"
    run = subprocess.run(["bash", "-c", script], cwd=folder, env={**os.environ, **variables}, check=False)
    told = (folder / job["artifacts"]["reports"]["dotenv"]).read_text()
    return run.returncode, dict(line.split("=", 1) for line in told.splitlines())


@pytest.mark.parametrize(
    ("if_refused", "status", "rows"),
    [("all", 0, 2000), ("nothing", 8, None)],
)
def test_a_table_that_is_not_certified(
    wheel: Path, clicks: Path, tmp_path: Path, if_refused: str, status: int, rows: int | None
) -> None:
    inputs = {
        "table": str(clicks),
        "out": "train data.csv",
        "label": "click",
        "options": QUICK,
        "if-refused": if_refused,
        "package": str(wheel),
    }
    github, gitlab = tmp_path / "github", tmp_path / "gitlab"
    github.mkdir()
    gitlab.mkdir()
    ended, outputs, summary = run_action(github, inputs)
    assert ended == status
    assert outputs == {"verdict": "inconclusive", "rows": if_refused if rows else ""}
    assert "**inconclusive**" in summary
    assert run_gitlab(gitlab, inputs) == (
        status,
        {"AUTODENOISE_VERDICT": "inconclusive", "AUTODENOISE_ROWS": outputs["rows"]},
    )
    for folder in (github, gitlab):
        out = folder / "train data.csv"
        assert out.exists() == (rows is not None)
        if rows is not None:
            assert len(out.read_text().splitlines()) == rows + 1
        assert (folder / "denoising.html").exists()
        assert (folder / "denoising" / "certificate.json").exists()


@pytest.mark.parametrize(("if_failed", "status"), [("fail", 2), ("all", 0)])
def test_a_table_that_cannot_be_read(wheel: Path, clicks: Path, tmp_path: Path, if_failed: str, status: int) -> None:
    inputs = {
        "table": str(clicks),
        "out": "train.csv",
        "label": "rating > 3",
        "if-failed": if_failed,
        "package": str(wheel),
    }
    github, gitlab = tmp_path / "github", tmp_path / "gitlab"
    github.mkdir()
    gitlab.mkdir()
    ended, outputs, _ = run_action(github, inputs)
    assert (ended == 0) == (status == 0)
    assert outputs == {"verdict": "failed", "rows": "all" if if_failed == "all" else ""}
    ended, variables = run_gitlab(gitlab, inputs)
    assert (ended == 0) == (status == 0)
    assert variables == {"AUTODENOISE_VERDICT": "failed", "AUTODENOISE_ROWS": outputs["rows"]}
    for folder in (github, gitlab):
        assert (folder / "train.csv").exists() == (status == 0)


def test_what_stands_in_an_input_is_no_command(wheel: Path, clicks: Path, tmp_path: Path) -> None:
    inputs = {"table": str(clicks), "out": "train.csv", "label": "click$(touch broken)", "package": str(wheel)}
    run_action(tmp_path, {**inputs, "options": "--split-column $(touch broken)\n`touch broken`; touch broken"})
    run_gitlab(tmp_path, {**inputs, "options": "--split-column $(touch broken)\n`touch broken`; touch broken"})
    assert not (tmp_path / "broken").exists()
