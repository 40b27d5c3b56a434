"""The scores that the guide's page prints are those that its code computes."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "clustering.md"


def test_the_guides_scores_are_those_of_its_code(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, PAGE, "exec"), names)
    printed = dict(re.findall(r"^\| ([^|]+) \| (0\.\d{3}) \|$", text, re.MULTILINE))
    assert printed.keys() == names["found"].keys()
    for name, score in names["found"].items():
        # Other instruction sets round otherwise, and a label or two may turn.
        assert score == pytest.approx(float(printed[name]), abs=0.006), name
    assert names["right"] == pytest.approx((0.95, 0.98), abs=0.01)
