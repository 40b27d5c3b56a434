"""The notebooks of examples/ run from top to bottom; what they claim they assert."""

import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
CELL = re.compile(r"^# %%(?: \[markdown\])?$", re.MULTILINE)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_cells_that_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# %% [markdown]\n# # "), "a notebook begins with its title"
    assert text.count("# %%") == len(CELL.findall(text))
    for cell in re.split(r"^# %% \[markdown\]\n", text, flags=re.MULTILINE)[1:]:
        words = cell.partition("# %%")[0].strip().splitlines()
        assert all(line.startswith("#") for line in words), "text is behind #"
    exec(compile(text, path, "exec"), {"__name__": path.stem})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_notebooks_run_in_jupyter(tmp_path):
    jupytext = pytest.importorskip("jupytext", reason="needs the extra docs")
    nbclient = pytest.importorskip("nbclient", reason="needs the extra docs")
    specs = pytest.importorskip("jupyter_client.kernelspec", reason="needs the extra docs")
    assert specs.KernelSpecManager().find_kernel_specs(), sys.prefix
    place = {"metadata": {"path": str(tmp_path)}}
    for path in NOTEBOOKS:
        book = jupytext.read(path)
        nbclient.NotebookClient(book, kernel_name="python3", resources=place).execute()
        code = [cell for cell in book.cells if cell.cell_type == "code"]
        assert code
        assert all(cell.execution_count for cell in code)
