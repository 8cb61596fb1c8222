import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import autodenoise as ad


def pytest_addoption(parser):
    parser.addoption("--rows", type=int, default=600, help="rows of the frames of test_frames.py (`make python-large`: a million)")
    parser.addoption("--root", type=Path, help="folder of a bare system, where the steps of the CI files run (`make action-test`)")
    parser.addoption("--wheel", type=Path, help="wheel that the CI files install; by default one that stands in for ours")


@pytest.fixture(scope="session", autouse=True)
def program():
    built = Path(__file__).parents[2] / "target/debug/autodenoise"
    os.environ.setdefault("AUTODENOISE_PROGRAM", str(built))
    return ad.find_program()


@pytest.fixture(scope="session")
def optimised(program):
    """The program, where it is fast enough to reach a verdict that is certified."""
    if program.parent.name == "debug":
        pytest.skip("a program that is not optimised takes ten minutes for it: `make python-example`")
    return program


@pytest.fixture(scope="session")
def csv(program, tmp_path_factory):
    file = tmp_path_factory.mktemp("table") / "clicks.csv"
    size = ["--users", "30", "--items", "30", "--rows", "600", "--seed", "2"]
    subprocess.run([program, "synth", file, *size], check=True, capture_output=True)
    return file


@pytest.fixture
def frame(csv):
    return pd.read_csv(csv)
