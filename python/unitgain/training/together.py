"""Runs of several models at once."""

from __future__ import annotations

from collections.abc import Sequence

from unitgain import _native
from unitgain.training.passes import Pass, Run

__all__ = ["run_together"]


def run_together(runs: Sequence[Run], first: int, end: int) -> None:
    """Train several models for the epochs from ``first``, counted from 0, until ``end``.

    An epoch of all of them, or several where no callback is told of epochs, is one native call, in
    which each network is trained on one thread at a time, several networks side by side. Each gets
    the bits that it would have alone. A model whose callbacks are told of batches is trained by
    itself, and so is one that is given batches.

    Args:
        runs: of models that share no weights.
        first: the number of the first epoch.
        end: the number behind the last.
    """
    running = [run.passes(first, end, ahead=True) for run in runs]
    try:
        wanted: dict[int, Pass] = {}
        sums: dict[int, list[_native.Totals] | None] = dict.fromkeys(range(len(runs)))
        while sums:
            for i, totals in sums.items():
                try:
                    wanted[i] = next(running[i]) if totals is None else running[i].send(totals)
                except StopIteration:
                    wanted.pop(i, None)
            sums = {i: one.run() for i, one in wanted.items() if one.every_batch}
            shared = [i for i in wanted if i not in sums]
            if shared:
                done = _native.train_together([wanted[i].native() for i in shared])
                sums |= dict(zip(shared, done, strict=True))
    finally:
        for passes in running:
            passes.close()
