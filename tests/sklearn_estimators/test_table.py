"""The program behind the guide's table, on estimators that take no time."""

from pathlib import Path

import numpy as np
import pytest

from unitgain.benchmarks import estimators
from unitgain.sklearn import LinearRegression, LogisticRegression

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "estimators.md"


@pytest.fixture
def two_tables(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 12))
    made = [("signs", x, (x[:, 0] > 0).astype(int)), ("sums", x, x.sum(axis=1))]
    monkeypatch.setattr(estimators, "tables", lambda quick: iter(made))
    kinds = {True: LogisticRegression, False: LinearRegression}
    monkeypatch.setattr(estimators, "estimators", lambda is_class: [kinds[is_class]()] * 3)


def test_the_table_goes_between_the_marks_of_a_page(two_tables, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{estimators.MARKS[0]}\nold\n{estimators.MARKS[1]}\nafter\n")
    estimators.main(["--write", str(page)])
    lines = capsys.readouterr().out.splitlines()
    assert page.read_text() == "\n".join(
        ["before", estimators.MARKS[0], "", *lines, "", estimators.MARKS[1], "after", ""]
    )
    assert lines[2].startswith("| signs | 200 x 12 | 0.9")
    assert lines[3].startswith("| sums | 200 x 12 | 1.0000 ± 0.0000 | 1.0000")


def test_the_guide_has_the_marks():
    text = GUIDE.read_text(encoding="utf-8")
    assert all(mark in text for mark in estimators.MARKS)
    assert estimators.HEAD in text


def test_skewed_columns_are_counts_and_categories():
    made = estimators.skewed(np.random.default_rng(0).normal(size=(500, 12)))
    assert (made[:, :4] > 0).all()
    assert (made[:, 4:7] == np.floor(made[:, 4:7])).all()
    assert set(made[:, 7]) == {0.0, 1.0, 2.0, 3.0}
