"""A chart of a verdict, with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORDS = {"untuned": "all rows, untuned", "full": "all rows", "denoised": "kept rows", "random": "random rows"}
COLOURS = {"denoised": "#1a7f37"}
OTHER = "#6e7781"


def plot_arms(report: Mapping[str, Any], axes: Optional[Axes]) -> Axes:
    """Draws the AUC of the test rows of every arm: a dot a seed, and a bar at their mean."""
    if axes is None:
        try:
            from matplotlib import pyplot
        except ModuleNotFoundError as error:
            raise ImportError("charts need matplotlib: pip install 'autodenoise[plot]'") from error
        axes = pyplot.subplots(figsize=(6, 0.6 + 0.5 * len(_arms(report))), layout="constrained")[1]
    assert axes is not None
    arms = _arms(report)
    for place, (arm, values) in enumerate(arms):
        colour = COLOURS.get(arm, OTHER)
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.6)
        axes.plot([sum(values) / len(values)], [place], "|", color=colour, markersize=18, markeredgewidth=2)
    axes.set_yticks(range(len(arms)), [WORDS.get(arm, arm) for arm, _ in arms])
    # The first arm is on top, and none at the very edge.
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlabel("AUC of the test rows")
    axes.set_title(f"verdict: {report['verdict'].replace('_', ' ')}")
    return axes


def _arms(report: Mapping[str, Any]) -> list[tuple[str, list[float]]]:
    """The arms and the AUC of each of their seeds: those of the verdict, else those of the run."""
    own: Mapping[str, Any] = report.get("certification") or {}
    arms: list[tuple[str, list[float]]] = [(arm["arm"], [run["test"]["auc"] for run in arm["runs"]]) for arm in own.get("arms", [])]
    return arms or [(arm["arm"], [arm["test"]["auc"]]) for arm in report["arms"]]
