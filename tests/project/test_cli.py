"""The unitgain command: what it prints, what it writes, and how it refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest
import variants

import unitgain as ug
from unitgain import _native, cli, demo
from unitgain.benchmarks import instruction_sets, runner
from unitgain.benchmarks.case import OURS, REFERENCE, Case, Contender, Trial


def refused(capsys, *arguments):
    """Return the command's message on standard error when it refuses these arguments."""
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_info_prints_the_configuration(capsys):
    assert cli.main(["info"]) == 0
    out = capsys.readouterr().out
    assert f"unitgain {ug.__version__}" in out
    assert "instruction set:" in out


def test_module_is_the_command():
    done = python("-m", "unitgain", "--version")
    assert (done.returncode, done.stdout) == (0, f"unitgain {ug.__version__}\n")


def test_a_command_is_required(capsys):
    assert "required: command" in refused(capsys)


def test_help_does_not_import_what_only_commands_need():
    code = (
        "import sys\n"
        "from unitgain import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "bad = {'matplotlib', 'torch', 'jax', 'sklearn', 'scipy', 'unitgain.benchmarks'}\n"
        "sys.exit(' '.join(bad & set(sys.modules)) or 0)\n"
    )
    assert python("-c", code).stderr == ""


def test_list_names_the_cases_and_measures_nothing(capsys, monkeypatch):
    monkeypatch.setattr(runner, "run_case", lambda *_: pytest.fail("measured"))
    assert cli.main(["bench", "--list", "--filter", "linalg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.startswith("linalg/") for line in lines)


def test_verify_checks_results_and_times_nothing(capsys, monkeypatch):
    monkeypatch.setattr(runner, "run_case", lambda *_: pytest.fail("measured"))
    chosen = ["bench", "--quick", "--verify", "--peers", "numpy", "optimizers/sgd"]
    assert cli.main(chosen) == 0
    assert "optimizers/sgd/9000: at most 1.0e-06: unitgain " in capsys.readouterr().out
    off = runner.Verdict("optimizers/sgd/9000", OURS, 0.5, 1e-6, True)
    monkeypatch.setattr(runner, "verify_case", lambda *_: [off])
    assert cli.main(chosen) == 1
    assert "unitgain is off by 5.0e-01 in optimizers/sgd/9000" in capsys.readouterr().err


def test_list_into_a_closed_pipe_is_quiet():
    command = [sys.executable, "-m", "unitgain", "bench", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


def test_bench_prints_and_writes_what_it_measured(capsys, tmp_path):
    json_file, csv_file = tmp_path / "out.json", tmp_path / "out.csv"
    files = ["--json", str(json_file), "--csv", str(csv_file)]
    only = ["--quick", "--peers", "numpy", "--filter", "matmul/float32", "--filter", "linalg"]
    assert cli.main(["bench", *only, *files]) == 0
    out = capsys.readouterr().out
    records = json.loads(json_file.read_text(encoding="utf-8"))["results"]
    assert {record["library"] for record in records} == {OURS, REFERENCE}
    assert all(f"{record['case']}:" in out for record in records)
    assert len(csv_file.read_text(encoding="utf-8").splitlines()) == 1 + len(records)


def test_bench_compares_runs_that_it_saved(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    only = ["--quick", "--peers", "numpy", "--filter", "matmul/float64"]
    assert cli.main(["bench", *only, "--save", "first", "--pytest-json", "second.json"]) == 0
    file = tmp_path / "unitgain-benchmarks" / "first.json"
    contents = json.loads(file.read_text(encoding="utf-8"))
    assert contents["command"] == "unitgain bench --quick --peers numpy --filter matmul/float64"
    capsys.readouterr()
    assert cli.main(["bench", "--compare", "first", "first"]) == 0
    assert "geometric mean of" in capsys.readouterr().out
    for record in contents["results"]:
        record["turns"] = [3 * turn for turn in record["turns"]]
    (tmp_path / "slow.json").write_text(json.dumps(contents), encoding="utf-8")
    for record in contents["results"]:
        assert record["steady"] in (True, False)
    assert cli.main(["bench", "--compare", "slow.json", "first", "--threshold", "50"]) == 0
    assert "no file" in refused(capsys, "bench", "--compare", "first", "third")
    assert "holds no results" in refused(capsys, "bench", "--compare", "second.json", "first")
    assert "expected a name" in refused(capsys, "bench", "--save", "../first")


def test_bench_prints_the_machines_peaks_and_a_summary(capsys):
    only = ["--quick", "--peers", "numpy", "matmul/float32"]
    assert cli.main(["bench", *only]) == 0
    out = capsys.readouterr().out
    assert "measured peaks of all threads: float32 multiply-add" in out
    assert "% of peak" in out
    assert "error " in out
    assert "the worst of each, against the fastest peer:" in out
    assert "matmul/float32" in out[out.index("the worst of each") :]  # or among the unsteady


def test_bench_limits_the_instruction_set_of_everybody(tmp_path):
    file = tmp_path / "out.json"
    only = ["--quick", "--peers", "numpy", "matmul/float32", "--json", str(file)]
    oldest = variants.available()[0]
    done = python("-m", "unitgain", "bench", "--isa", oldest, *only)
    assert done.returncode == 0, done.stderr
    assert f"instruction sets limited by UNITGAIN_ISA={oldest} " in done.stdout
    environment = json.loads(file.read_text(encoding="utf-8"))["environment"]
    assert environment["instruction_set"] == oldest
    assert environment["limits"].items() >= instruction_sets.LIMITS[oldest].items()


def test_bench_refuses_an_instruction_set_that_cannot_run(capsys, monkeypatch):
    monkeypatch.setattr(_native, "variants", lambda: [("avx2", "FMA, AVX2")])
    error = refused(capsys, "bench", "--quick", "--isa", "avx2")
    assert "--isa avx2: this machine lacks FMA, AVX2" in error
    error = refused(capsys, "bench", "--quick", "--isa", "amx")
    assert "--isa amx: this build does not contain it" in error
    assert "invalid choice" in refused(capsys, "bench", "--isa", "avx1024")


def test_peers_that_cannot_be_limited_are_left_out_unless_named(capsys, monkeypatch):
    monkeypatch.setattr(runner, "installed_peers", lambda: ["NumPy", "JAX"])
    options = cli._parser().parse_args(["bench", "--isa", "avx2"])
    assert cli._chosen_peers(options) == ["NumPy"]
    options = cli._parser().parse_args(["bench", "--isa", "avx2", "--peers", "jax"])
    assert cli._chosen_peers(options) == ["JAX"]
    options = cli._parser().parse_args(["bench"])
    assert cli._chosen_peers(options) == ["NumPy", "JAX"]


def test_bench_fails_if_results_disagree(capsys, monkeypatch):
    contenders = {
        OURS: lambda: Contender.of(lambda: np.zeros(3)),
        REFERENCE: lambda: Contender.of(lambda: np.ones(3)),
    }
    case = Case("wrong/case", "wrong", lambda: Trial(contenders, 1e-6), quick=True)
    monkeypatch.setattr(runner, "all_cases", lambda: [case])
    assert cli.main(["bench", "--quick", "--peers", "numpy"]) == 1
    assert "unitgain disagrees with NumPy in wrong/case" in capsys.readouterr().err


def test_bench_refuses_unknown_names(capsys):
    assert "no benchmark case matches 'matmull'" in refused(capsys, "bench", "--filter", "matmull")
    assert "no benchmark case belongs to 'mat'" in refused(capsys, "bench", "mat")
    error = refused(capsys, "bench", "--peers", "pytorch,tensorflow")
    assert "unknown library 'tensorflow', expected some of jax, keras, numba, numpy" in error


def test_bench_refuses_peers_that_are_not_installed(capsys, monkeypatch):
    monkeypatch.setattr(runner, "installed_peers", lambda: ["NumPy"])
    error = refused(capsys, "bench", "--quick", "--peers", "pytorch")
    assert "not installed: PyTorch (pip install unitgain[bench])" in error


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_bench_refuses_a_file_in_no_directory_before_measuring(option, capsys, tmp_path):
    error = refused(capsys, "bench", option, str(tmp_path / "missing" / "out"))
    assert "there is no directory" in error


def test_a_file_that_cannot_be_written_is_an_error(capsys):
    only = ["--quick", "--peers", "numpy", "--filter", "linalg"]
    assert cli.main(["bench", *only, "--csv", "/dev/full"]) == 1
    assert capsys.readouterr().err.startswith("unitgain: error: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "expected a whole number from 1, got '0'"),
        (["--epochs", "ten"], "expected a whole number from 1, got 'ten'"),
        (["--seed", "-1"], "expected a whole number from 0, got '-1'"),
        (["--plot", "missing/out.png"], "there is no directory missing"),
        (["--plot", "out.doc"], "its name must end in one of"),
    ],
)
def test_demo_refuses_wrong_arguments(arguments, message, capsys):
    assert message in refused(capsys, "demo", *arguments)


def test_plot_without_matplotlib_says_how_to_get_it(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    error = refused(capsys, "demo", "--plot", str(tmp_path / "out.png"))
    assert "pip install unitgain[plot]" in error


def test_interrupt_is_answered_without_a_traceback(capsys, monkeypatch):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
