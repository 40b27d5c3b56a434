"""Results kept per machine, and the pages that are made of them."""

import importlib.util
import json
from pathlib import Path

import pytest

from unitgain import cli
from unitgain.benchmarks import headline, machines, processor, runner, saved, timing
from unitgain.benchmarks.case import OPENMP, OURS

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location(
    "benchmark_tables", ROOT / "docs" / "benchmark_tables.py"
)
tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tables)

CASE = "matmul/float32/1024x1024x1024"


def run(model="AuthenticAMD 26/2", date="2026-01-02", seconds=1e-3, **environment):
    """The document of a run of two cases, the second of which is not steady."""
    wild = timing.Times((1.0, 1.0, 9.0, 9.0))
    measurements = []
    for case, library, factor in (
        (CASE, OURS, 1.0),
        (CASE, OPENMP, 0.5),
        (CASE, "NumPy", 1.5),
        (CASE, "PyTorch", 1.25),
        ("linalg/svd/float64/256x256", OURS, 1.0),
        ("linalg/svd/float64/256x256", "NumPy", 2.0),
    ):
        ours, times = (timing.Times((seconds * f,) * 4) for f in (1.0, factor))
        if case.startswith("linalg"):
            times = wild
        measurements.append(runner.Measurement(case, "", library, times, ours, 0.0, 0.0, 0.0))
    made = {
        "unitgain": "1.2.3", "python": "3.12", "machine": "x86_64", "cpu": "AMD EPYC", "cpus": 2,
        "cpu_model": model, "instruction_set": "avx512", "threads": 2, "limits": {},
        "libraries": {"NumPy": "2.0", "PyTorch": "2.9"}, "openblas_settings": {}, "load": 0.1,
    } | environment  # fmt: skip
    contents = saved.document(made, measurements, "unitgain bench --headline")
    contents["date"] = f"{date}T03:04:05+00:00"
    return json.loads(json.dumps(contents))


def test_pages_are_what_the_script_makes_of_the_results():
    measured = machines.newest(tables.FOLDER)
    page = (tables.FOLDER / tables.NAME).read_text(encoding="utf-8")
    assert page == tables.page(measured), "run docs/benchmark_tables.py"
    if not measured:
        return
    readme = tables.README.read_text(encoding="utf-8")
    assert tables.between_marks(readme, tables.readme_table(measured)) == readme


def test_kept_results_lie_in_the_files_of_their_machines():
    for path in tables.FOLDER.glob("*.json"):
        environment = saved.read(str(path))["environment"]
        assert path.name == machines.file_name(environment)


def test_headline_cases_exist_and_readmes_are_among_them():
    names = {case.name for case in runner.all_cases()}
    assert set(headline.README) <= set(headline.CASES) <= names
    assert len(headline.CASES) == len(set(headline.CASES)) == len(runner.headline_cases())


@pytest.mark.parametrize(
    ("cpu", "model", "cpus", "title", "file"),
    [
        ("AMD EPYC", "AuthenticAMD 26/2", 2, "AMD EPYC (Zen 5), 2 CPUs", "amd-epyc-zen-5-2-cpus"),
        ("AMD EPYC", "AuthenticAMD 25/1", 1, "AMD EPYC (Zen 3), 1 CPU", "amd-epyc-zen-3-1-cpu"),
        (
            "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
            "GenuineIntel 6/143",
            8,
            "Intel Xeon Platinum 8481C (Sapphire Rapids), 8 CPUs",
            "intel-xeon-platinum-8481c-sapphire-rapids-8-cpus",
        ),
        ("Some CPU", "Maker 1/2", 4, "Some (Maker 1/2), 4 CPUs", "some-maker-1-2-4-cpus"),
        ("aarch64", "", 4, "aarch64, 4 CPUs", "aarch64-4-cpus"),
    ],
)
def test_machines_of_one_name_are_told_apart(cpu, model, cpus, title, file):
    environment = {"cpu": cpu, "cpu_model": model, "cpus": cpus}
    assert machines.title(environment) == title
    assert machines.file_name(environment) == f"{file}.json"


def test_this_machine_has_a_name():
    environment = runner.environment([])
    assert environment["cpu_model"] == processor.cpu_model()
    assert machines.title(environment)


