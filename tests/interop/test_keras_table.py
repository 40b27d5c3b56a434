"""docs/keras.md is what the code makes it, and gives a reason for whatever differs."""

import importlib.util
from pathlib import Path

import pytest

import unitgain as ug

SOURCE = Path(__file__).parents[2] / "docs" / "keras_table.py"
spec = importlib.util.spec_from_file_location("keras_table", SOURCE)
table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table)


def test_the_page_is_up_to_date():
    assert table.PAGE.read_text(encoding="utf-8") == table.page(), "run docs/keras_table.py"


def test_every_public_name_is_on_the_page():
    named = {(where, path) for where, path, _, _ in table.rows()}
    for namespace in ("layers", "losses", "optimizers", "metrics", "callbacks", "initializers"):
        for name in getattr(ug, namespace).__all__:
            assert (namespace, f"{namespace}.{name}") in named


def test_every_difference_has_its_reason():
    unexplained = []
    for _, path, theirs, said in table.rows():
        if not theirs and not said:
            unexplained.append(path)
    assert not unexplained


def things():
    for where, path, theirs, _ in table.rows():
        owner = ug
        for part in path.split("."):
            owner = getattr(owner, part)
        if theirs:
            yield pytest.param(path, owner, id=f"{where}-{path}")


@pytest.mark.parametrize(("path", "thing"), list(things()))
def test_every_differing_argument_has_its_reason(path, thing):
    assert [text for text, why in table.differences(path, thing) if not why] == []


def test_differences_are_found():
    def wrong(units, activation="relu", more=1):
        pass

    table.KERAS["layers.wrong"] = [["units", None], ["activation", "None"], ["use_bias", "True"]]
    try:
        found = [text for text, _ in table.differences("layers.wrong", wrong)]
    finally:
        del table.KERAS["layers.wrong"]
    assert found == ["`activation` is `'relu'` and not `None`", "no `use_bias`", "also `more`"]
