"""Puts the program into the wheel, which is why the wheel is of one platform and of every Python 3.

The folder ``program`` beside this file holds what ``scripts/wheel.py`` (`make wheel`) built: the program, its SBOM, and
``TAG``, the platforms that the program runs on. An editable install has none and needs none: it takes the program that
is named or on PATH.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProgramHook(BuildHookInterface):
    """Places ``program/NAME``: among the scripts, or in a folder of the package where ``folder`` is set."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fills in what hatchling puts into the wheel."""
        if self.target_name != "wheel" or version == "editable":
            return
        name = self.metadata.core.name
        built = Path(self.root) / "program"
        if not (built / name).is_file():
            raise FileNotFoundError(f"a wheel of {name} needs its program, and {built} has none: run `make wheel`")
        program = f"program/{name}"
        folder = self.config.get("folder")
        if folder is None:
            build_data["shared_scripts"][program] = name
        else:
            build_data["force_include"][program] = f"{folder}/{name}"
        build_data["sbom_files"].append(f"program/{name}.cdx.json")
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + (built / "TAG").read_text().strip()
