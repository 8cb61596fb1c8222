"""The package, its wheels and the program are of one version, and depend on each other in that one."""

import re
import subprocess
from pathlib import Path

import autodenoise as ad

ROOT = Path(__file__).parents[2]


def find(file, pattern):
    """What stands in the one place of a file that matches."""
    (found,) = re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)
    return found


def test_all_versions_agree():
    version = r'^\[package\]\nname = ".*"\nversion = "(.*)"'
    package = find("Cargo.toml", version)
    assert package == find("torch/Cargo.toml", version) == ad.__version__
    # The wheels take theirs from the packages.
    for project, module in (("python", "autodenoise"), ("python/torch", "autodenoise_torch")):
        assert find(f"{project}/pyproject.toml", r'^dynamic = \["(.*)"\]') == "version"
        source = find(f"{project}/pyproject.toml", r'^\[tool.hatch.version\]\npath = "(.*)"')
        assert source == f"src/{module}/__init__.py"
        assert find(f"{project}/{source}", r'^__version__ = "(.*)"') == package


def test_each_wheel_wants_the_other_in_the_same_version():
    assert find("python/pyproject.toml", r'"autodenoise-torch==(.*)"') == ad.__version__
    assert find("python/torch/pyproject.toml", r'"autodenoise==(.*?)"') == ad.__version__


def test_the_program_says_the_same_version(program):
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split()[:2] == ["autodenoise", ad.__version__]
