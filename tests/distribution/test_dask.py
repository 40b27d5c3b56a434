"""Predictions, statistics and searches over a Dask cluster on this machine."""

from __future__ import annotations

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers
from unitgain.distribution import workers

dask = pytest.importorskip("dask", reason="needs the extra dask")
da = pytest.importorskip("dask.array", reason="needs the extra dask")
dd = pytest.importorskip("dask.dataframe", reason="needs the extra dask")
distributed = pytest.importorskip("distributed", reason="needs the extra dask")
import pandas as pd  # noqa: E402 - of the extra, too

X = np.random.default_rng(0).standard_normal((203, 4)) * [1, 10, 100, 0.1]


@pytest.fixture(scope="module")
def cluster():
    """Two processes with a thread each."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as made:
        yield made


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as made:
        yield made


@pytest.fixture(params=["threads", "cluster"])
def engine(request):
    """Dask's threads in this process, and a cluster."""
    if request.param == "cluster":
        yield request.getfixturevalue("client")
    else:
        with dask.config.set(scheduler="threads"):
            yield None


def classifier(dtype="float32"):
    ug.random.seed(0)
    model = ug.Sequential([layers.Dense(8, "relu"), layers.Dense(3, "softmax", name="odds")])
    model.build((4,), dtype)
    return model


def joined():
    """A model of two inputs and two outputs, one of them a matrix for each sample."""
    ug.random.seed(0)
    a, b = layers.Input((4,), name="a"), layers.Input((2,), name="b")
    both = layers.Concatenate()([a, b])
    table = layers.Reshape((2, 3), name="table")(layers.Dense(6)(both))
    return ug.Model({"a": a, "b": b}, {"table": table, "odds": layers.Dense(1, name="odds")(a)})


# ---- arrays ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_array_has_the_bits_of_predictions_in_memory(engine, dtype):
    model = classifier(dtype)
    outputs = ug.distribution.predict(model, da.from_array(X, chunks=(60, 3)))
    assert outputs.dtype == dtype
    assert outputs.shape == (203, 3)
    assert outputs.chunks == ((60, 60, 60, 23), (3,))
    found = outputs.compute()
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, model.predict(X))
    np.testing.assert_array_equal(outputs[70:90, 1].compute(), model.predict(X)[70:90, 1])


def test_several_inputs_and_outputs(engine):
    model = joined()
    given = {"a": da.from_array(X, chunks=50), "b": da.from_array(X[:, :2], chunks=70)}
    outputs = ug.distribution.predict(model, given)
    assert outputs["table"].shape == (203, 2, 3)
    assert outputs["table"].chunks[1:] == ((2,), (3,))
    expected = model.predict({"a": X, "b": X[:, :2]})
    for name, found in zip(outputs, dask.compute(*outputs.values()), strict=True):
        np.testing.assert_array_equal(found, expected[name])


def test_nothing_is_computed_until_it_is_asked_for():
    def fails(block):
        raise AssertionError("computed")

    lazy = da.from_array(X, chunks=50).map_blocks(fails, dtype=float, meta=np.empty((0, 0)))
    outputs = ug.distribution.predict(classifier(), lazy)
    with pytest.raises(AssertionError, match="computed"):
        outputs.compute(scheduler="sync")


def test_unknown_lengths_and_empty_chunks():
    array = da.from_array(X, chunks=50)
    some = array[array[:, 0] > 0]
    found = ug.distribution.predict(classifier(), some).compute(scheduler="sync")
    np.testing.assert_array_equal(found, classifier().predict(X[X[:, 0] > 0]))
    none = ug.distribution.predict(classifier(), array[array[:, 0] > 1e9])
    assert none.compute(scheduler="sync").shape == (0, 3)


