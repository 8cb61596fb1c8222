"""What tests share: one service, a table, and clients."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs import READING
from service import Service, find_program

import autodenoise as ad


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that the private PostgreSQL, which does not run as root, may reach."""
    with tempfile.TemporaryDirectory(prefix="autodenoise-python-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="session")
def clicks(folder: Path) -> Path:
    """A small table of clicks, as CSV."""
    path = folder / "clicks.csv"
    command = [find_program(), "synth", path, "--users", "100", "--items", "60", "--rows", "2000", "--seed", "1"]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def planted(folder: Path) -> Path:
    """A table with labels that are turned round, as CSV: without them a model is better for certain."""
    path = folder / "planted.csv"
    size = ["--users", "200", "--items", "200", "--rows", "24000", "--seed", "2"]
    command = [find_program(), "synth", path, *size, "--plant", "inverted:item:0.15", "--plant", "random:user:0.15"]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def service(folder: Path) -> Iterator[Service]:
    """A service that asks for keys."""
    service = Service(folder, "--require-keys", "--slots", "2")
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def key(service: Service) -> str:
    """A key of scope `write`."""
    return service.make_key()


@pytest.fixture
def client(service: Service, key: str) -> Iterator[ad.Client]:
    """A client of the service."""
    with ad.Client(service.url, key) as client:
        yield client


@pytest.fixture
def dataset(client: ad.Client, clicks: Path) -> str:
    """The table as a dataset that is ready."""
    return client.datasets.upload(clicks, **READING)["id"]
