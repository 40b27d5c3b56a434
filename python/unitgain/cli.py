"""The ``unitgain`` command: ``demo``, ``bench`` and ``info``.

Each subcommand imports what it needs when it is asked for. The exit status is 0 if all went well,
1 if results of unitgain disagreed, a case became slower, or a file could not be written, 2 if the
arguments are wrong, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unitgain import _native
from unitgain._native import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line given (by default the process's) and return the exit status."""
    options = _parser().parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else list(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (``unitgain bench --list | head``) has all it wants. Python would complain
        # again when it flushes the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"unitgain: error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unitgain", description="Dense neural networks on CPUs: demonstration and benchmarks."
    )
    parser.add_argument("--version", action="version", version=f"unitgain {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    demo = commands.add_parser(
        "demo",
        help="train on handwritten digits and compare with the libraries that are installed",
        description="Train a network on 1,347 handwritten digits, test it on 450 others, then time "
        "unitgain's operations beside those of NumPy and the other libraries that are installed.",
    )
    demo.add_argument("--plot", type=_plot_file, metavar="FILE", help="draw the results (.png ...)")
    demo.add_argument("--seed", type=_seed, default=0, help="of all random numbers (default 0)")
    demo.add_argument("--epochs", type=_epochs, help="passes over the training digits")
    demo.add_argument(
        "--peers",
        type=_peers,
        metavar="NAMES",
        help="only these libraries, as in --peers pytorch,jax; NumPy always runs",
    )
    demo.set_defaults(command=_demo, parser=demo, isa=None)

    bench = commands.add_parser(
        "bench",
        help="time unitgain against the libraries that are installed",
        description="Time unitgain against NumPy and those of PyTorch, JAX, Keras, SciPy, "
        "scikit-learn, ONNX Runtime and Numba that are installed (pip install unitgain[bench]), "
        "taking turns.",
    )
    bench.add_argument(
        "groups",
        nargs="*",
        metavar="GROUP",
        help="only these subjects or groups of cases: matmul, matmul/random",
    )
    bench.add_argument(
        "--filter",
        action="append",
        metavar="TEXT",
        help="only cases whose name contains TEXT (* and ? allowed); may be repeated",
    )
    bench.add_argument(
        "--peers",
        type=_peers,
        metavar="NAMES",
        help="only these libraries, as in --peers pytorch,jax; NumPy always runs",
    )
    bench.add_argument(
        "--keras-backend",
        choices=("jax", "torch", "tensorflow", "openvino"),
        help="what Keras runs on (default KERAS_BACKEND, or the first of these that is installed)",
    )
    bench.add_argument(
        "--isa",
        choices=("baseline", "avx2", "avx512", "amx"),
        help="limit unitgain, and its peers where they can be, to an instruction set",
    )
    bench.add_argument(
        "--cpus",
        type=_cpus,
        metavar="LIST",
        help="pin everyone's threads to these CPUs, as in 0-3,8 (default: all that the process may "
        "use)",
    )
    bench.add_argument("--quick", action="store_true", help="a few small cases, in seconds")
    bench.add_argument(
        "--headline",
        action="store_true",
        help="the cases that speak for a machine, in some seven minutes",
    )
    bench.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep the results in FOLDER as this machine's, in place of its earlier ones",
    )
    bench.add_argument(
        "--verify",
        action="store_true",
        help="check the results against float64 and time nothing; the exit status is 1 if one is "
        "off",
    )
    bench.add_argument("--list", action="store_true", help="name the cases and stop")
    bench.add_argument("--json", type=_output_file, metavar="FILE", help="write the results there")
    bench.add_argument(
        "--pytest-json",
        type=_output_file,
        metavar="FILE",
        help="write the results there as pytest-benchmark does",
    )
    bench.add_argument(
        "--report", type=_output_file, metavar="FILE", help="write a page with charts (.html)"
    )
    bench.add_argument(
        "--plot", type=Path, metavar="FOLDER", help="draw the charts there, as PNG and SVG files"
    )
    bench.add_argument(
        "--results",
        metavar="NAME",
        help="of these saved results write the report, the charts or the other files; time nothing",
    )
    bench.add_argument(
        "--save",
        type=_result_name,
        metavar="NAME",
        help="keep the results in unitgain-benchmarks/NAME.json",
    )
    bench.add_argument(
        "--compare",
        nargs=2,
        metavar=("BEFORE", "AFTER"),
        help="compare two runs, by names that --save gave or JSON files, and stop; the exit status "
        "is 1 if a case became slower",
    )
    bench.add_argument(
        "--threshold",
        type=float,
        default=5.0,
        metavar="PERCENT",
        help="how much slower a case may become (default 5)",
    )
    bench.add_argument("--csv", type=_output_file, metavar="FILE", help="write the results there")
    bench.set_defaults(command=_bench, parser=bench)

    info = commands.add_parser("info", help="print versions, instruction set and threads")
    info.set_defaults(command=_info)
    return parser