def test_predictor_and_weights_of_the_moment():
    model = classifier()
    lazy = ug.distribution.predict(model, da.from_array(X, chunks=50))
    before = model.predict(X)
    model.set_weights([0 * weight for weight in model.get_weights()])
    np.testing.assert_array_equal(lazy.compute(scheduler="sync"), before)
    predictor = classifier().optimize_for_inference()
    found = ug.distribution.predict(predictor, da.from_array(X, chunks=50))
    np.testing.assert_allclose(found.compute(scheduler="sync"), predictor.predict(X), rtol=1e-5)


def test_arrays_are_checked():
    model = classifier()
    with pytest.raises(ValueError, match=r"data has shape \(203, 3\), expected \(samples, 4\)"):
        ug.distribution.predict(model, da.from_array(X[:, :3]))
    with pytest.raises(TypeError, match="data has dtype <U1, expected numbers"):
        ug.distribution.predict(model, da.from_array(X.astype("U1")))
    with pytest.raises(ValueError, match=r"data\['b'\] has 100 samples, but data\['a'\] has 203"):
        ug.distribution.predict(joined(), [da.from_array(X), da.from_array(X[:100, :2])])
    with pytest.raises(TypeError, match="data is of type ndarray, expected a Dask array"):
        ug.distribution.predict(model, X)
    with pytest.raises(TypeError, match="unexpected keyword argument 'num_cpus'"):
        ug.distribution.predict(model, da.from_array(X), num_cpus=1)
    with pytest.raises(TypeError, match="model is of type int, expected a Model"):
        ug.distribution.predict(3, da.from_array(X))
    with pytest.raises(ValueError, match="no weights yet"):
        ug.distribution.predict(ug.Sequential([layers.Dense(1)]), da.from_array(X))


# ---- frames ----


def frame():
    table = pd.DataFrame(X, columns=list("abcd"), index=np.arange(203) * 2)
    return dd.from_pandas(table.assign(name="x"), npartitions=4)


def test_frame_keeps_index_and_divisions(engine):
    model, data = classifier(), frame()
    outputs = ug.distribution.predict(model, data, features=list("abcd"))
    assert list(outputs.columns) == ["odds_0", "odds_1", "odds_2"]
    assert outputs.divisions == data.divisions
    found = outputs.compute()
    pd.testing.assert_frame_equal(found.iloc[:0], outputs._meta, check_index_type=False)
    np.testing.assert_array_equal(found.index, np.arange(203) * 2)
    np.testing.assert_array_equal(found.to_numpy(), model.predict(X))
    assert (found.dtypes == np.float32).all()


def test_frame_of_several_inputs_goes_back_to_its_rows():
    model, data = joined(), frame()
    outputs = ug.distribution.predict(model, data, features={"a": list("abcd"), "b": ["b", "c"]})
    assert list(outputs.columns) == [*(f"table_{i}" for i in range(6)), "odds"]
    both = dd.concat([data, outputs], axis=1).compute(scheduler="sync")
    expected = model.predict({"a": X, "b": X[:, 1:3]})
    np.testing.assert_array_equal(both["odds"], expected["odds"][:, 0])
    np.testing.assert_array_equal(both["table_5"], expected["table"][:, 1, 2])


def test_missing_values_of_nullable_columns_are_nan():
    table = pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": [1.0, 2.0, 3.0]})
    model = ug.Sequential([layers.Input((2,)), layers.Dense(1, name="y")])
    data = dd.from_pandas(table, npartitions=2)
    found = ug.distribution.predict(model, data).compute(scheduler="sync")
    np.testing.assert_array_equal(np.isnan(found["y"]), [False, True, False])


def test_frames_are_checked():
    model = classifier()
    with pytest.raises(TypeError, match="column 'name' of data has dtype"):
        ug.distribution.predict(model, frame(), features=["a", "b", "c", "name"])
    with pytest.raises(ValueError, match="data has 5 columns, but the model takes 4"):
        ug.distribution.predict(model, frame())
    with pytest.raises(ValueError, match="data has no column 'e'"):
        ug.distribution.predict(model, frame(), features=list("abce"))
    with pytest.raises(ValueError, match="say by features which columns"):
        ug.distribution.predict(joined(), frame())
    with pytest.raises(ValueError, match="features names columns of a frame"):
        ug.distribution.predict(model, da.from_array(X), features=["a"])


