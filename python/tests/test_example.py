"""The example notebook, cell by cell in a real kernel."""

from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples" / "denoise.ipynb"
OF_PYTORCH = "pytorch"


def run(folder, wanted):
    """Runs the cells that are wanted in a folder; what each shows, under its first line."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if wanted(cell)]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    nbformat.write(notebook, folder / "executed.ipynb")
    return {cell.source.splitlines()[-1]: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def shown(outputs, kind):
    """All that a cell shows of a kind, `text/html` for example, one behind the other."""
    return "".join(output.data[kind] for output in outputs if kind in output.get("data", {}))


def is_of_pytorch(cell):
    return OF_PYTORCH in cell.metadata.get("tags", [])


@pytest.fixture(scope="module")
def outputs(optimised, tmp_path_factory):
    has_pytorch = find_spec("torch") is not None
    return run(tmp_path_factory.mktemp("notebook"), lambda cell: has_pytorch or not is_of_pytorch(cell))


def test_it_has_no_outputs_and_is_valid():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")


def test_it_finds_what_was_planted_and_lightgbm_gains_by_it(outputs):
    found = "".join(output.text for output in outputs["    print(finding)"])
    assert "values of item: labels turned round" in found
    assert "values of user: labels at random" in found
    assert "certified</b>" in shown(outputs["result"], "text/html")
    assert "certified</b>" in shown(outputs["judged"], "text/html")


def test_it_shows_the_report_and_the_charts(outputs):
    assert "<iframe sandbox srcdoc=" in shown(outputs["result.show()"], "text/html")
    for cell in ("result.plot();", "judged.plot();"):
        assert shown(outputs[cell], "image/png")


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is a gigabyte, and no package for tests: pip install torch")
def test_a_model_in_pytorch_gains_by_it(outputs):
    assert "certified</b>" in shown(outputs["judged_by_pytorch"], "text/html")
