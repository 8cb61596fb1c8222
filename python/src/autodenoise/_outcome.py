"""What a verdict says, whoever's models it is by."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ._findings import Finding, read_findings
from ._progress import in_notebook

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT = "report.json"
PAGE = "report.html"
CERTIFICATE = "certificate.json"
# What the names of private folders start with.
FOLDER = "autodenoise-results-"


class Verdict(str, Enum):
    """What the verdict is. It equals its word: `result.verdict == "certified"`."""

    CERTIFIED = "certified"
    NOT_BETTER = "not_better"
    INCONCLUSIVE = "inconclusive"
    NOT_EVALUATED = "not_evaluated"

    def __str__(self) -> str:
        """The word."""
        return self.value


@dataclass(frozen=True)
class Gain:
    """What models on the kept rows gain in AUC of the test rows.

    Attributes:
        over: What they are compared with: `full`, all rows, or `random`, as many rows at random.
        mean: The gain, over the seeds.
        low, high: Its 95 % interval.
    """

    over: str
    mean: float
    low: float
    high: float


class Outcome:
    """A verdict, and what it rests on.

    Attributes:
        folder: Where its files are. A folder that was not named goes with this object.
        report: All of it, as the program's `report.json`.
        sentence: What came out, in a sentence.
        next_steps: What to do, the first thing first.
        findings: What was found to be wrong with the table.
        warnings: What the program warned of.
    """

    folder: Path
    report: dict[str, Any]
    sentence: str
    next_steps: list[str]
    findings: list[Finding]
    warnings: list[str]

    def __init__(
        self,
        folder: Path,
        told: Optional[Mapping[str, Any]] = None,
        warnings: Optional[list[str]] = None,
        owner: Optional[tempfile.TemporaryDirectory[str]] = None,
    ) -> None:
        """The outcome in a folder.

        Args:
            folder: Where its files are.
            told: The report as the program printed it, with its sentences.
            warnings: What the program warned of.
            owner: The folder, where it is to go with this object.
        """
        self.folder = folder
        self._owner = owner
        if not (folder / REPORT).is_file():
            raise FileNotFoundError(f"there is no result in {folder}: it has no {REPORT}")
        self.report = json.loads((folder / REPORT).read_text())
        summary: Mapping[str, Any] = (told or {}).get("summary", {})
        self.sentence = summary.get("outcome") or self._answer()
        self.next_steps = list(summary.get("next", []))
        self.findings = read_findings(self.report, summary.get("findings", []))
        self.warnings = list(warnings or [])

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copies: a folder that goes with this object goes along, with all its files."""
        state = self.__dict__.copy()
        if self._owner is not None:
            files = (path for path in self.folder.rglob("*") if path.is_file())
            state["_owner"] = {str(path.relative_to(self.folder)): path.read_bytes() for path in files}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Puts the files into a new folder that goes with this object."""
        self.__dict__.update(state)
        files: Optional[Mapping[str, bytes]] = state["_owner"]
        if files is None:
            return
        self._owner = tempfile.TemporaryDirectory(prefix=FOLDER)
        self.folder = Path(self._owner.name)
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    @property
    def verdict(self) -> Verdict:
        """Whether models on the kept rows are better, for certain."""
        return Verdict(self.report["verdict"])

    @property
    def certified(self) -> bool:
        """Whether it is certain that models on the kept rows are better."""
        return self.verdict is Verdict.CERTIFIED

    @property
    def reasons(self) -> list[str]:
        """Why the verdict is what it is, a sentence each."""
        return list((self.report.get("certification") or {}).get("reasons", []))

    @property
    def gains(self) -> list[Gain]:
        """What is gained over all rows, and over random rows; empty without a verdict."""
        gains: list[Mapping[str, Any]] = (self.report.get("certification") or {}).get("gains", [])
        return [Gain(gain["over"], gain["mean"], gain["ci95"][0], gain["ci95"][1]) for gain in gains]

    @property
    def certificate(self) -> dict[str, Any]:
        """The signed certificate, as `certificate.json`; `autodenoise verify` checks it."""
        return json.loads((self.folder / CERTIFICATE).read_text())

    @property
    def page(self) -> str:
        """The report as a page of HTML that needs no network."""
        return (self.folder / PAGE).read_text()

    def show(self) -> None:
        """Shows the report: in the notebook, or else in a browser; where there is none its file is named."""
        if not in_notebook():
            page = self._page_file()
            if not webbrowser.open(page.as_uri()):
                print(f"the report is in {page}")
            return
        from IPython.display import display  # pyright: ignore

        # A frame of its own, because the page has styles of its own; it may run nothing.
        frame = f'<iframe sandbox srcdoc="{escape(self.page)}" style="width:100%;height:40em;border:0"></iframe>'
        display({"text/html": frame, "text/plain": str(self)}, raw=True)

    def _page_file(self) -> Path:
        """The report as a file that stays: a script may end, and its private folders with it, before a browser has read it."""
        page = (self.folder / PAGE).absolute()
        if self._owner is None:
            return page
        file, name = tempfile.mkstemp(prefix="autodenoise-report-", suffix=".html")
        os.close(file)
        return Path(shutil.copyfile(page, name))

    def plot(self, axes: Optional[Axes] = None) -> Axes:
        """Draws the AUC of the test rows of every arm, a dot a seed. Needs matplotlib.

        Args:
            axes: Where to draw; by default a new figure.

        Returns:
            The axes that were drawn on.
        """
        from ._plot import plot_arms

        return plot_arms(self.report, axes)

    def _answer(self) -> str:
        """What came out, of a report without the program's sentences."""
        answer = (self.report.get("certification") or {}).get("answer")
        return answer or f"verdict: {self.verdict}"

    def __str__(self) -> str:
        """What came out, what to do next, and the verdict."""
        steps = [f"{'Next: ' if number == 0 else '      '}{step}" for number, step in enumerate(self.next_steps)]
        return "\n".join([self.sentence, *steps, f"verdict: {self.verdict}"])

    def __repr__(self) -> str:
        """The verdict in a line."""
        kept = self.report["kept"]
        return f"<{type(self).__name__} {self.verdict}: {kept['rows']:,} of {kept['of']:,} training rows kept>"

    def _repr_html_(self) -> str:
        colour = {"certified": "#1a7f37", "not_better": "#b42318"}.get(self.verdict, "#9a6700")
        steps = "".join(f"<li>{escape(step)}</li>" for step in self.next_steps)
        found = "".join(f"<li>{escape(finding.text)}</li>" for finding in self.findings if finding.taken)
        found = f"<p>Found:</p><ul>{found}</ul>" if found else ""
        word = self.verdict.value.replace("_", " ")
        return (
            f'<div><p><b style="color:{colour}">{escape(word)}</b> {escape(self.sentence)}</p>'
            f"<p>Next:</p><ul>{steps}</ul>{found}</div>"
        )
