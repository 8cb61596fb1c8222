"""The script that starts autodenoise-torch finds the PyTorch that is installed, with a program and a PyTorch that stand in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "torch/src/autodenoise_torch"
START = "from autodenoise_torch import main; main()"


@pytest.fixture
def site(tmp_path):
    """A folder of installed packages with autodenoise_torch alone."""
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "autodenoise_torch", ignore=shutil.ignore_patterns("__pycache__"))
    program = site / "autodenoise_torch/bin/autodenoise-torch"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH:$*"\nexit 7\n')
    program.chmod(0o755)
    return site


def start(*folders, **variables):
    # Without the packages of this environment, which may have a PyTorch of its own.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), **variables}
    command = [sys.executable, "-S", "-c", START, "probe", "a b"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def install_torch(site):
    (site / "torch/lib").mkdir(parents=True)
    (site / "torch/__init__.py").touch()
    return site


def test_beside_it_pytorch_is_found_by_the_program_itself(site):
    done = start(install_torch(site), LD_LIBRARY_PATH="")
    assert (done.returncode, done.stdout) == (7, ":probe a b\n")


def test_in_another_layer_pytorch_is_named_before_all_other_folders(site, tmp_path):
    below = install_torch(tmp_path / "below")
    assert start(site, below, LD_LIBRARY_PATH="").stdout == f"{below}/torch/lib:probe a b\n"
    assert start(site, below, LD_LIBRARY_PATH="/mine").stdout == f"{below}/torch/lib:/mine:probe a b\n"


def test_without_pytorch_it_says_what_to_install(site):
    done = start(site)
    assert done.returncode == 1
    assert "pip install 'torch==2.11.*'" in done.stderr
