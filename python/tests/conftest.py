import os
import subprocess
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import autodenoise as ad


def pytest_addoption(parser):
    parser.addoption("--rows", type=int, default=600, help="rows of the frames of test_frames.py (`make python-large`: a million)")
    parser.addoption("--root", type=Path, help="folder of a bare system, where the steps of the CI files run (`make action-test`)")
    parser.addoption("--wheel", type=Path, help="wheel that the CI files install; by default one that stands in for ours")


@pytest.fixture(scope="session", autouse=True)
def program(pytestconfig, tmp_path_factory):
    """The program that is named, else that of the wheel under test, else the one of `cargo build`."""
    if "AUTODENOISE_PROGRAM" not in os.environ:
        wheel = pytestconfig.getoption("wheel")
        built = Path(__file__).parents[2] / "target/debug/autodenoise"
        os.environ["AUTODENOISE_PROGRAM"] = str(unpack_program(wheel, tmp_path_factory.mktemp("program")) if wheel else built)
    return ad.find_program()


def unpack_program(wheel, folder):
    """Takes the program out of a wheel, so that what is made for it to work on is of one program."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".data/scripts/autodenoise")]
        program = folder / "autodenoise"
        program.write_bytes(archive.read(name))
    program.chmod(0o755)
    return program


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
