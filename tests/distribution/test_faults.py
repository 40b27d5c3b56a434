"""Processes that end or raise in the middle of training."""

from launching import mpiexec, needs_mpi

from unitgain.callbacks.states import unpacked
from unitgain.formats.document import from_file

pytestmark = needs_mpi


def weights(done):
    lines = [line for line in done.stdout.splitlines() if line.startswith("WEIGHTS")]
    assert done.returncode == 0, done.stdout + done.stderr
    _, digest, first = lines[0].split()
    return digest, int(first)


def test_a_killed_process_ends_all_and_others_go_on_from_the_last_file(tmp_path):
    done = mpiexec(3, "faults_program.py", "kill", tmp_path)
    assert done.returncode != 0
    assert "signal 9" in done.stdout + done.stderr or "KILLED" in done.stdout + done.stderr
    (file,) = tmp_path.iterdir()
    epochs = resumed_epochs(file) + 2
    digest, first = weights(mpiexec(2, "faults_program.py", "resume", tmp_path, epochs))
    assert first == epochs - 2
    assert weights(mpiexec(1, "faults_program.py", "straight", tmp_path, epochs)) == (digest, 0)


def resumed_epochs(file):
    document, arrays = from_file(file)
    return unpacked(document["run"], arrays)["epoch"]


def test_an_error_in_one_process_ends_all_and_is_named(tmp_path):
    done = mpiexec(2, "faults_program.py", "raise", tmp_path, 2)
    assert done.returncode != 0
    assert "process 1 of 2 has met OSError: the disk is gone; all processes end" in done.stderr
