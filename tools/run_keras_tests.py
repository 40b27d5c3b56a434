"""Run Keras's own unit tests of dense networks on unitgain, and say why those fail that do.

``python tools/run_keras_tests.py --sources DIR`` takes a checkout of Keras 3.15, beside this
repository, copies the test files of ``keras_tests/subjects.py`` to ``--work``, and runs them with
modules named ``keras`` whose names are unitgain's. Nothing of Keras is imported. Each failure is of
a class, by the rules of ``keras_tests/rules.py``:

- ``ours``: something that unitgain should do and does not;
- ``intended``: it is refused for a reason that docs/keras.md gives;
- ``other subject``: convolutions, recurrence, quantization, distribution, other backends;
- ``harness``: the test looks at Keras's private names, messages or machinery.

Give names of files or of tests to run those alone: ``... dense_test -k lora``. It needs pytest and
absl-py.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from keras_tests.rules import OURS, class_of
from keras_tests.subjects import SUBJECTS

CONFTEST = """import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, {tools!r})
sys.path.extend({packages!r})

from keras_tests import names

names.install(Path({sources!r}))


def skip_if_backend(backend, reason):
    return pytest.mark.skipif(backend == "unitgain", reason=reason)


@pytest.fixture(autouse=True)
def _twenty_seconds_at_most():
    def stop(*arguments):
        raise TimeoutError("the test takes longer than twenty seconds")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
"""


def prepare(sources: Path, work: Path, packages: list[str]) -> Path:
    """Copy the test files to ``work``, one folder deep; return the folder."""
    folder = work / "tests"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for subject in SUBJECTS:
        source = sources / "keras" / "src" / f"{subject}_test.py"
        shutil.copy(source, folder / f"{subject.replace('/', '__')}_test.py")
    (folder / "conftest.py").write_text(
        CONFTEST.format(
            tools=str(Path(__file__).parent.resolve()),
            sources=str(sources.resolve()),
            packages=packages,
        )
    )
    (folder / "pytest.ini").write_text(
        "[pytest]\npython_files = *_test.py\nmarkers =\n    requires_trainable_backend\n"
        "    multi_device\n"
    )
    return folder


class Results:
    """A pytest plugin that keeps what became of each test."""

    def __init__(self) -> None:
        self.outcomes: dict[str, tuple[str, str]] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        name = report.nodeid
        if report.failed:
            self.outcomes[name] = ("failed", _error(report))
        elif report.skipped and name not in self.outcomes:
            self.outcomes[name] = ("skipped", str(report.longrepr))
        elif report.when == "call" and report.passed:
            self.outcomes[name] = ("passed", "")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.outcomes[report.nodeid] = ("failed", f"collection: {_error(report)}")


def _error(report: Any) -> str:
    """Return the error's last lines, as one, behind the place it came from."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return str(report.longrepr)[-600:].replace("\n", " ")
    text = re.sub(r"\s+", " ", crash.message)
    place = "unitgain" if "/unitgain/" in crash.path else Path(crash.path).name
    return f"[{place}] {text[:600]}"


def report(outcomes: dict[str, tuple[str, str]], show: str | None) -> None:
    """Print the counts, and the tests of the class ``show`` by what they say."""
    counts: Counter[str] = Counter()
    by_reason: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for name, (outcome, message) in outcomes.items():
        if outcome == "failed":
            kind, reason = class_of(name, message)
            by_reason[kind, reason].append((name, message))
        else:
            kind = outcome
        counts[kind] += 1
    applies = counts["passed"] + counts[OURS]
    print(f"{len(outcomes)} tests: " + ", ".join(f"{n} {k}" for k, n in counts.most_common()))
    if applies:
        share = 100 * counts["passed"] / applies
        print(f"of {applies} that apply, {share:.1f}% pass")
    for (kind, reason), tests in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        if show is None:
            print(f"  {len(tests):4d} {kind}: {reason}")
        elif show in (kind, "all"):
            print(f"\n{len(tests):4d} {kind}: {reason}")
            for name, message in tests:
                print(f"  {name}\n      {message}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=Path, required=True, help="a checkout of Keras")
    parser.add_argument("--work", type=Path, required=True, help="where to copy tests")
    parser.add_argument("--packages", action="append", default=[], help="more site-packages")
    parser.add_argument("--show", help="print the tests of a class: ours, harness, ..., all")
    parser.add_argument("--workers", type=int, default=0, help="processes, with pytest-xdist")
    parser.add_argument("-k", default="", help="pytest's -k")
    parser.add_argument("files", nargs="*", help="parts of names of test files; none: all")
    given = parser.parse_args()
    folder = prepare(given.sources, given.work, given.packages)
    files = [
        str(path)
        for path in sorted(folder.glob("*_test.py"))
        if not given.files or any(part in path.name for part in given.files)
    ]
    results = Results()
    arguments = ["-p", "no:cacheprovider", "--no-header", "--tb=short", "-W", "ignore"]
    arguments += ["--rootdir", str(folder), "--capture=fd", "--show-capture=no"]
    if given.workers:
        arguments += ["-n", str(given.workers)]
    if given.k:
        arguments += ["-k", given.k]
    log = given.work / "log.txt"
    stdout = sys.stdout
    with log.open("w") as sys.stdout:
        pytest.main([*arguments, *files], plugins=[results])
    sys.stdout = stdout
    (given.work / "results.json").write_text(json.dumps(results.outcomes, indent=1))
    report(results.outcomes, given.show)
    print(f"tracebacks: {log}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
