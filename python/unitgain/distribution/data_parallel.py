"""Data-parallel training: each process runs its part of every batch."""

from __future__ import annotations

import contextlib
import sys
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from unitgain import random
from unitgain.distribution.agreement import check_alike, facts
from unitgain.distribution.communicator import MPICommunicator
from unitgain.distribution.listeners import SharedCallbacks
from unitgain.distribution.state import state_of
from unitgain.models.saving import restore
from unitgain.training.sharing import Sharing, current_sharing, set_sharing

__all__ = ["DataParallel", "distribution", "set_distribution"]

Made = TypeVar("Made")
Result = TypeVar("Result")
Batch = TypeVar("Batch")


class DataParallel(Sharing):
    """Processes that each have the whole model, and train it on their parts of every batch.

    The processes run the same program: ``mpiexec -n 4 python train.py``. Each batch is cut into
    ``blocks`` blocks of rows, which the processes have in turn; their gradients are added up as a
    tree over the blocks, and each process makes the same update. So weights, losses and metrics
    have **the same bits for any number of processes** and of threads. Callbacks are told, progress
    is shown and files are written by the first process alone, and what it decides holds for all.

    Batch norm takes the statistics of blocks, or with ``synchronized=True`` those of batches; loss
    functions of several rows together are of blocks, too. What layers draw depends on the step, the
    block and the place in it. ``predict`` is each process's own.

    Args:
        comm: a communicator of mpi4py; None: of all processes that ``mpiexec`` has started.
        blocks: how many blocks a batch is cut into, at least as many as there are processes. More
            share out more evenly, fewer compute faster; other numbers give other roundings.
        reproducible: if not, there are as many blocks as processes: the fastest, with roundings
            that depend on their number.
        auto_shard_dataset: if data is an iterable, whether it yields the same whole batches on each
            process, of which each takes its part, as Keras has it. If not, it yields the
            process's own rows, see :meth:`rows`.

    Attributes:
        rank: the number of this process, from 0.
        size: how many there are.
        blocks: how many blocks there are.

    Raises:
        ImportError: if mpi4py is not installed.
        TypeError: if ``comm`` is no communicator of mpi4py.
        ValueError: if there are fewer blocks than processes.
    """

    def __init__(
        self,
        comm: Any = None,
        *,
        blocks: int = 16,
        reproducible: bool = True,
        auto_shard_dataset: bool = True,
    ) -> None:
        self._communicator = MPICommunicator(comm)
        self.rank = self._communicator.rank
        self.size = self._communicator.size
        self.reproducible = reproducible
        self.blocks = int(blocks) if reproducible else self.size
        self.auto_shard_dataset = auto_shard_dataset
        if self.blocks < self.size:
            raise ValueError(
                f"blocks is {self.blocks}, expected at least {self.size}: one for each process"
            )
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()  # models that all have alike
        self._prepared: weakref.ref[Any] | None = None
        self._agreed: BaseException | None = None
        # What is drawn from now on is drawn alike.
        streams = random.current_streams()
        random.set_process_streams(*self._communicator.share((streams.key, streams.position)))

    def __repr__(self) -> str:
        return (
            f"DataParallel(rank={self.rank}, size={self.size}, blocks={self.blocks}, "
            f"reproducible={self.reproducible})"
        )

    @contextlib.contextmanager
    def scope(self) -> Iterator[DataParallel]:
        """Share what is trained in a ``with`` block."""
        before = current_sharing()
        set_sharing(self)
        try:
            yield self
        finally:
            set_sharing(before)

    def rows(self, batch_size: int) -> slice:
        """Return which rows of a batch are this process's, with ``auto_shard_dataset=False``.

        Args:
            batch_size: the rows of the whole batch.
        """
        blocks = min(self.blocks, batch_size)
        first, last = (blocks * (self.rank + i) // self.size for i in (0, 1))
        return slice(batch_size * first // max(blocks, 1), batch_size * last // max(blocks, 1))

    # ---- for training ----

    def train(
        self, model: Any, make: Callable[[], Made], go: Callable[[Made], Result], afresh: bool
    ) -> Result:
        """Do something with a model on all processes, once all have what it takes."""
        made = self._make(make)
        with self._aborting(), self.scope():
            self._check(model, made)
            if afresh or model not in self._known:
                self._share_state(model)
            try:
                return go(made)
            finally:
                self._release(model)

    def listen(self, run: Any) -> None:
        """Let the first process alone tell its callbacks of a run, and decide for all."""
        listeners = SharedCallbacks(
            run.listeners,
            run.model,
            self._communicator,
            lambda tell: self._alone(run.model, tell),
            self._agree,
        )
        run.listeners = listeners
        run._every_batch = listeners.wants_batches("train")
        run._stops_at_nan = listeners.stops_at_nan
        if self.rank != 0:
            run.verbose, run._one_bar = 0, False

    def prepare(self, network: Any) -> None:
        """Let a native network share its next passes with the other processes."""
        if self._prepared is not None and self._prepared() is network:
            return
        network.distribute(self._communicator if self.size > 1 else None, self.blocks)
        self._prepared = weakref.ref(network)

    def batches(self, own: Iterator[Batch]) -> Iterator[tuple[Batch, int, int]]:
        """Yield each batch with the place of its first row and the rows of all: 0 if it is whole.

        Raises:
            ValueError: if the processes' batches do not go together.
        """
        for number in range(sys.maxsize):
            batch = next(own, None)
            sizes = self._communicator.gather(None if batch is None else len(batch))  # type: ignore[arg-type]
            if all(size is None for size in sizes):
                return
            if None in sizes or (self.auto_shard_dataset and len(set(sizes)) > 1):
                error = ValueError(
                    f"the processes' batches {number} do not go together: they have "
                    f"{', '.join('no' if size is None else str(size) for size in sizes)} rows"
                )
                self._agree(error)
                raise error
            assert batch is not None
            if self.auto_shard_dataset:
                yield batch, 0, 0
            else:
                yield batch, sum(sizes[: self.rank]), sum(sizes)

    # ---- what the processes do together ----

    def _make(self, make: Callable[[], Made]) -> Made:
        """Return what is made, or raise what one of the processes has met."""
        made, error = None, None
        try:
            made = make()
        except Exception as met:
            error = met
        texts = self._communicator.gather(error and f"{type(error).__name__}: {error}")
        if error is not None:
            raise error
        for rank, text in enumerate(texts):
            if text is not None:
                raise RuntimeError(f"process {rank} has raised {text}")
        return made  # type: ignore[return-value]

    def _check(self, model: Any, made: Any) -> None:
        known = self._communicator.gather(facts(model, made))
        try:
            check_alike(known)
            for name, metric in model._reported_metrics():
                if metric.keeps_state and self.size > 1:
                    raise ValueError(
                        f"the metric {name} keeps its own state, which processes cannot add up: "
                        "use one that is a mean over samples"
                    )
        except ValueError as error:
            self._agree(error)
            raise

    def _share_state(self, model: Any) -> None:
        """Let all processes go on from where the first one's model is."""
        state = self._communicator.share(state_of(model) if self.rank == 0 else None)
        if self.rank != 0:
            restore(model, *state)
        self._known.add(model)

    def _alone(self, model: Any, do: Callable[[], None]) -> None:
        """Call a function in which nothing is shared, as the others do not call it."""
        before = current_sharing()
        set_sharing(None)
        self._release(model)
        try:
            do()
        finally:
            set_sharing(before)

    def _release(self, model: Any) -> None:
        network = None if self._prepared is None else self._prepared()
        self._prepared = None
        if network is not None:
            network.distribute(None, 0)

    def _agree(self, error: BaseException) -> None:
        """Note an error that all processes raise."""
        self._agreed = error

    @contextlib.contextmanager
    def _aborting(self) -> Iterator[None]:
        """End all processes if this one alone meets an error: the others wait for it."""
        try:
            yield
        except BaseException as error:
            if self.size == 1 or error is self._agreed:
                raise
            traceback.print_exc()
            print(
                f"process {self.rank} of {self.size} has met {type(error).__name__}: {error}; "
                "all processes end, and what was saved last is whole",
                file=sys.stderr,
            )
            self._communicator.abort()


def set_distribution(value: DataParallel | None) -> None:
    """Share training from now on, or with None no more.

    Raises:
        TypeError: if it is neither a :class:`DataParallel` nor None.
    """
    if value is not None and not isinstance(value, DataParallel):
        raise TypeError(f"value is {type(value).__name__}, expected a DataParallel or None")
    set_sharing(value)


def distribution() -> DataParallel | None:
    """Return the distribution in use; None if each process trains by itself."""
    current = current_sharing()
    return current if isinstance(current, DataParallel) else None
