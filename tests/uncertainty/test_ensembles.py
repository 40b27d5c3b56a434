"""Ensembles: the bits of each network, what they say together, files."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers
from unitgain.uncertainty import Ensemble, seeded, summarize, train_many

RNG = np.random.default_rng(0)
X = RNG.standard_normal((230, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int) + (X[:, 2] > 1)


def build(units=16, dropout=0.2, rate=1e-2, optimizer=ug.optimizers.Adam, dtype="float32"):
    net = ug.Sequential(
        [
            layers.Input((6,), dtype),
            layers.Dense(units, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax"),
        ]
    )
    net.compile(optimizer(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


SETTINGS = [
    {},
    {"units": 40, "rate": 1e-3},
    {"dropout": 0.5, "optimizer": ug.optimizers.SGD},
    {"dtype": "float64"},
    {"optimizer": ug.optimizers.Muon},
]


@pytest.mark.parametrize("threads", [1, 2, 5, 8])
@pytest.mark.parametrize("bagging", [False, True])
def test_each_network_has_the_bits_that_it_has_alone(threads, bagging):
    with ug.threads(threads):
        together = Ensemble(build, seed=7, settings=SETTINGS)
        rows = [np.random.default_rng(7 + i).integers(0, 230, 230) for i in range(5)]
        found = together.fit(X, Y, epochs=3, batch_size=32, bagging=bagging, validation_split=0.2)
    for i, setting in enumerate(SETTINGS):
        ug.random.seed(7 + i)
        alone = build(**setting)
        part = rows[i] if bagging else slice(None)
        history = alone.fit(
            X[part], Y[part], epochs=3, batch_size=32, validation_split=0.2, verbose=0
        )
        assert history.history == found[i].history
        for a, b in zip(alone.get_weights(), together.models[i].get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def build_with_state():
    class Batches(ug.metrics.Metric):
        def reset_state(self):
            self.seen = 0

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen += 1

        def result(self):
            return self.seen

    net = build()
    metric = Batches(name="batches")
    metric.reset_state()
    net.compile("adam", "sparse_categorical_crossentropy", metrics=[metric])
    return net


# Of a metric that keeps a state of its own the values are read after each epoch.
@pytest.mark.parametrize("built", [build, build_with_state])
@pytest.mark.parametrize(
    "fit", [{}, {"validation_split": 0.2, "validation_freq": 7}, {"shuffle": False}]
)
def test_epochs_that_nobody_is_told_of_are_the_same(built, fit, monkeypatch):
    calls = []
    together = ug._native.train_together
    monkeypatch.setattr(
        ug._native, "train_together", lambda runs: calls.append(0) or together(runs)
    )
    many = Ensemble(built, 3)
    found = many.fit(X, Y, epochs=20, **fit)
    native = {"validation_freq": 3}.get(next(reversed(fit), ""), 1)
    assert len(calls) == (native if built is build else 20)
    for i, model in enumerate(many.models):
        ug.random.seed(i)
        alone = built()
        history = alone.fit(X, Y, epochs=20, verbose=0, **fit)
        assert list(history.history.values()) == list(found[i].history.values())
        for a, b in zip(alone.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_precision_of_the_caller_holds_on_all_threads():
    before = ug.get_float32_matmul_precision()
    with ug.float32_matmul_precision("medium"):
        many = Ensemble(build, 4)
        many.fit(X, Y, epochs=2)
        ug.random.seed(3)
        alone = build()
        alone.fit(X, Y, epochs=2, verbose=0)
    assert ug.get_float32_matmul_precision() == before
    np.testing.assert_array_equal(alone.get_weights()[0], many.models[3].get_weights()[0])


class Batches(ug.callbacks.Callback):
    def __init__(self):
        self.seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1


def test_callbacks_of_each_are_told_and_may_stop_it():
    listeners = [[ug.callbacks.EarlyStopping("loss", min_delta=10)], [Batches()], []]
    models = [seeded(build, i) for i in range(3)]
    found = train_many(models, X, Y, epochs=4, callbacks=lambda i: listeners[i])
    assert [len(h.epoch) for h in found] == [2, 4, 4]
    assert listeners[1][0].seen == 4 * 8


def test_an_error_of_one_ends_all():
    class Fails(ug.losses.Loss):
        takes_labels = True

        def call(self, y_true, y_pred):
            raise RuntimeError("no loss today")

    models = [seeded(build, i) for i in range(2)]
    models[1].compile("adam", Fails())
    with pytest.raises(RuntimeError, match="no loss today"):
        train_many(models, X, Y)


def test_what_cannot_be_trained_together_is_refused():
    model = build()
    with pytest.raises(ValueError, match="share weights"):
        train_many([model, model], X, Y)
    with pytest.raises(ValueError, match="rows has 1 entries for 2 models"):
        train_many([build(), build()], X, Y, rows=[np.arange(3)])
    with pytest.raises(ValueError, match="n must be at least 1"):
        Ensemble(build, 0)
    with pytest.raises(TypeError, match="build returned NoneType"):
        Ensemble(lambda: None, 1)
    assert train_many([], X, Y) == []


def test_summary_is_the_entropies_of_float64_formulas():
    p = RNG.dirichlet(np.ones(4), (5, 30))
    found = summarize(p)
    mean = p.mean(axis=0)
    total = -(mean * np.log(mean)).sum(axis=1)
    inner = -(p * np.log(p)).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(found.mean, mean)
    np.testing.assert_allclose(found.variance, p.var(axis=0))
    np.testing.assert_allclose(found.total, total)
    np.testing.assert_allclose(found.aleatoric, inner)
    np.testing.assert_allclose(found.epistemic, total - inner, atol=1e-12)
    assert summarize([p[0], p[0]]).epistemic.max() < 1e-12
    assert summarize(p, probabilities=False).total is None
    with pytest.raises(ValueError, match="no predictions"):
        summarize([])


def build_gaussian(log_variance=True):
    net = ug.Sequential([layers.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(4)])
    net.compile("adam", ug.losses.GaussianNLL(log_variance=log_variance))
    return net


@pytest.mark.parametrize("log_variance", [True, False])
def test_gaussian_networks_are_summed_up_by_the_law_of_total_variance(log_variance):
    many = Ensemble(build_gaussian, 3, settings=[{"log_variance": log_variance}] * 3)
    means, given = np.split(many.predict_each(X).astype(np.float64), 2, axis=-1)
    variances = np.maximum(np.exp(given) if log_variance else given, 1e-6)
    for found in (many.uncertainty(X), many.uncertainty(X, probabilities=False)):
        np.testing.assert_allclose(found.mean, means.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(found.variance, means.var(axis=0), atol=1e-12)
        np.testing.assert_allclose(found.aleatoric, variances.mean(axis=0))
        np.testing.assert_allclose(found.epistemic, means.var(axis=0), atol=1e-12)
        mixture = (variances + means**2).mean(axis=0) - means.mean(axis=0) ** 2
        np.testing.assert_allclose(found.total, mixture, rtol=1e-9)
    one = many.models[0]
    assert ug.uncertainty.monte_carlo(one, X, 2).mean.shape == (230, 2)
    with pytest.raises(ValueError, match="differ in what the outputs are"):
        Ensemble.of([one, build_gaussian(not log_variance)]).uncertainty(X)
    with pytest.raises(ValueError, match="expected means and variances"):
        summarize([np.ones((2, 3))], gaussian=one.loss)


def test_monte_carlo_dropout_has_the_same_summary():
    model = seeded(build, 1, dropout=0.5)
    found = ug.uncertainty.monte_carlo(model, X, 30)
    assert found.mean.shape == (230, 3)
    assert (found.epistemic > 0).mean() > 0.9
    np.testing.assert_allclose(found.total, found.aleatoric + found.epistemic, atol=1e-12)


def test_best_are_those_of_least_loss_and_greatest_accuracy():
    many = Ensemble(build, 4)
    many.fit(X, Y, epochs=2)
    loss = [m.evaluate(X, Y, return_dict=True)["loss"] for m in many.models]
    best = many.best(X, Y, 2)
    assert [many.models.index(m) for m in best.models] == list(np.argsort(loss)[:2])
    accuracy = [m.evaluate(X, Y, return_dict=True)["accuracy"] for m in many.models]
    first = many.best(X, Y, monitor="accuracy", mode="max").models[0]
    assert accuracy[many.models.index(first)] == max(accuracy)
    with pytest.raises(ValueError, match="monitor is 'nothing'"):
        many.best(X, Y, monitor="nothing")


def test_one_file_holds_all_and_training_goes_on_from_it(tmp_path):
    many = Ensemble(build, 3)
    many.fit(X, Y, epochs=1)
    many.save(tmp_path / "many.safetensors")
    again = Ensemble.load(tmp_path / "many.safetensors")
    np.testing.assert_array_equal(again.predict(X), many.predict(X))
    many.fit(X, Y, epochs=1)
    again.fit(X, Y, epochs=1)
    np.testing.assert_array_equal(again.predict_each(X), many.predict_each(X))
    for compiled in (True, False):
        with pytest.raises(ValueError, match=r"call unitgain\.uncertainty\.Ensemble\.load"):
            ug.load_model(tmp_path / "many.safetensors", compile=compiled)
    build().save(tmp_path / "one.safetensors")
    with pytest.raises(ValueError, match="it holds no ensemble"):
        Ensemble.load(tmp_path / "one.safetensors")


def test_snapshots_are_the_model_at_the_ends_of_cycles():
    model = seeded(build, 0)
    found = Ensemble.snapshots(model, X, Y, cycles=3, epochs=2)
    assert len(found) == 3
    assert model.optimizer.learning_rate == pytest.approx(1e-2)
    np.testing.assert_array_equal(found.models[-1].predict(X), model.predict(X))
    assert np.abs(found.models[0].predict(X) - model.predict(X)).max() > 1e-3


class Rates(ug.callbacks.Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))


@pytest.mark.parametrize("by", ["epoch", "step"])
def test_the_rate_of_snapshots_is_a_cosine_by_epoch_or_step(by):
    rates = Rates()
    Ensemble.snapshots(seeded(build, 0), X, Y, cycles=2, epochs=3, by=by, callbacks=rates)
    steps = np.arange(2 * 3 * 8)  # 230 rows are 8 batches
    place = steps % 24 / 24 if by == "step" else steps // 8 % 3 / 3
    np.testing.assert_allclose(rates.seen, 1e-2 * (1 + np.cos(np.pi * place)) / 2)


def test_snapshots_refuse_a_schedule():
    model = build(rate=ug.optimizers.schedules.CosineDecay(1e-2, 100))
    with pytest.raises(ValueError, match="schedule of its own"):
        Ensemble.snapshots(model, X, Y)
    with pytest.raises(ValueError, match="by is 'batch'"):
        Ensemble.snapshots(build(), X, Y, by="batch")
