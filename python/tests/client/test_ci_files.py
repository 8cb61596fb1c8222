"""The GitHub Action and the GitLab template, run by hand, step by step.

By default they run here, with a wheel that stands in for ours. `make action-test` runs them in a bare system with the wheel
that was built.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import pytest
from service import ROOT, find_program

yaml = pytest.importorskip("yaml")

QUICK = """--split-column split
--exclude timestamp
--method random_drop
--backbone fm
--certify-seeds 2
--threads 1"""


# With its own /proc, by which a program finds itself.
IN_ROOT = 'mount -t proc proc "$0/proc" && exec chroot "$0" /usr/bin/env -C "$@"'


@dataclass
class Runner:
    """What runs the steps, in a new folder: a shell here, or in a bare system."""

    folder: Path
    """The folder that it runs in, as it is called here."""
    root: Optional[Path]

    def inside(self, path: Path) -> str:
        """A path below the root, as steps call it."""
        return str(path) if self.root is None else "/" + str(path.relative_to(self.root))

    def bring(self, path: Path) -> str:
        """A file as steps call it; a bare system gets a copy."""
        return str(path) if self.root is None else self.inside(Path(shutil.copy(path, self.folder)))

    def run(self, command: list[str], variables: dict[str, str]) -> int:
        """Runs a command in the folder; its exit status."""
        if self.root is None:
            return subprocess.run(command, cwd=self.folder, env={**os.environ, **variables}, check=False).returncode
        bare = {"PATH": "/usr/bin:/bin", "HOME": self.inside(self.folder), **variables}
        alone = ["unshare", "--mount", "--pid", "--fork", "/bin/sh", "-c", IN_ROOT, str(self.root)]
        # The variables are given inside: what starts it needs its own PATH.
        given = [f"{name}={value}" for name, value in bare.items()]
        start = [*alone, self.inside(self.folder), "-i", *given, *command]
        return subprocess.run(start, check=False).returncode


@pytest.fixture
def runner(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Runner]:
    """A runner in a new folder."""
    root: Optional[Path] = pytestconfig.getoption("root")
    if root is None:
        yield Runner(tmp_path, None)
        return
    root = root.resolve()
    with tempfile.TemporaryDirectory(prefix="autodenoise-ci-", dir=root / "tmp") as folder:
        yield Runner(Path(folder), root)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The wheel that is named, else one with nothing but a script that is the program under test."""
    named: Optional[Path] = pytestconfig.getoption("wheel")
    if named is not None:
        return named
    assert pytestconfig.getoption("root") is None, "a bare system needs the wheel that was built: --wheel"
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


def run_action(runner: Runner, inputs: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """Runs the Action's steps as GitHub's runner does; gives the exit status, the outputs and the summary."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert set(inputs) <= set(action["inputs"])
    values = {name: inputs.get(name, given.get("default")) for name, given in action["inputs"].items()}
    assert None not in values.values(), "every required input is given"
    folder = runner.folder

    def fill(text: str) -> str:
        return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: values[found[1]], text)

    given = {"RUNNER_TEMP": runner.inside(folder / "runner"), "GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary"}
    (folder / "output").touch()
    (folder / "summary").touch()
    status = 0
    for step in action["runs"]["steps"]:
        if "run" not in step or status != 0:
            continue
        assert "${{" not in step["run"], "inputs are no part of a script"
        environment = {name: fill(value) for name, value in step.get("env", {}).items()}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        status = runner.run(command, {**given, **environment})
    outputs = dict(line.split("=", 1) for line in (folder / "output").read_text().splitlines())
    assert set(outputs) <= set(action["outputs"])
    return status, outputs, (folder / "summary").read_text()


def run_gitlab(runner: Runner, inputs: dict[str, str]) -> tuple[int, dict[str, str]]:
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
    status = runner.run(["bash", "-c", script], variables)
    told = (runner.folder / job["artifacts"]["reports"]["dotenv"]).read_text()
    return status, dict(line.split("=", 1) for line in told.splitlines())


def run_both(runner: Runner, inputs: dict[str, str]) -> Iterator[tuple[Path, int, dict[str, str], str]]:
    """Runs both files, each in a folder of its own: the folder, the exit status, what later steps are told, and a summary."""
    inputs = {**inputs, "package": runner.bring(Path(inputs["package"])), "table": runner.bring(Path(inputs["table"]))}
    for name in ("github", "gitlab"):
        below = Runner(runner.folder / name, runner.root)
        below.folder.mkdir()
        if name == "github":
            status, told, summary = run_action(below, inputs)
        else:
            status, variables = run_gitlab(below, inputs)
            told = {name.removeprefix("AUTODENOISE_").lower(): value for name, value in variables.items()}
            summary = ""
        yield below.folder, status, told, summary


def test_a_table_that_is_certified(optimised: Path, wheel: Path, planted: Path, runner: Runner) -> None:
    options = "--split-column split\n--time timestamp\n--backbone fm"
    inputs = {"table": str(planted), "out": "train.csv", "label": "click", "options": options, "package": str(wheel)}
    for folder, status, told, _ in run_both(runner, inputs):
        assert (status, told) == (0, {"verdict": "certified", "rows": "kept"})
        assert (folder / "train.csv").read_text().count("\n") < planted.read_text().count("\n")


@pytest.mark.parametrize(
    ("if_refused", "status", "rows"),
    [("all", 0, 2000), ("nothing", 8, None)],
)
def test_a_table_that_is_not_certified(
    wheel: Path, clicks: Path, runner: Runner, if_refused: str, status: int, rows: int | None
) -> None:
    inputs = {
        "table": str(clicks),
        "out": "train data.csv",
        "label": "click",
        "options": QUICK,
        "if-refused": if_refused,
        "package": str(wheel),
    }
    for folder, ended, told, summary in run_both(runner, inputs):
        assert ended == status
        assert told == {"verdict": "inconclusive", "rows": if_refused if rows else ""}
        assert summary == "" or "**inconclusive**" in summary
        out = folder / "train data.csv"
        assert out.exists() == (rows is not None)
        if rows is not None:
            assert len(out.read_text().splitlines()) == rows + 1
        assert (folder / "denoising.html").exists()
        assert (folder / "denoising" / "certificate.json").exists()


@pytest.mark.parametrize(("if_failed", "status"), [("fail", 2), ("all", 0)])
def test_a_table_that_cannot_be_read(wheel: Path, clicks: Path, runner: Runner, if_failed: str, status: int) -> None:
    inputs = {
        "table": str(clicks),
        "out": "train.csv",
        "label": "rating > 3",
        "if-failed": if_failed,
        "package": str(wheel),
    }
    for folder, ended, told, _ in run_both(runner, inputs):
        assert (ended == 0) == (status == 0)
        assert told == {"verdict": "failed", "rows": "all" if if_failed == "all" else ""}
        assert (folder / "train.csv").exists() == (status == 0)


def test_what_stands_in_an_input_is_no_command(wheel: Path, clicks: Path, runner: Runner) -> None:
    inputs = {"table": str(clicks), "out": "train.csv", "label": "click$(touch broken)", "package": str(wheel)}
    inputs["options"] = "--split-column $(touch broken)\n`touch broken`; touch broken"
    for folder, *_ in run_both(runner, inputs):
        assert not (folder / "broken").exists()
