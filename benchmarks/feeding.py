"""Rows a second that a small network is trained with, from memory and from files.

``python -m unitgain.benchmarks.feeding`` writes files to a temporary folder and prints, for each
kind, how many rows a second the thread reads, and how many ``fit`` trains on. The files are in the
system's cache, so that a disk's speed does not count.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import unitgain as ug

SIZES = (784, 300, 100, 10)
BATCH = 1024

# What gives fit its x and its y, if they are apart.
Source = Callable[[], tuple[Any, Any]]


def _arrow_sources(x: Any, y: Any, folder: Path) -> dict[str, Source]:
    """Return sources in Arrow's and Parquet's files, if pyarrow is there."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return {}
    flat = pa.array(x.reshape(-1))
    vectors = pa.table({"x": pa.FixedSizeListArray.from_arrays(flat, x.shape[1]), "y": y})
    small = (x * 8).astype(np.uint8).reshape(-1)
    pixels = pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(small), x.shape[1]), "y": y})
    columns = pa.table({**{f"x{i}": column for i, column in enumerate(x.T)}, "y": y})
    plain = {"compression": "none", "use_dictionary": False}
    pq.write_table(vectors, folder / "vectors.parquet", row_group_size=4096, **plain)
    pq.write_table(pixels, folder / "pixels.parquet", row_group_size=4096)
    pq.write_table(columns, folder / "columns.parquet", row_group_size=4096)
    with pa.ipc.new_file(str(folder / "vectors.arrow"), vectors.schema) as file:
        file.write_table(vectors, max_chunksize=512)

    def parquet(name: str, features: Any) -> Source:
        return lambda: (ug.data.from_parquet(folder / name, features, "y", seed=0), None)

    return {
        "Arrow, vectors": lambda: (
            ug.data.from_arrow(folder / "vectors.arrow", "x", "y", seed=0),
            None,
        ),
        "Parquet, vectors, no dictionary": parquet("vectors.parquet", "x"),
        "Parquet, vectors of bytes": parquet("pixels.parquet", "x"),
        "Parquet, 784 columns": parquet("columns.parquet", None),
    }


def sources(rows: int, folder: Path) -> dict[str, Source]:
    """Write files of random rows, and return what reads them."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((rows, SIZES[0]), np.float32)
    y = generator.integers(0, SIZES[-1], rows)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    names = folder / "x.npy", folder / "y.npy"
    mapped = [np.load(name, mmap_mode="r") for name in names]
    return {
        "memory": lambda: (x, y),
        ".npy": lambda: (ug.data.from_npy(*names, seed=0), None),
        "np.memmap": lambda: (ug.data.from_npy(*mapped, seed=0), None),
        **_arrow_sources(x, y, folder),
    }


def _network() -> Any:
    ug.random.seed(0)
    model = ug.Sequential([ug.layers.Input((SIZES[0],))])
    for units in SIZES[1:-1]:
        model.add(ug.layers.Dense(units, "relu"))
    model.add(ug.layers.Dense(SIZES[-1]))
    model.compile("sgd", ug.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def measure(rows: int, repeats: int) -> dict[str, tuple[float | None, float]]:
    """Return the rows a second that are read, and trained on, by the kind of source.

    Args:
        rows: how many there are.
        repeats: epochs of each, in turns, of which the fastest counts.
    """
    model = _network()
    found: dict[str, tuple[float | None, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        given = sources(rows, Path(folder))
        for _ in range(repeats):
            for name, source in given.items():
                x, y = source()
                before = found.get(name, (0.0, 0.0))
                read = None
                if isinstance(x, ug.data.Dataset):
                    begin = time.perf_counter()
                    for _ in x.windows(BATCH, 0):
                        pass
                    read = max(before[0] or 0.0, rows / (time.perf_counter() - begin))
                begin = time.perf_counter()
                model.fit(x, y, batch_size=BATCH, verbose=0)
                found[name] = read, max(before[1], rows / (time.perf_counter() - begin))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    found = measure(options.rows, options.repeats)
    memory = found["memory"][1]
    print(f"{'-'.join(map(str, SIZES))}, batches of {BATCH}, {options.rows} rows")
    print(f"{'from':34}{'read, rows/s':>14}{'trained, rows/s':>17}{'of memory':>11}")
    for name, (read, trained) in found.items():
        shown = "" if read is None else f"{read:,.0f}"
        print(f"{name:34}{shown:>14}{trained:>17,.0f}{trained / memory:>10.0%}")


if __name__ == "__main__":
    main(sys.argv[1:])
