"""Ctrl-C, with real processes: the program ends, and the trainer that it started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = """
import sys, autodenoise as ad
try:
    ad.denoise(sys.argv[1], label="click", split_column="split", exclude=["timestamp"], backbone="fm", progress=True)
except KeyboardInterrupt:
    sys.exit(42)
"""


def descendants(pid):
    """The processes that a process started, and those that they did."""
    children = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_interrupt_ends_the_program_and_its_trainer(csv):
    python = subprocess.Popen([sys.executable, "-c", SCRIPT, csv], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(started := descendants(python.pid)) < 2:
        assert time.monotonic() < deadline
        assert python.poll() is None
        time.sleep(0.05)
    os.kill(python.pid, signal.SIGINT)
    assert python.wait(30) == 42
    deadline = time.monotonic() + 10
    while any(map(is_running, started)):
        assert time.monotonic() < deadline, "a process goes on"
        time.sleep(0.05)
