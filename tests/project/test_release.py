"""A release's version and date, in every file that has them."""

import re
from pathlib import Path

import pytest

import unitgain as ug

ROOT = Path(__file__).parents[2]
PLACES = {
    "CMakeLists.txt": r"project\(unitgain VERSION ([0-9.]+)",
    "CITATION.cff": r"^version: ([0-9.]+)$",
}


@pytest.mark.parametrize("name", PLACES)
def test_the_version_is_the_same_everywhere(name):
    found = re.findall(PLACES[name], (ROOT / name).read_text(), re.MULTILINE)
    assert found == [ug.__version__]


def test_the_changelog_has_what_comes_next():
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text()
