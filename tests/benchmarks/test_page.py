"""The report as a page and as files: complete, without a network, and drawn by a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from unitgain.benchmarks import counting, page, report, runner, saved, timing
from unitgain.benchmarks.case import OURS

ENVIRONMENT = {
    "unitgain": "1.2.3", "python": "3.12", "machine": "x86_64", "cpu": "a </script> CPU", "cpus": 4,
    "instruction_set": "avx2", "threads": 4, "libraries": {"NumPy": "2.0"}, "limits": {},
    "openblas_settings": {}, "load": 9.0, "peaks": {"float32": 4e11, "float64": 2e11},
    "read_rates": {"L2": 4e11, "memory": 4e10}, "caches": {"L1": 1 << 15, "L2": 1 << 20},
}  # fmt: skip


COPY = ("activations/copy/float32/1024x1024", "NumPy")


@pytest.fixture(scope="module")
def contents():
    rng = np.random.default_rng(0)
    cases = [f"matmul/float32/{n}x{n}x{n}" for n in (128, 256, 512, 1024)]
    cases += [f"activations/tanh/float32/{size}" for size in ("128x256", "1024x1024", "8192x1024")]
    cases += [f"activations/copy/float32/{size}" for size in ("128x256", "1024x1024")]
    cases += ["training/step/64-64-64-4", "linalg/pinv/float64/256x256"]
    measurements = []
    for case in cases:
        counts = counting.counted(case)
        ours = timing.Times(tuple(rng.uniform(0.9, 1.1, 15) * 1e-3))
        for library, factor in ((OURS, 1.0), ("NumPy", 2.0), ("PyTorch", 0.8)):
            turns = np.array(ours.turns) * factor * rng.uniform(0.98, 1.02, 15)
            if (case, library) == (cases[3], "PyTorch"):
                turns[::2] *= 9
            times = ours if library == OURS else timing.Times(tuple(turns.tolist()))
            rate = counts.operations / times.median if counts and "matmul" in case else 0.0
            measurements.append(
                runner.Measurement(case, "title", library, times, ours, 0.0, 1e-6, rate)
            )
    return json.loads(json.dumps(saved.document(ENVIRONMENT, measurements, "unitgain bench")))


def test_the_page_needs_no_network_and_holds_every_result(contents, tmp_path):
    page.write_page(tmp_path / "report.html", contents)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    data = json.loads(embedded[1])
    assert data == json.loads(json.dumps(page.page_data(contents)))
    assert "a </script> CPU" in data["title"]
    assert sum(len(group["rows"]) for group in data["groups"]) == len(contents["results"])
    assert data["unsteady"] == ["matmul/float32/1024x1024x1024"]
    assert "9.0 threads were running" in data["warnings"][0]
    assert all(group["command"] == f"unitgain bench {group['name']}" for group in data["groups"])


def test_a_summary_leaves_out_what_is_not_steady(contents):
    records = [r for r in contents["results"] if r["case"].startswith("matmul")]
    bars = {bar["library"]: bar for bar in page.summary_row("matmul", records)["bars"]}
    steady = [r["ratio"] for r in records if r["library"] == "PyTorch" and r["steady"]]
    assert len(steady) == 3
    assert bars["PyTorch"]["ratio"] == pytest.approx(report.geometric_mean(steady))
    assert bars["PyTorch"]["low"] < bars["PyTorch"]["ratio"] < bars["PyTorch"]["high"]


def test_curves_have_rates_by_size_with_the_machines_limits(contents):
    groups = {group["name"]: group for group in page.page_data(contents)["groups"]}
    [products] = groups["matmul/float32"]["curves"]
    ours = next(s for s in products["series"] if s["library"] == OURS)["points"]
    record = contents["results"][0]
    assert [point[0] for point in ours] == [128, 256, 512, 1024]
    assert ours[0][1] == pytest.approx(2 * 128**3 / record["seconds"] / 1e9)
    assert products["across"] == [{"label": "float32 peak", "y": 400.0}]
    [values] = groups["activations/tanh/float32"]["curves"]
    assert [point[0] for point in values["series"][0]["points"]] == [
        2 * 4 * size for size in (128 * 256, 1024 * 1024, 8192 * 1024)
    ]
    assert [line["label"] for line in values["upright"]] == ["L1", "L2"]
    *_, copies = values["series"]
    assert copies["library"] == "a copy by NumPy"
    [copy] = [r for r in contents["results"] if (r["case"], r["library"]) == COPY]
    assert copies["points"][1][:2] == [8 * 1024**2, 8 * 1024**2 / copy["seconds"] / 1e9]
    assert groups["training/step"]["curves"] == []


def test_the_roofline_has_every_operation_that_is_counted(contents):
    roofline = page.page_data(contents)["roofline"]
    points = {name: (x, y) for x, y, name in roofline["series"][0]["points"]}
    assert len(points) == 8
    x, y = points["matmul/float32/1024x1024x1024"]
    assert x == pytest.approx(2 * 1024**3 / (3 * 4 * 1024**2))
    assert 1000 < y < 3000
    assert [roof["slope"] for roof in roofline["roofs"]] == [400.0, 40.0]


def test_every_subject_but_networks_calls_and_look_ups_is_counted():
    names = {case.name for case in runner.all_cases()}
    counted = {name.partition("/")[0] for name in names if counting.counted(name)}
    assert set(runner.SUBJECTS) - counted == {
        "clustering",
        "embedding",
        "expressions",
        "metrics",
        "training",
        "inference",
        "threading_layers",
        "scaling",
    }
    linalg = [name for name in names if name.startswith("linalg/")]
    stacks = {name.split("/")[1] for name in linalg if counting.counted(name) is None}
    assert stacks == {"stack_pinv", "stack_svd"}
    adam = counting.counted("optimizers/adam/64-128-64-10")
    assert adam.bytes == 7 * 4 * (64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10)
    assert counting.counted("linalg/pinv/float64/100x4000").bytes == 2 * 8 * 100 * 4000


def test_charts_are_drawn_to_files(contents, tmp_path):
    written = page.write_plots(tmp_path / "charts", contents)
    names = {path.name for path in written}
    assert {"summary.png", "roofline.svg", "matmul-float32-rates.svg"} <= names
    for path in written:
        head = path.read_bytes()[:200]
        assert head.startswith(b"\x89PNG") if path.suffix == ".png" else b"<?xml" in head


BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_draws_the_page_without_an_error(contents, tmp_path, width):
    costs = {"group": "scaling/step", "library": OURS, "costs": {"call": 1e-6, "row": 2e-10}}
    contents = contents | {"costs": [costs | {"error": 0.02}], "memory": {"training": {OURS: 1e6}}}
    page.write_page(tmp_path / "report.html", contents)
    file = Path(tmp_path / "report.html")
    # The page's own width is written where the printed document shows it.
    probe = "<script>document.title = document.documentElement.scrollWidth</script></html>"
    file.write_text(file.read_text("utf-8").replace("</html>", probe), "utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},2000"]
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<svg") == 9
    assert done.stdout.count("<circle") == 4 * 3 + 3 * 3 + 8
    assert done.stdout.count("<tr>") == 33 + 5 + 2 + 2
    assert "<td>1.00 µs</td><td>200 ps</td><td>2%</td>" in done.stdout
    shown = int(re.search(r"<title>(\d+)</title>", done.stdout)[1])
    assert shown <= max(width, 500)  # windows are not made narrower than 500
