"""What moves bytes between processes: MPI, by mpi4py."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from unitgain._extras import needed

__all__ = ["MPICommunicator"]


class MPICommunicator:
    """An MPI communicator as the native training step uses it, see ``unitgain/communicator.hpp``.

    Memory comes as memoryviews of native arrays and goes to MPI as it is.

    Args:
        given: one of mpi4py's communicators of which copies are made; None: of all processes.

    Attributes:
        rank: the number of this process, from 0.
        size: how many there are.

    Raises:
        ImportError: if mpi4py is not installed.
        TypeError: if it is no communicator within one group of processes.
    """

    def __init__(self, given: Any = None) -> None:
        self._mpi = needed("mpi4py.MPI", "mpi", "DataParallel")
        given = self._mpi.COMM_WORLD if given is None else given
        if not isinstance(given, self._mpi.Intracomm):
            raise TypeError(f"comm is {type(given).__name__}, expected an mpi4py.MPI.Intracomm")
        self.rank: int = given.Get_rank()
        self.size: int = given.Get_size()
        # One for each kind of exchange: those of one kind keep their order.
        self._collecting, self._spreading, self._objects = (given.Dup() for _ in range(3))

    def broadcast(self, data: memoryview, root: int) -> None:
        """Make the bytes those of process ``root``."""
        self._objects.Bcast([data, self._mpi.BYTE], root)

    def start_all_to_all(
        self,
        sent: memoryview,
        sent_bytes: Sequence[int],
        received: memoryview,
        received_bytes: Sequence[int],
    ) -> Any:
        """Start to send each process so many bytes, and to receive so many of each."""
        byte = self._mpi.BYTE
        return self._collecting.Ialltoallv(
            [sent, (sent_bytes, None), byte], [received, (received_bytes, None), byte]
        )

    def start_all_gather(self, data: memoryview, sizes: Sequence[int]) -> Any:
        """Start to give all processes what each has in place, so many bytes of each."""
        return self._spreading.Iallgatherv(
            self._mpi.IN_PLACE, [data, (sizes, None), self._mpi.BYTE]
        )

    def share(self, value: Any = None) -> Any:
        """Return what the first process gives, which may be anything that can be pickled."""
        return self._objects.bcast(value, 0)

    def gather(self, value: Any) -> list[Any]:
        """Return what each process gives."""
        found: list[Any] = self._objects.allgather(value)
        return found

    def abort(self) -> None:
        """End all processes."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._objects.Abort(1)
