"""Training over MPI: the same bits for any number of processes, in real processes."""

import json

import pytest
from launching import mpiexec, needs_mpi

pytestmark = needs_mpi
SIZES = ("1", "2", "3", "4", "7")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return what each check of training_program.py gave, by the number of processes."""
    done = mpiexec(7, "training_program.py", tmp_path_factory.mktemp("files"))
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULTS")]
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(lines[0].removeprefix("RESULTS"))


@pytest.mark.parametrize(
    "check",
    [
        "norm_of_blocks",
        "norm_of_batches",
        "large_layers_in_several_exchanges",
        "few_rows",
        "classes",
        "penalties",
        "accumulation_and_mixing",
        "doubles_and_two_outputs",
        "evaluation",
        "training_is_near_that_of_one_process",
        "single_steps",
        "iterables",
        "iterables_of_own_rows",
        "callbacks",
        "divergence",
        "files",
    ],
)
def test_any_number_of_processes_has_the_same_bits(results, check):
    found = results[check]
    first = found["1"][0]
    assert first
    assert found == {size: [first] * int(size) for size in SIZES}


def test_statistics_of_batches_differ_from_those_of_blocks(results):
    assert results["norm_of_blocks"]["1"] != results["norm_of_batches"]["1"]


def test_training_is_near_that_of_one_process(results):
    near, losses_near, _ = results["training_is_near_that_of_one_process"]["1"][0]
    assert near
    assert losses_near


def test_evaluation_is_near_that_of_one_process(results):
    assert results["evaluation"]["1"][0][1]


def test_synchronized_norm_is_near_that_of_one_process(results):
    for size in SIZES:
        for near, moved in results["norm_of_batches_is_near_that_of_one_process"][size]:
            assert all(near)
            assert moved


def test_a_pass_ends_where_the_loss_is_not_finite(results):
    epochs, steps = results["divergence"]["1"][0]
    assert epochs == 1
    assert steps < 10


def test_one_file_is_written(results):
    assert results["files"]["4"][0][1] == 1


def test_as_many_blocks_as_processes_give_nearly_the_same(results):
    assert all(results["other_sums"][size] == [True] * int(size) for size in SIZES)


def test_what_differs_is_named_on_all_processes(results):
    by_rank = results["errors"]["3"]
    (shapes, slope, rate, count, size, width, state, raised, blocks, comm, kind, none) = by_rank[0]
    alike = [*range(6), 6, 8, 9, 10, 11]
    # A width that does not fit is met by one process alone, as are a callback's errors.
    assert [[one[i] for i in alike if i != 5] for one in by_rank] == [
        [by_rank[0][i] for i in alike if i != 5]
    ] * 3
    assert "the weights' shapes: process 2 has 9, and process 0 has 8" in shapes
    assert "the layers' arguments: process 2 has {'negative_slope': 1.1}, and process 0" in slope
    assert "what compile was given: process 2 has {'learning_rate': 1.1}" in rate
    assert "the number of samples: process 2 has 301, and process 0 has 300" in count
    assert "the batch size: process 2 has 33, and process 0 has 32" in size
    assert width.startswith("RuntimeError: process 2 has raised ValueError: x has")
    assert by_rank[2][5].startswith("ValueError: x has")
    assert "the metric counter keeps its own state" in state
    assert raised == "KeyError: 'no such key'"
    assert by_rank[1][7] == (
        "RuntimeError: a callback of process 0 has raised KeyError: 'no such key'"
    )
    assert "blocks is 2, expected at least 3" in blocks
    assert comm == "TypeError: comm is int, expected an mpi4py.MPI.Intracomm"
    assert kind == "TypeError: value is str, expected a DataParallel or None"
    assert none is None  # all go on together
