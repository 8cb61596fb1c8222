"""Which program the package takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autodenoise import _program

SOURCES = Path(_program.__file__).parent.parent


def make_program(folder: Path, says: str = "hello") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "autodenoise"
    program.write_text(f'#!/bin/sh\necho {says} "$@"\nexit 7\n')
    program.chmod(0o755)
    return program


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AUTODENOISE_PROGRAM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    site = tmp_path / "env/lib/python3.12/site-packages"
    monkeypatch.setattr(_program, "__file__", str(site / "autodenoise/_program.py"))
    monkeypatch.setattr(_program.sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))


@pytest.mark.usefixtures("nothing_installed")
def test_a_named_program_comes_before_all_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_program(tmp_path / "env/bin")
    named = make_program(tmp_path / "elsewhere")
    monkeypatch.setenv("AUTODENOISE_PROGRAM", str(named))
    assert _program.find_program() == named


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("folder", ["env/bin", "env/lib/python3.12/site-packages/bin", "scripts"])
def test_the_one_that_was_installed_with_the_package_comes_before_path(tmp_path: Path, folder: str) -> None:
    make_program(tmp_path / "path")
    installed = make_program(tmp_path / folder)
    assert _program.find_program() == installed


@pytest.mark.usefixtures("nothing_installed")
def test_a_file_that_may_not_be_executed_is_no_program(tmp_path: Path) -> None:
    make_program(tmp_path / "env/bin").chmod(0o644)
    on_path = make_program(tmp_path / "path")
    assert _program.find_program() == on_path


@pytest.mark.usefixtures("nothing_installed")
def test_where_there_is_none_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(_program.ProgramNotFoundError, match="cargo build --release --locked"):
        _program.find_program()
    monkeypatch.setenv("AUTODENOISE_PROGRAM", str(tmp_path / "missing"))
    with pytest.raises(_program.ProgramNotFoundError, match="AUTODENOISE_PROGRAM is .*missing"):
        _program.find_program()


def test_the_module_becomes_the_program_with_its_arguments_and_exit_status(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(SOURCES), "AUTODENOISE_PROGRAM": str(make_program(tmp_path))}
    command = [sys.executable, "-m", "autodenoise"]
    done = subprocess.run([*command, "a b", "--c"], env=env, stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (7, "hello a b --c\n")
    env["AUTODENOISE_PROGRAM"] = str(tmp_path / "missing")
    done = subprocess.run(command, env=env, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("autodenoise: AUTODENOISE_PROGRAM is ")