# ---- one model, one team ----


def test_process_makes_one_copy_of_a_model(client):
    model = classifier()
    for _ in range(2):
        ug.distribution.predict(model, da.from_array(X, chunks=5)).compute()
    digest = workers.Packed(model).digest
    kept = client.run(lambda name: list(__import__(name, fromlist=["x"])._models), workers.__name__)
    assert all(digests.count(digest) <= 1 for digests in kept.values())
    assert any(digest in digests for digests in kept.values())


def test_graph_holds_the_model_once():
    ug.random.seed(0)
    large = ug.Sequential([layers.Input((4,)), layers.Dense(5000), layers.Dense(1)])
    outputs = ug.distribution.predict(large, da.from_array(X, chunks=5))
    from distributed.protocol import dumps

    graph = dict(outputs.__dask_graph__())
    assert sum(map(len, dumps(graph))) < 2 * 4 * large.count_params()


def test_team_is_of_the_workers_threads(client):
    sizes = client.map(lambda i, name: __import__(name, fromlist=["x"]).team_size(), range(4),
                       name=workers.__name__, pure=False)  # fmt: skip
    assert client.gather(sizes) == [1] * 4
    assert workers.team_size() == ug.num_threads()


# ---- statistics of partitions ----


@pytest.mark.parametrize("axis", [-1, None])
def test_normalization_adapts_to_partitions(engine, axis):
    expected = layers.Normalization(axis)
    expected.adapt(X)
    for data in (da.from_array(X, chunks=(60, 3)), frame()[list("abcd")]):
        layer = layers.Normalization(axis)
        layer.adapt(data)
        np.testing.assert_allclose(layer.mean, expected.mean, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(layer.variance, expected.variance, rtol=1e-6)


def test_moments_of_far_values_are_exact():
    """Sums of squares would lose all digits: the mean is 1e8 deviations away."""
    values = 1e8 + np.arange(1000.0)[:, None]
    layer = layers.Normalization()
    layer.adapt(da.from_array(values, chunks=64))
    np.testing.assert_allclose(layer.variance, [np.arange(1000.0).var()], rtol=1e-6)


def test_partitions_are_batches_of_clusters(engine):
    by_hand = ug.cluster.MiniBatchKMeans(3, random_state=0)
    for first in range(0, 203, 60):
        by_hand.partial_fit(X[first : first + 60])
    found = ug.cluster.MiniBatchKMeans(3, random_state=0)
    found.partial_fit(da.from_array(X, chunks=(60, 3)))
    np.testing.assert_array_equal(found.cluster_centers_, by_hand.cluster_centers_)
    assert found.n_steps_ == 4
    with pytest.raises(ValueError, match="sample_weight needs arrays"):
        found.partial_fit(da.from_array(X), sample_weight=np.ones(203))


def test_partition_without_numbers_names_the_column():
    with pytest.raises(TypeError, match="data has dtype"):
        layers.Normalization().adapt(frame()[["a", "name"]])


# ---- searches ----


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_grid_search_runs_on_the_cluster(client):
    joblib = pytest.importorskip("joblib")
    selection = pytest.importorskip("sklearn.model_selection")
    from unitgain.sklearn import MLPClassifier

    y = (X[:, 0] > 0).astype(int)
    estimator = MLPClassifier((4,), max_iter=5, random_state=0)
    grid = {"alpha": [1e-4, 1e-1]}
    searches = [
        selection.GridSearchCV(estimator, grid, cv=2),
        selection.RandomizedSearchCV(estimator, grid, n_iter=2, cv=2, random_state=0),
    ]
    for search in searches:
        with joblib.parallel_config("dask"):
            found = search.fit(X, y).cv_results_["mean_test_score"]
        here = search.fit(X, y).cv_results_["mean_test_score"]
        np.testing.assert_array_equal(found, here)
