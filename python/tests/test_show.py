"""What a result shows: a page in the browser, a frame of it in a notebook, and charts."""

import sys
import tempfile
import webbrowser
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib.figure import Figure
from options import OPTIONS

import autodenoise as ad
from autodenoise import _outcome


@pytest.fixture
def result(frame):
    return ad.denoise(frame, **OPTIONS)


def test_outside_of_a_notebook_the_report_opens_in_the_browser(frame, tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result = ad.denoise(frame, **OPTIONS)
    page = result.page
    assert page.startswith("<!DOCTYPE html>")
    result.show()
    # There is no browser that said it opened it, so the file is named.
    assert opened[0].removeprefix("file://") in capsys.readouterr().out
    # Private folders go with the result, and a browser may read later.
    del result
    assert Path(opened[0].removeprefix("file://")).read_text() == page
    named = ad.denoise(frame, **OPTIONS, results=tmp_path / "results")
    named.show()
    assert opened[1] == (tmp_path / "results/report.html").as_uri()


def test_in_a_notebook_the_report_is_a_frame_that_may_run_nothing(result, monkeypatch):
    shown = []
    notebook = ModuleType("IPython.display")
    notebook.display = lambda data, raw: shown.append(data)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    monkeypatch.setattr(_outcome, "in_notebook", lambda: True)
    result.show()
    assert shown[0]["text/html"].startswith('<iframe sandbox srcdoc="&lt;!DOCTYPE html&gt;')
    assert shown[0]["text/plain"] == str(result)


def test_a_chart_has_a_dot_for_each_seed_of_each_arm(result):
    figure = Figure()
    axes = figure.subplots()
    assert result.plot(axes) is axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all rows", "kept rows"]
    low, high = sorted(axes.get_ylim())
    assert all(low < place < high for place in axes.get_yticks())
    assert axes.get_title() == "verdict: not evaluated"
