"""The benchmark of feeding runs, and reads what it writes."""

from __future__ import annotations

from unitgain.benchmarks import feeding


def test_every_source_is_measured(capsys):
    feeding.main(["--rows", "300", "--repeats", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("300 rows")
    assert [line[:34].strip() for line in lines[2:5]] == ["memory", ".npy", "np.memmap"]


def test_files_hold_the_rows_of_memory(tmp_path):
    given = feeding.sources(50, tmp_path)
    x, y = given["memory"]()
    for name in (".npy", "np.memmap", "Arrow, vectors", "Parquet, 784 columns"):
        if name in given:
            data, _ = given[name]()
            found = next(data.batches(50))
            assert (found[0] == x).all()
            assert (found[1] == y).all()
