"""The site's contents beside pages: notebooks with outputs, machines' charts, offline search."""

import base64
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from unitgain.benchmarks import machines

DOCS = Path(__file__).parents[2] / "docs"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)


def load(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cell(source, *outputs, kind="code"):
    made = [SimpleNamespace(**{"output_type": "display_data"} | output) for output in outputs]
    return {"source": source, "cell_type": kind, "outputs": made}


class Cell(dict):
    __getattr__ = dict.__getitem__


def test_a_notebook_shows_what_its_cells_print_and_draw():
    png = base64.b64encode(b"a picture").decode()
    cells = [
        cell("# Title", kind="markdown"),
        cell("print(1)", {"output_type": "stream", "text": "\x1b[31mone\x1b[0m\n"}),
        cell("table", {"data": {"text/html": "<table></table>", "text/plain": "table"}}),
        cell("figure", {"data": {"image/png": png, "text/plain": "Figure"}}),
        cell("drawing", {"data": {"image/svg+xml": "<svg/>"}}),
        cell("x", {"data": {"text/plain": "3"}}),
    ]
    book = SimpleNamespace(cells=[Cell(each) for each in cells])
    text, pictures = load("notebooks").as_markdown(book, "name")
    assert text.startswith("# Title\n\n```python\nprint(1)\n```\n\n```text\none\n```\n")
    assert '<div class="output">\n<table></table>\n</div>' in text
    assert "(name-0.png)" in text
    assert "(name-1.svg)" in text
    assert "Figure" not in text
    assert text.endswith("```python\nx\n```\n\n```text\n3\n```\n")
    assert pictures == {"name-0.png": b"a picture", "name-1.svg": b"<svg/>"}


@pytest.mark.slow
def test_notebooks_run_for_the_site():
    pytest.importorskip("jupytext", reason="needs the extra docs")
    pytest.importorskip("nbclient", reason="needs the extra docs")
    notebooks = load("notebooks")
    example = (DOCS.parent / "examples" / "classify_digits.py").read_text(encoding="utf-8")
    text, pictures = notebooks.as_markdown(notebooks.executed(example), "digits")
    assert "<th>val_accuracy</th>" in text
    assert pictures["digits-0.png"].startswith(b"\x89PNG")  # of history.plot()


def test_a_machines_page_shows_the_charts_of_its_results():
    pages = load("machine_pages")
    measured = machines.newest(pages.FOLDER)
    assert measured
    for contents in measured[:1]:
        made = pages.made(contents)
        place = pages.of_file(contents["file"])
        text = made[place].decode()
        assert text.startswith(f"# {machines.title(contents['environment'])}\n")
        assert f"`{contents['command']}`" in text
        charts = re.findall(r"!\[[^]]*\]\(([^)]+\.svg)\)", text)
        drawn = {name for name in made if name.endswith(".svg")}
        assert {f"benchmarks/{chart}" for chart in charts} == drawn
        groups = {r["case"].rpartition("/")[0] for r in contents["results"]}
        assert len(drawn) >= 2 + len(groups)
        for link in re.findall(r"(?<!!)\[[^]]*\]\(([^)]+)\)", text):
            target = f"benchmarks/{link}"
            assert target in made or (pages.FOLDER / link).exists()
        report = made[place.replace(".md", "-report.html")].decode()
        assert contents["date"] in report


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
def test_a_worker_runs_in_a_site_that_is_opened_from_files(tmp_path):
    """The search is one: it is loaded by its address, and sends and gets messages."""
    shutil.copy(DOCS / "assets" / "iframe-worker.js", tmp_path)
    (tmp_path / "worker.js").write_text(
        'addEventListener("message", event => postMessage(event.data.number * 2));'
    )
    (tmp_path / "index.html").write_text(
        """<body><script src="iframe-worker.js"></script><script>
        const worker = new Worker(new URL("worker.js", location));
        worker.addEventListener("message", event => document.body.append(`got ${event.data} `));
        worker.postMessage({number: 21});
        setTimeout(() => worker.postMessage({number: 4}), 500);
        </script></body>"""
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", (tmp_path / "index.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    assert "got 42 got 8" in done.stdout
