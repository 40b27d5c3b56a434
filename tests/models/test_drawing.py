"""Models and histories in notebooks and figures."""

import re
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import unitgain as ug
from unitgain import utils
from unitgain.layers import Add, BatchNormalization, Dense, Input
from unitgain.models import diagram


@pytest.fixture(params=["graphviz", "matplotlib"])
def renderer(request, monkeypatch):
    if request.param == "matplotlib":
        monkeypatch.setattr(diagram, "_has_graphviz", lambda: False)
    elif shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")


def branched():
    x = Input((6,), name="x")
    a, b = Dense(4, "relu", name="left")(x), Dense(4, name='right "b"')(x)
    return ug.Model(x, Dense(2, name="out")(Add(name="sum")([a, b])), name="two")


def trained(**arguments):
    ug.random.seed(1)
    model = ug.Sequential([Input((3,)), Dense(8, "relu"), BatchNormalization(), Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(64, 3))
    return model, model.fit(x, x[:, :1], epochs=4, verbose=0, **arguments)


def test_the_graph_has_a_box_for_each_use_and_an_arrow_for_each_input():
    dot = branched().plot().to_dot()
    boxes = dict(re.findall(r'(n\d+) \[label="(.*?)(?<!\\)"\];', dot))
    assert [text.split("\\n")[0] for text in boxes.values()] == [
        "x (Input)", "left (Dense)", 'right \\"b\\" (Dense)', "sum (Add)", "out (Dense)",
    ]  # fmt: skip
    assert [text.split("\\n")[1] for text in boxes.values()] == [
        "(None, 6)", "(None, 4)", "(None, 4)", "(None, 4)", "(None, 2)",
    ]  # fmt: skip
    arrows = {tuple(pair) for pair in re.findall(r"(n\d+) -> (n\d+);", dot)}
    assert arrows == {("n0", "n1"), ("n0", "n2"), ("n1", "n3"), ("n2", "n3"), ("n3", "n4")}


@pytest.mark.usefixtures("renderer")
def test_a_notebook_and_files_get_the_drawing(tmp_path):
    model = branched()
    svg = model.plot()._repr_svg_()
    assert ElementTree.fromstring(svg[svg.index("<svg") :]).tag.endswith("svg")
    model.plot(tmp_path / "net.png", horizontal=True)
    assert (tmp_path / "net.png").read_bytes()[:4] == b"\x89PNG"
    made = utils.plot_model(model, tmp_path / "net.svg", show_dtype=True, rankdir="LR")
    assert ElementTree.parse(tmp_path / "net.svg").getroot().tag.endswith("svg")
    assert 'label="Add\\nfloat32"' in made.to_dot()
    model.plot(tmp_path / "net.dot")
    assert (tmp_path / "net.dot").read_text() == model.plot().to_dot()
    with pytest.raises(ValueError, match="xyz"):
        model.plot(tmp_path / "net.xyz")


def test_boxes_lie_below_those_that_they_read_and_not_on_each_other():
    boxes = [
        diagram.Box(("",), sources) for sources in [(), (), (0,), (0, 1), (1,), (2, 3), (5, 0)]
    ]
    places = diagram._places(boxes)
    assert len(set(places)) == len(boxes)
    for box, place in zip(boxes, places, strict=True):
        assert all(places[source][1] < place[1] for source in box.sources)


def test_what_cannot_be_drawn_says_so():
    with pytest.raises(ValueError, match="no weights yet"):
        ug.Sequential([Dense(3)]).plot()
    with pytest.raises(ValueError, match="rankdir is 'BT'"):
        utils.plot_model(branched(), None, rankdir="BT")


def test_html_of_a_model_has_the_summarys_numbers():
    model, _ = trained()
    html = ElementTree.fromstring(f"<div>{model._repr_html_()}</div>")
    rows = [[cell.text for cell in row] for row in html.iter("tr")]
    assert rows[0] == ["Layer (type)", "Output shape", "Weights"]
    assert [row[2] for row in rows[1:]] == ["32", "32", "9"]
    assert "trainable: 57" in html.find("pre").text
    assert ug.Sequential([Dense(3)])._repr_html_() is None
    headers = ElementTree.fromstring(f"<div>{branched()._repr_html_()}</div>").iter("th")
    assert [cell.text for cell in headers][-1] == "Connected to"


def test_html_of_a_history_has_a_row_an_epoch_and_gaps_where_nothing_was_evaluated():
    x = np.random.default_rng(2).normal(size=(16, 3))
    _, history = trained(validation_data=(x, x[:, :1]), validation_freq=2)
    html = ElementTree.fromstring(history._repr_html_())
    rows = [[cell.text or "" for cell in row] for row in html.iter("tr")]
    assert rows[0] == ["epoch", *history.history]
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4"]
    column = rows[0].index("val_loss")
    expected = [f"{value:.4f}" for value in history.history["val_loss"]]
    assert [row[column] for row in rows[1:]] == ["", expected[0], "", expected[1]]
    assert "<table>" in ug.callbacks.History()._repr_html_()
    model, _ = trained()
    long = model.fit(x, x[:, :1], epochs=50, verbose=0)
    assert long._repr_html_().count("<tr>") == 22


def test_a_history_is_drawn_at_the_epochs_of_its_values():
    x = np.random.default_rng(2).normal(size=(16, 3))
    model, history = trained(validation_data=(x, x[:, :1]), validation_freq=2)
    figure = history.plot()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "mae"]
    training, validation = figure.axes[0].lines
    np.testing.assert_array_equal(
        training.get_xydata(), list(enumerate(history.history["loss"], 1))
    )
    np.testing.assert_array_equal(validation.get_xdata(), [2, 4])
    np.testing.assert_array_equal(validation.get_ydata(), history.history["val_loss"])
    assert len(history.plot(["mae"]).axes) == 1
    assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook without pyplot shows
    del history
    assert len(model.history.plot().axes) == 2
    with pytest.raises(ValueError, match="no 'accuracy', only loss, mae"):
        model.history.plot(["accuracy"])
    with pytest.raises(ValueError, match="no values"):
        ug.callbacks.History().plot()


def test_a_notebook_has_one_bar_for_all_epochs(monkeypatch, capsys):
    monkeypatch.setattr("unitgain.training.passes.in_notebook", lambda: True)
    model, _ = trained()
    x = np.ones((8, 3))
    model.fit(x, x[:, :1], epochs=3)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "Epoch" not in shown
    model.fit(x, x[:, :1], epochs=3, verbose=1)
    assert "Epoch 3/3" in capsys.readouterr().err
