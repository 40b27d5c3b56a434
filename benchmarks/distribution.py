"""What training in several processes costs: measured on one machine, and a model for more.

``python -m unitgain.benchmarks.distribution`` starts itself under ``mpiexec``, and PyTorch's
DistributedDataParallel over gloo where torch is installed. It prints a step's times, the parts of
the model that are measured here, and the model's efficiency for 2 to 256 nodes; ``--plot`` writes
that as a picture.

The model: a node's step takes its share of the blocks, the sums of its blocks, the exchange and the
update. An exchange of ``n`` bytes among ``p`` nodes is two rounds of ``p - 1`` messages of
``n / p`` bytes: each round takes ``(p - 1) (latency + n / (p bandwidth))``, as all send and receive
at once. Nothing is taken to overlap, which makes it an upper bound of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import unitgain as ug
from unitgain.distribution.communicator import MPICommunicator

# Layers and global batch on this machine.
NETWORKS = {
    "784-300-100-10": ((784, 300, 100, 10), 1024),
    "256-512-512-64": ((256, 512, 512, 64), 1024),
    "1024-2048-2048-1024": ((1024, 2048, 2048, 1024), 1024),
}
# Gbit/s, and the share of it and the seconds a message that Open MPI was measured to have over
# Ethernet of 40 Gbit/s without the kernel's stack: 37.2 Gbit/s and 1.93 us (J. Squyres, "MPI over
# 40Gb Ethernet", Cisco blogs, 2014). The same share and latency are taken for 25 and 100 Gbit/s.
LINKS = {"25 Gbit/s": 25.0, "100 Gbit/s": 100.0}
SHARE_OF_LINE, MESSAGE = 37.23 / 40, 1.93e-6
NODES = (2, 4, 8, 16, 32, 64, 128, 256)
ROWS_OF_NODE = 1024


def best(body: Callable[[], Any], repeats: int) -> float:
    """Return the shortest time of a call, in seconds, after one that is not counted."""
    body()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return min(times)


# ---- under mpiexec ----


class Counted(MPICommunicator):
    """A communicator that counts bytes that are sent, calls, and the time in them."""

    def __init__(self, given: Any = None) -> None:
        super().__init__(given)
        self.forget()

    def forget(self) -> None:
        """Count from 0."""
        self.sent, self.calls, self.seconds = 0, 0, 0.0

    def start_all_to_all(self, sent: Any, sent_bytes: Any, received: Any, expected: Any) -> Any:
        """Start it, and count what goes to others."""
        self.sent += sum(sent_bytes) - sent_bytes[self.rank]
        start = super().start_all_to_all
        return self._counted(lambda: start(sent, sent_bytes, received, expected))

    def start_all_gather(self, data: Any, sizes: Any) -> Any:
        """Start it, and count what goes to others."""
        self.sent += sizes[self.rank] * (self.size - 1)
        start = super().start_all_gather
        return self._counted(lambda: start(data, sizes))

    def _counted(self, start: Callable[[], Any]) -> Any:
        self.calls += 1
        began = time.perf_counter()
        request = start()
        self.seconds += time.perf_counter() - began
        return CountedRequest(request, self)


class CountedRequest:
    """A request whose waiting counts."""

    def __init__(self, request: Any, counts: Counted) -> None:
        self._request, self._counts = request, counts

    def Test(self) -> bool:  # noqa: N802
        """Return whether it has ended."""
        return bool(self._timed(self._request.Test))

    def Wait(self) -> None:  # noqa: N802
        """Wait until it has."""
        self._timed(self._request.Wait)

    def _timed(self, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = call()
        self._counts.seconds += time.perf_counter() - began
        return result


def compiled(sizes: Sequence[int]) -> Any:
    """Return a classifier with relu, compiled with Adam."""
    ug.random.seed(0)
    hidden = [ug.layers.Dense(n, "relu") for n in sizes[1:-1]]
    model = ug.Sequential([ug.Input((sizes[0],)), *hidden, ug.layers.Dense(sizes[-1])])
    model.compile("adam", ug.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def worker(threads: int) -> None:
    """Measure steps of each network, shared out in blocks, in few blocks, and not at all."""
    ug.set_num_threads(threads)
    communicator = Counted()
    found: dict[str, Any] = {}
    for name, (sizes, batch) in NETWORKS.items():
        steps = 8 if sizes[1] > 1000 else 40
        rng = np.random.default_rng(0)
        x = rng.standard_normal((batch, sizes[0])).astype(np.float32)
        y = rng.integers(0, sizes[-1], batch).astype(np.int32)
        for kind, blocks in (("blocks", 16), ("plain", communicator.size), ("alone", 0)):
            if kind == "alone" and communicator.size > 1:
                continue
            model = compiled(sizes)
            model.evaluate(x[:1], y[:1])
            network = model._native_network()
            if blocks:
                shared: Any = communicator if communicator.size > 1 else None
                network.distribute(shared, blocks)

            def run(network: Any = network, x: Any = x, y: Any = y, n: int = batch) -> None:
                network.train(x, y, None, n)

            run()
            seconds = []
            communicator.forget()
            for _ in range(steps):
                communicator.share()
                start = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - start)
            found[f"{name} {kind}"] = {
                "seconds": min(seconds),
                "engine": communicator.seconds / steps,
                "sent": communicator.sent / steps,
                "calls": communicator.calls / steps,
            }
    if communicator.size > 1:
        found["exchanges"] = exchanges(communicator)
    if communicator.rank == 0:
        print("RESULT" + json.dumps(found), flush=True)


def exchanges(communicator: MPICommunicator) -> list[tuple[int, float]]:
    """Return the times of a sum of so many bytes: both of its rounds."""
    found = []
    size = communicator.size
    for count in (64, 4096, 1 << 16, 1 << 20, 1 << 23):
        part = [count // size] * size
        data, got = np.zeros(count, np.uint8), np.zeros(count, np.uint8)

        def both(data: Any = data, got: Any = got, part: Any = part) -> None:
            communicator.start_all_to_all(data.data, part, got.data, part).Wait()
            communicator.start_all_gather(got.data, part).Wait()

        found.append((count, best(both, 100 if count < 1 << 20 else 20)))
    return found


def torch_worker(rank: int, port: int) -> None:
    """Measure the same steps of DistributedDataParallel, over gloo, in two processes."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    found = {}
    for name, (sizes, batch) in NETWORKS.items():
        torch.manual_seed(0)
        layers: list[Any] = []
        for n, m in pairwise(sizes):
            layers += [torch.nn.Linear(n, m), torch.nn.ReLU()]
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(*layers[:-1]))
        optimizer = torch.optim.Adam(model.parameters())
        loss = torch.nn.CrossEntropyLoss()
        x = torch.randn(batch // 2, sizes[0])
        y = torch.randint(0, sizes[-1], (batch // 2,))

        def step(
            x: Any = x, y: Any = y, model: Any = model, o: Any = optimizer, loss: Any = loss
        ) -> None:
            o.zero_grad()
            loss(model(x), y).backward()
            o.step()

        for _ in range(3):
            step()
        seconds = []
        for _ in range(8 if sizes[1] > 1000 else 40):
            dist.barrier()
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        found[name] = min(seconds)
    if rank == 0:
        print("RESULT" + json.dumps(found), flush=True)
    dist.destroy_process_group()


# ---- the program ----


def started(command: Sequence[str]) -> dict[str, Any]:
    """Run a command that prints a result; return that."""
    environment = {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "PRTE_MCA_hwloc_default_binding_policy": "none",  # as all others' processes are
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            found: dict[str, Any] = json.loads(line.removeprefix("RESULT"))
            return found
    raise RuntimeError(f"{' '.join(command)} gave no result: {done.stdout}{done.stderr}")


def on_mpi(processes: int, threads: int) -> dict[str, Any]:
    """Return what :func:`worker` measures on so many processes of so many threads."""
    scripts = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    mpiexec = shutil.which("mpiexec", path=scripts) or "mpiexec"
    here = [sys.executable, "-m", "unitgain.benchmarks.distribution", "--only", *NETWORKS]
    return started([mpiexec, "-n", str(processes), *here, "--worker", str(threads)])


def on_torch() -> dict[str, Any] | None:
    """Return what :func:`torch_worker` measures; None without torch."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = [sys.executable, "-m", "unitgain.benchmarks.distribution", "--only", *NETWORKS]
    other = subprocess.Popen([*here, "--torch", "1", str(port)], stdout=subprocess.DEVNULL)
    try:
        return started([*here, "--torch", "0", str(port)])
    finally:
        other.wait(60)


def merged(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the run with the shortest time, for each name."""
    if not isinstance(next(iter(runs[0].values())), dict):
        return {name: min(run[name] for run in runs) for name in runs[0]}
    found: dict[str, Any] = {}
    for name in runs[0]:
        if name == "exchanges":
            pairs = zip(*(run[name] for run in runs), strict=True)
            found[name] = [(each[0][0], min(t for _, t in each)) for each in pairs]
        else:
            found[name] = min((run[name] for run in runs), key=lambda one: one["seconds"])
    return found


@dataclass(frozen=True)
class Pieces:
    """What a network's model is made of.

    Attributes:
        row: seconds of a row's forward and backward pass on one node.
        update: seconds of the update, and of all else that does not depend on the rows.
        bytes: of the gradient.
    """

    row: float
    update: float
    bytes: int


def pieces(sizes: Sequence[int]) -> Pieces:
    """Measure a network on this machine, by one process in blocks of 64 and of 128 rows."""
    times = []
    for batch in (ROWS_OF_NODE, 2 * ROWS_OF_NODE):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((batch, sizes[0])).astype(np.float32)
        y = rng.integers(0, sizes[-1], batch).astype(np.int32)
        model = compiled(sizes)
        model.evaluate(x[:1], y[:1])
        network = model._native_network()
        network.distribute(None, batch // 64)
        repeats = 5 if sizes[1] > 1000 else 30
        times.append(best(partial(network.train, x, y, None, batch), repeats))
    row = (times[1] - times[0]) / ROWS_OF_NODE
    count = sum(n * m + m for n, m in pairwise(sizes))
    return Pieces(row, max(0.0, times[0] - row * ROWS_OF_NODE), 4 * count)


def exchange_time(nodes: int, count: int, gigabits: float, call: float) -> float:
    """Return the model's seconds of a sum of so many bytes among nodes.

    Args:
        nodes: how many.
        count: bytes.
        gigabits: of a link, a second.
        call: seconds of what the library does for each of the two rounds.
    """
    bandwidth = gigabits * 1e9 / 8 * SHARE_OF_LINE
    return 2 * (call + (nodes - 1) * (MESSAGE + count / nodes / bandwidth))


def efficiencies(network: Pieces, gigabits: float, call: float) -> list[float]:
    """Return the share of the nodes' time that computes, with ``ROWS_OF_NODE`` rows on each."""
    alone = network.row * ROWS_OF_NODE + network.update
    return [alone / (alone + exchange_time(p, network.bytes, gigabits, call)) for p in NODES]


def report(repeats: int, plot: str | None) -> None:
    """Measure everything, print it, and draw the model."""
    shared, alone, theirs = [], [], []
    for _ in range(repeats):
        shared.append(on_mpi(2, 1))
        alone.append(on_mpi(1, 2))
        torch = on_torch()
        if torch is not None:
            theirs.append(torch)
    two, one = merged(shared), merged(alone)
    gloo = merged(theirs) if theirs else {}
    print(f"\n{'a step, ms':<22}{'2 proc.':>9}{'plain':>9}{'1 proc.':>9}{'no dist.':>9}{'gloo':>9}")
    for name in NETWORKS:
        values = [two[f"{name} blocks"], two[f"{name} plain"]]
        values += [one[f"{name} blocks"], one[f"{name} alone"]]
        row = [f"{1e3 * v['seconds']:9.3f}" for v in values]
        row.append(f"{1e3 * gloo[name]:9.3f}" if gloo else "        -")
        print(f"{name:<22}{''.join(row)}")
    print(f"\n{'the engine, a step':<22}{'bytes sent':>12}{'calls':>7}{'us in them':>12}")
    for name in NETWORKS:
        part = two[f"{name} blocks"]
        print(f"{name:<22}{part['sent']:12.0f}{part['calls']:7.1f}{1e6 * part['engine']:12.1f}")
    print(
        "\nsums between two processes: "
        + ", ".join(f"{n} bytes in {1e6 * t:.1f} us" for n, t in two["exchanges"])
    )
    call = two["exchanges"][0][1] / 2
    ug.set_num_threads(1)
    measured = {name: pieces(sizes) for name, (sizes, _) in NETWORKS.items()}
    curves = {}
    print(f"\nefficiency, {ROWS_OF_NODE} rows a node of one thread, by nodes")
    print(f"{'':<36}" + "".join(f"{p:>6}" for p in NODES))
    for name, network in measured.items():
        for link, gigabits in LINKS.items():
            curves[name, link] = efficiencies(network, gigabits, call)
            text = "".join(f"{e:6.0%}" for e in curves[name, link])
            print(f"{name + ', ' + link:<36}{text}")
    if plot is not None:
        draw(curves, plot)


def draw(curves: dict[tuple[str, str], list[float]], path: str) -> None:
    """Draw efficiency by nodes, a panel a link."""
    from unitgain._figures import PALETTE, new_figure

    figure, axes = new_figure(1, len(LINKS))
    for ax, link in zip(axes.flat, LINKS, strict=True):
        for color, name in zip(PALETTE, NETWORKS, strict=False):
            ax.plot(NODES, curves[name, link], color=color, marker="o", label=name)
        ax.set_xscale("log", base=2)
        ax.set_ylim(0, 1.02)
        ax.set_title(link, loc="left")
        ax.set_xlabel("nodes")
        ax.legend(frameon=False)
    figure.savefig(path)


def main() -> None:
    """Run the program, or a part of it in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=3, help="starts of each kind, in turn")
    parser.add_argument("--only", nargs="+", choices=list(NETWORKS), help="of the networks")
    parser.add_argument("--plot", help="write the model's efficiency to this file")
    parser.add_argument("--worker", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    parser.add_argument("--torch", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    for name in list(NETWORKS):
        if given.only is not None and name not in given.only:
            del NETWORKS[name]
    if given.worker is not None:
        worker(given.worker)
    elif given.torch is not None:
        torch_worker(*given.torch)
    else:
        report(given.repeats, given.plot)


if __name__ == "__main__":
    main()