def test_newer_results_replace_the_same_machines_alone(tmp_path):
    first = machines.keep(tmp_path, run(date="2026-01-02"))
    other = machines.keep(tmp_path, run("AuthenticAMD 25/1", "2026-01-01"))
    assert first != other
    kept = other.read_bytes()
    assert machines.keep(tmp_path, run(date="2026-03-04", seconds=2e-3)) == first
    assert saved.read(str(first))["date"].startswith("2026-03-04")
    assert other.read_bytes() == kept
    with pytest.raises(ValueError, match="newer results, of 2026-03-04"):
        machines.keep(tmp_path, run(date="2026-01-02"))
    # Another model of the same generation, whose file has the same name.
    before = first.read_bytes()
    with pytest.raises(ValueError, match="results of another machine"):
        machines.keep(tmp_path, run("AuthenticAMD 26/17", "2026-05-06"))
    assert first.read_bytes() == before
    with pytest.raises(ValueError, match="limited instruction sets"):
        machines.keep(tmp_path, run(date="2026-05-06", limits={"UNITGAIN_ISA": "avx2"}))


def test_the_command_keeps_saved_results_and_refuses_others(tmp_path, capsys):
    saved.write(tmp_path / "run.json", run())
    command = ["bench", "--results", str(tmp_path / "run.json"), "--keep", str(tmp_path / "kept")]
    assert cli.main(command) == 0
    file = tmp_path / "kept" / "amd-epyc-zen-5-2-cpus.json"
    assert saved.read(str(file))["results"] == run()["results"]
    saved.write(file, run("AuthenticAMD 26/17"))
    assert cli.main(command) == 1
    assert "holds the results of another machine" in capsys.readouterr().err


def test_machines_stand_side_by_side(tmp_path):
    machines.keep(tmp_path, run())
    assert tables.page(machines.newest(tmp_path)).count("Zen 5") == 2
    machines.keep(tmp_path, run("AuthenticAMD 25/1", "2026-03-04", 4e-3))
    saved.write(tmp_path / "copy.json", run("AuthenticAMD 25/1", "2026-01-01", 5e-3))
    measured = machines.newest(tmp_path)
    assert [contents["date"][:10] for contents in measured] == ["2026-03-04", "2026-01-02"]
    page = tables.page(measured)
    assert "[AMD EPYC (Zen 3), 2 CPUs](amd-epyc-zen-3-2-cpus.json) | 2026-03-04" in page
    assert "Python 3.12, NumPy 2.0, PyTorch 2.9 | `unitgain bench --headline` | 1.25 |" in page
    assert f"| `{CASE}` | 4.00 ms (1.25, PyTorch) | 1.00 ms (1.25, PyTorch) |" in page
    assert "| `linalg/svd/float64/256x256` | not steady | not steady |" in page
    table = tables.readme_table(measured)
    assert "by `unitgain bench` on AMD EPYC (Zen 3), 2 CPUs, 2026-03-04" in table
    row = "| matrix product, 1024 x 1024, float32 | 4.00 ms | 5.00 ms (PyTorch) | 1.25 | 1.25 |"
    assert row in table
    assert "singular" not in table


def test_only_what_lies_between_the_marks_is_replaced(tmp_path, monkeypatch, capsys):
    readme = tmp_path / "README.md"
    readme.write_text("above\n" + "\nold\n".join(tables.MARKS) + "\nbelow\n", encoding="utf-8")
    monkeypatch.setattr(tables, "README", readme)
    monkeypatch.setattr(tables, "FOLDER", tmp_path / "kept")
    tables.main()
    assert "old" in readme.read_text(encoding="utf-8")
    assert "README stays as it is" in capsys.readouterr().out
    machines.keep(tmp_path / "kept", run())
    tables.main()
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("above\n")
    assert text.endswith("\nbelow\n")
    assert "old" not in text
    assert "1.25" in text
    tables.main()
    assert readme.read_text(encoding="utf-8") == text
    with pytest.raises(ValueError, match="figures by"):
        tables.between_marks("no marks", "")


def test_readme_has_the_marks():
    text = tables.README.read_text(encoding="utf-8")
    assert [text.count(mark) for mark in tables.MARKS] == [1, 1]