def _output_file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        problem = "is a directory" if path.is_dir() else f"there is no directory {path.parent}"
        raise argparse.ArgumentTypeError(f"cannot write {text}: {problem}")
    return path


def _cpus(text: str) -> list[int]:
    from unitgain.benchmarks import placement

    try:
        return placement.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _result_name(text: str) -> str:
    if not text or any(part in text for part in ("/", "\\")) or text.startswith("."):
        raise argparse.ArgumentTypeError(f"expected a name, got {text!r}")
    return text.removesuffix(".json")


def _plot_file(text: str) -> Path:
    from unitgain._figures import check_file

    path = _output_file(text)
    try:
        check_file(path)
    except (ImportError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path


def _whole_number(text: str, smallest: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = smallest - 1
    if number < smallest:
        raise argparse.ArgumentTypeError(f"expected a whole number from {smallest}, got {text!r}")
    return number


def _seed(text: str) -> int:
    return _whole_number(text, 0)


def _epochs(text: str) -> int:
    return _whole_number(text, 1)


def _peers(text: str) -> list[str]:
    from unitgain.benchmarks.case import PEERS

    names = {name.lower().replace(" ", ""): name for name in PEERS}
    chosen = [part.strip().lower().replace(" ", "") for part in text.split(",")]
    for part in chosen:
        if part not in names:
            known = ", ".join(sorted(names))
            raise argparse.ArgumentTypeError(f"unknown library {part!r}, expected some of {known}")
    return [names[part] for part in chosen]


def _demo(options: argparse.Namespace) -> int:
    from unitgain import demo

    epochs = demo.EPOCHS if options.epochs is None else options.epochs
    peers = _chosen_peers(options)
    return demo.run(seed=options.seed, epochs=epochs, plot=options.plot, peers=peers)


def _bench(options: argparse.Namespace) -> int:
    from unitgain.benchmarks import memory, peaks, placement, report, runner, saved, scaling, timing

    if options.compare:
        return _compare(options)
    if options.results:
        try:
            _write_results(options, saved.read(options.results))
        except ValueError as error:
            options.parser.error(str(error))
        return 0
    cases = _chosen_cases(options)
    if options.list:
        for case in cases:
            print(f"{case.name}: {case.title}")
        return 0
    if options.keras_backend:
        os.environ["KERAS_BACKEND"] = options.keras_backend
    peers = _chosen_peers(options)
    limited = _limited_environment(options) if options.isa else None
    cpus = options.cpus or placement.allowed()
    if limited is not None or cpus != placement.allowed():
        # Not the process itself: NumPy's library has been loaded into it, without the limits, and
        # has threads on all CPUs.
        command = [sys.executable, "-m", "unitgain", *options.arguments]
        with placement.inherited(cpus) if cpus else nullcontext():
            return subprocess.run(command, env=limited, check=False).returncode

    environment = runner.environment(peers, options.isa)
    if options.verify:
        return _verify(cases, peers, environment)
    environment |= {"peaks": peaks.rates(), "read_rates": peaks.read_rates()}
    print(report.format_environment(environment))
    print(report.format_peaks(environment))
    effort = timing.QUICK if options.quick else timing.THOROUGH
    measurements = []
    for case in cases:
        measured = runner.run_case(case, peers, effort)
        measurements += measured
        print("\n" + report.format_case(measured), flush=True)
    print("\n" + report.format_summary(measurements))
    contents = saved.document(environment, measurements, _command(options))
    if costs := scaling.fits(measurements):
        print("\n" + scaling.format_fits(costs))
        contents["costs"] = [asdict(fit) for fit in costs]
    if "scaling" in options.groups and not (options.filter or options.quick):
        contents["memory"] = memory.measure(peers)
        print("\n" + memory.format_memory(contents["memory"]))
    _write_results(options, contents)
    if options.csv:
        report.write_csv(options.csv, environment, measurements)
    wrong = [m for m in measurements if not m.agrees]
    for m in wrong:
        kind = "warning" if m.is_peers else "error"
        print(f"unitgain: {kind}: {m.library} disagrees with NumPy in {m.case}", file=sys.stderr)
    return 0 if all(m.is_peers for m in wrong) else 1


def _verify(cases: Sequence[Any], peers: Sequence[str], environment: Any) -> int:
    from unitgain.benchmarks import report, runner

    print(report.format_machine(environment))
    wrong = []
    for case in cases:
        verdicts = runner.verify_case(case, peers)
        print(report.format_verdicts(verdicts), flush=True)
        wrong += [verdict for verdict in verdicts if not verdict.agrees]
    for verdict in wrong:
        kind = "warning" if verdict.is_peers else "error"
        text = f"{verdict.library} is off by {verdict.error:.1e} in {verdict.case}"
        print(f"unitgain: {kind}: {text}", file=sys.stderr)
    return 0 if all(verdict.is_peers for verdict in wrong) else 1


def _write_results(options: argparse.Namespace, contents: Any) -> None:
    """Write the files that were asked for."""
    from unitgain.benchmarks import machines, page, saved

    if options.json:
        saved.write(options.json, contents)
    if options.pytest_json:
        saved.write(options.pytest_json, saved.pytest_benchmark(contents))
    if options.keep:
        try:
            print(f"kept in {machines.keep(options.keep, contents)}")
        except ValueError as error:
            raise OSError(str(error)) from error
    if options.save:
        saved.write(saved.path_of(options.save), contents)
    if options.report:
        page.write_page(options.report, contents)
    if options.plot:
        try:
            page.write_plots(options.plot, contents)
        except ImportError as error:
            raise OSError(str(error)) from error


def _compare(options: argparse.Namespace) -> int:
    from unitgain.benchmarks import saved

    try:
        before, after = (saved.read(name) for name in options.compare)
        text, slower = saved.format_comparison(before, after, options.threshold / 100)
    except ValueError as error:
        options.parser.error(str(error))
    print(text)
    return 1 if slower else 0


def _command(options: argparse.Namespace) -> str:
    """Return the command line without the files that it writes."""
    files = ("--json", "--csv", "--pytest-json", "--save", "--report", "--plot", "--keep")
    kept: list[str] = []
    arguments = iter(options.arguments)
    for argument in arguments:
        if argument in files:
            next(arguments, None)
        elif not argument.startswith(tuple(f"{name}=" for name in files)):
            kept.append(argument)
    return shlex.join(["unitgain", *kept])


def _chosen_cases(options: argparse.Namespace) -> list[Any]:
    from unitgain.benchmarks import runner

    cases: list[Any] = runner.headline_cases() if options.headline else runner.all_cases()
    try:
        if options.groups:
            cases = runner.inside(cases, options.groups)
        if options.quick:
            cases = [case for case in cases if case.quick]
        if options.filter:
            cases = runner.matching(cases, options.filter)
        return cases
    except ValueError as error:
        parser: argparse.ArgumentParser = options.parser
        parser.error(f"{error}; unitgain bench --list names them all")


def _chosen_peers(options: argparse.Namespace) -> list[str]:
    from unitgain.benchmarks import instruction_sets, runner

    installed = runner.installed_peers()
    if options.peers is None:
        unlimited = instruction_sets.UNLIMITED[options.isa] if options.isa else ()
        return [name for name in installed if name not in unlimited]
    missing = [name for name in options.peers if name not in installed]
    if missing:
        options.parser.error(f"not installed: {', '.join(missing)} (pip install unitgain[bench])")
    return list(options.peers)


def _limited_environment(options: argparse.Namespace) -> dict[str, str] | None:
    """Return the variables of a process limited to the instruction set, None if this one is."""
    from unitgain.benchmarks import instruction_sets

    lacking = dict(_native.variants()).get(options.isa)
    if lacking is None:
        options.parser.error(f"--isa {options.isa}: this build does not contain it")
    if lacking:
        options.parser.error(f"--isa {options.isa}: this machine lacks {lacking}")
    wanted: dict[str, str] = instruction_sets.settings(options.isa, os.environ)
    if instruction_sets.are_set(wanted, os.environ):
        return None
    return os.environ | wanted


def _info(options: argparse.Namespace) -> int:
    from unitgain.config import config_text

    print(config_text())
    return 0
