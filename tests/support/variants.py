"""Run a test file on every instruction-set variant that this machine has.

``UNITGAIN_ISA`` is read once per process, so the variants that are not the running one take a
subprocess each, which runs the whole file again. A test file asks for it with two lines::

    from variants import rerun_on_other_variants

    test_other_variants = rerun_on_other_variants(__file__)

If ``UNITGAIN_ISA`` is set, that variant alone is tested.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from unitgain import _native


def available() -> list[str]:
    """Return the variants that can run here, from the oldest CPUs' to the newest."""
    return [name for name, missing in _native.variants() if not missing]


def others() -> list[str]:
    """Return those that are neither running in this process nor excluded by ``UNITGAIN_ISA``."""
    if os.environ.get("UNITGAIN_ISA"):
        return []
    return [name for name in available() if name != _native.active_variant()]


def run(variant: str, arguments: Sequence[str]) -> str:
    """Run Python with these arguments on a variant; return what it printed, or fail with it."""
    process = subprocess.run(
        [sys.executable, *arguments],
        # Plugins that pytest loads, and that these tests do not need, take half a second each time.
        env=os.environ | {"UNITGAIN_ISA": variant, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        pytest.fail(f"on {variant}:\n{process.stdout}", pytrace=False)
    return process.stdout


def rerun_on_other_variants(file: str, *options: str) -> Callable[[str], None]:
    """Return a test that runs the other tests of a file, once on each of the other variants.

    Args:
        file: the test file, ``__file__``.
        *options: further arguments for pytest, for example ``"-k", "gemm"``.
    """
    command = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *options, file]

    # In the subprocesses UNITGAIN_ISA is set: others() is empty there, and this test skipped.
    @pytest.mark.variants
    @pytest.mark.parametrize("variant", others())
    def test(variant: str) -> None:
        run(variant, command)

    return test
