"""The estimators' abilities beyond scikit-learn's: losses, layers, ensembles, callbacks."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.preprocessing import StandardScaler

import unitgain as ug
from unitgain import layers
from unitgain.sklearn import LogisticRegression, MLPClassifier, MLPRegressor, Perceptron

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
RNG = np.random.default_rng(0)
FAST = {"max_iter": 40, "learning_rate_init": 0.02, "random_state": 0}
U = RNG.uniform(-1, 1, (600, 1))
NOISE = RNG.normal(size=600)
# Twice as noisy on the right as on the left.
V = 2 * U[:, 0] + np.where(U[:, 0] > 0, 0.4, 0.2) * NOISE


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_arguments_make_the_layers_that_they_name():
    model = MLPClassifier((6, 5), "gelu", dropout=[0.5, 0], batch_norm=True, **FAST).fit(X, Y)
    expected = ["Dense", "BatchNormalization", "Activation", "Dropout"]
    expected += ["Dense", "BatchNormalization", "Activation", "Dense"]
    assert kinds(model.model_) == expected
    assert [kernel.shape for kernel in model.coefs_] == [(4, 6), (6, 5), (5, 3)]
    assert model.score(X, Y) > 0.8
    plain = MLPClassifier((6,), "selu", max_iter=1).fit(X, Y)
    assert kinds(plain.model_) == ["Dense", "Dense"]
    assert type(plain.model_.layers[0].kernel_initializer).__name__ == "LecunNormal"
    given = MLPClassifier((6,), initializer="he_uniform", max_iter=1).fit(X, Y)
    assert type(given.model_.layers[0].kernel_initializer).__name__ == "HeUniform"


@pytest.mark.parametrize("solver", ["lion", "rmsprop", "nadam", "muon", "adamw"])
def test_every_optimizer_learns(solver):
    model = MLPClassifier((16,), solver=solver, learning_rate_init=0.02, max_iter=150)
    assert model.set_params(random_state=0).fit(X, Y).score(X, Y) > 0.9


def test_an_optimizer_given_is_copied_and_trains_many():
    optimizer = ug.optimizers.AdamW(0.02, weight_decay=0.1)
    schedule = ug.optimizers.schedules.ExponentialDecay(0.05, 10, 0.5)
    for _ in range(2):
        model = MLPClassifier((8,), solver=optimizer, max_iter=30, random_state=0).fit(X, Y)
        assert model.score(X, Y) > 0.9
    assert not optimizer.built
    model = MLPClassifier((8,), learning_rate=schedule, max_iter=30, random_state=0).fit(X, Y)
    assert float(model.model_.optimizer.learning_rate) == pytest.approx(0.05 * 0.5**3)


@pytest.mark.parametrize(
    "loss",
    ["absolute_error", "huber", "log_cosh", "quantile", "gaussian_nll", ug.losses.Huber(0.5)],
    ids=str,
)
def test_every_loss_of_a_regressor_learns(loss):
    model = MLPRegressor(loss, **{**FAST, "max_iter": 100}).fit(U, V)
    assert model.score(U, V) > 0.85
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_a_quantile_has_its_share_of_the_targets_below_it(quantile):
    model = MLPRegressor(ug.losses.Quantile(quantile), **{**FAST, "max_iter": 200}).fit(U, V)
    assert np.mean(model.predict(U) > V) == pytest.approx(quantile, abs=0.04)


@pytest.mark.parametrize("ensemble", [1, 2])
def test_gaussian_likelihood_gives_standard_deviations(ensemble):
    settings = {**FAST, "max_iter": 150, "ensemble": ensemble}
    model = MLPRegressor("gaussian_nll", (30,), **settings).fit(U, np.c_[V, -V])
    mean, std = model.predict(U, return_std=True)
    assert mean.shape == std.shape == (600, 2)
    np.testing.assert_array_equal(mean, model.predict(U))
    right = U[:, 0] > 0.3
    left = U[:, 0] < -0.3
    np.testing.assert_allclose(std[left].mean(axis=0), 0.2, atol=0.06)
    np.testing.assert_allclose(std[right].mean(axis=0), 0.4, atol=0.1)


def test_standard_deviations_of_an_ensemble_grow_where_there_was_nothing_to_learn_from():
    model = MLPRegressor(ensemble=3, **FAST).fit(U, V)
    _, near = model.predict([[0.0]], return_std=True)
    _, far = model.predict([[9.0]], return_std=True)
    assert far > near
    with pytest.raises(ValueError, match="return_std needs loss='gaussian_nll'"):
        MLPRegressor(**FAST).fit(U, V).predict(U, return_std=True)


def native_calls(monkeypatch):
    """Return a list that gets the epochs of each network of each native call."""
    calls, call = [], ug._native.train_together

    def counted(runs):
        found = call(runs)
        calls.append([len(totals) for totals in found])
        return found

    monkeypatch.setattr(ug._native, "train_together", counted)
    return calls


@pytest.mark.parametrize(
    "settings",
    [{}, {"early_stopping": True}, {"dropout": 0.2, "batch_norm": True}, {"mixup": 0.3}],
    ids=str,
)
def test_networks_of_an_ensemble_are_trained_at_once_each_to_the_bits_of_its_own(
    settings, monkeypatch
):
    alone = [MLPClassifier((6,), **{**FAST, **settings, "random_state": i}) for i in (5, 6, 7)]
    alone = [model.fit(X, Y) for model in alone]
    calls = native_calls(monkeypatch)
    model = MLPClassifier((6,), ensemble=3, **{**FAST, **settings, "random_state": 5}).fit(X, Y)
    assert len(calls[0]) == 3
    for found, own, course in zip(model.models_, alone, model._courses, strict=True):
        assert course.losses == own.loss_curve_
        for mine, their in zip(found.get_weights(), own.model_.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, their)
    on = [model.partial_fit(X, Y) for model in alone] if not settings else []
    for found, own in zip((model.partial_fit(X, Y) if on else model).models_, on, strict=False):
        np.testing.assert_array_equal(found.get_weights()[0], own.coefs_[0])


def test_networks_that_share_callbacks_are_trained_one_after_the_other(monkeypatch):
    calls, seen = native_calls(monkeypatch), []
    told = ug.callbacks.LambdaCallback(on_train_begin=lambda logs: seen.append(len(calls)))
    MLPClassifier((4,), ensemble=2, callbacks=told, **FAST).fit(X, Y)
    assert all(len(call) == 1 for call in calls)
    assert seen == [0, len(calls) // 2]


@pytest.mark.parametrize(
    ("settings", "least"),
    [({}, 5), ({"n_iter_no_change": 3, "tol": 1e-2}, 2), ({"shuffle": False}, 5)],
    ids=str,
)
@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_epochs_that_cannot_end_training_are_one_native_call(
    make, settings, least, monkeypatch, capsys
):
    calls = native_calls(monkeypatch)
    given = {**FAST, "max_iter": 200, **settings}
    model = make(hidden_layer_sizes=(8,), **given).fit(X, Y)
    several = list(calls)
    calls.clear()
    one = make(hidden_layer_sizes=(8,), verbose=True, **given).fit(X, Y)  # each is told of at once
    assert calls == [[1]] * one.n_iter_
    assert sum(call[0] for call in several) == one.n_iter_ == model.n_iter_
    assert len(several) * least < one.n_iter_
    assert model.loss_curve_ == one.loss_curve_
    for mine, their in zip(model.coefs_, one.coefs_, strict=True):
        np.testing.assert_array_equal(mine, their)
    assert capsys.readouterr().out.startswith("Iteration 1, loss")


@pytest.mark.parametrize(
    "settings",
    [{"solver": "sgd", "learning_rate": "invscaling"}, {"early_stopping": True}],
    ids=str,
)
def test_epochs_that_change_what_follows_are_told_one_by_one(settings, monkeypatch):
    calls = native_calls(monkeypatch)
    model = MLPClassifier((4,), **{**FAST, **settings}).fit(X, Y)
    assert calls == [[1]] * model.n_iter_


def test_losses_that_need_the_weights_are_told_one_by_one(monkeypatch):
    calls = native_calls(monkeypatch)
    model = MLPRegressor(hidden_layer_sizes=(4,), **FAST).fit(X, np.stack([Y, -Y], axis=1))
    assert calls == [[1]] * model.n_iter_


def test_an_ensemble_averages_networks_of_different_seeds():
    model = MLPClassifier((4,), ensemble=3, **FAST).fit(X, Y)
    assert len(model.models_) == 3
    each = [ug.activations.softmax(network.predict(X)) for network in model.models_]
    assert len({one.tobytes() for one in each}) == 3
    np.testing.assert_allclose(model.predict_proba(X), np.mean(each, axis=0), rtol=1e-5)
    alone = MLPClassifier((4,), **FAST).fit(X, Y)
    np.testing.assert_array_equal(alone.coefs_[0], model.coefs_[0])
    own = MLPClassifier((4,), "gelu", shuffle=False, ensemble=2, **FAST).fit(X, Y)
    assert (own.models_[0].get_weights()[0] != own.models_[1].get_weights()[0]).all()


def test_a_warm_start_takes_more_networks_or_fewer():
    model = MLPClassifier((4,), warm_start=True, **FAST).fit(X, Y)
    first = model.model_
    for count in (3, 2):
        model.set_params(ensemble=count).fit(X, Y)
        assert len(model.models_) == count
        assert model.model_ is first


def test_labels_of_every_kind():
    several = np.c_[Y > 0, Y == 1, X[:, 0] > 0].astype(int)
    dense, spread = (MLPClassifier(**FAST).fit(X, y) for y in (several, sparse.csr_array(several)))
    np.testing.assert_array_equal(dense.predict(X), spread.predict(X))
    assert dense.score(X, several) > 0.8
    for labels in (Y > 0, np.array(["no", "yes"], dtype=object)[(Y > 0).astype(int)], Y * 1.0):
        model = MLPClassifier(**FAST).fit(X, labels)
        assert model.classes_.dtype == np.asarray(labels).dtype
        assert model.score(X, labels) > 0.9
    early = MLPClassifier(early_stopping=True, **FAST).fit(X, several, np.ones(150))
    assert early.best_validation_score_ > 0.5


def test_label_smoothing_and_mixup_are_those_of_the_library():
    """The same network trained by hand, from the same weights and in the same order."""
    for settings in ({"label_smoothing": 0.2}, {"mixup": 0.3}):
        given = {"hidden_layer_sizes": (5,), "random_state": 0, "shuffle": False, "alpha": 0}
        model = MLPClassifier(**given, **settings, max_iter=5).fit(X, Y)
        start = MLPClassifier(**given, **settings, max_iter=1, learning_rate_init=1e-300)
        twin = start.fit(X, Y).model_
        loss = ug.losses.CategoricalCrossentropy(True, settings.get("label_smoothing", 0))
        twin.compile(ug.optimizers.Adam(epsilon=1e-8), loss)
        augment = ug.data.MixUp(0.3, model._keys[0]) if "mixup" in settings else None
        twin.fit(X, np.eye(3)[Y], 150, 5, verbose=0, shuffle=False, augment=augment)
        if augment is None:
            np.testing.assert_allclose(twin.get_weights()[0], model.coefs_[0], rtol=1e-7)
        else:  # whose draws go on with the step, which the first run has taken one of
            assert model.loss_ > MLPClassifier(**given, max_iter=5).fit(X, Y).loss_
    binary = MLPClassifier(label_smoothing=0.2, **FAST).fit(X[:100], Y[:100])
    assert 0.85 < binary.predict_proba(X[:100]).max() < 0.97


def test_class_weights_count_as_samples_weights():
    x, y = make_classification(300, weights=[0.9], flip_y=0.2, random_state=0)
    plain, balanced, by_dict = (
        MLPClassifier((), class_weight=weight, max_iter=100, random_state=0).fit(x, y)
        for weight in (None, "balanced", {0: 1.0, 1: 5.0})
    )
    assert (balanced.predict(x) == 1).sum() > (plain.predict(x) == 1).sum()
    by_sample = MLPClassifier((), max_iter=100, random_state=0)
    by_sample.fit(x, y, np.where(y == 1, 5.0, 1.0))
    np.testing.assert_array_equal(by_dict.coefs_[0], by_sample.coefs_[0])
    both = MLPClassifier((), class_weight={1: 5.0}, max_iter=3, random_state=0)
    both.fit(x, y, np.where(y == 1, 0.2, 1.0))
    same = MLPClassifier((), max_iter=3, random_state=0).fit(x, y, np.ones(300))
    np.testing.assert_allclose(both.coefs_[0], same.coefs_[0], rtol=1e-5, atol=1e-6)


def test_callbacks_are_told_and_may_end_training():
    told = []

    class Ends(ug.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            told.append(sorted(logs))
            self.model.stop_training = epoch == 4

    model = MLPClassifier(callbacks=[Ends()], early_stopping=True, **FAST).fit(X, Y)
    assert model.n_iter_ == len(model.loss_curve_) == 5
    assert told == [["loss", "val_loss"]] * 5
    told.clear()
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)"):
        MLPClassifier(callbacks=Ends(), max_iter=2).fit(X, Y)
    assert told == [["loss"]] * 2


def test_an_interrupted_fit_keeps_what_it_has_learnt():
    class Interrupts(ug.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    model = MLPClassifier(callbacks=[Interrupts()], **FAST)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, Y)
    assert model.n_iter_ == 4
    assert model.predict(X).shape == (150,)


def test_early_stopping_keeps_the_best_weights():
    model = MLPClassifier((50,), early_stopping=True, n_iter_no_change=5, **FAST)
    model.fit(X, RNG.permutation(Y))
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_loss_ is None


# ---- of a model ----


def trained(last, units, loss):
    model = ug.Sequential([layers.Input((4,)), layers.Dense(8, "relu"), layers.Dense(units, last)])
    model.compile("adam", loss)
    y = Y if units == 3 else (Y > 0).astype(float)
    model.fit(X, y, epochs=30, verbose=0)
    return model


@pytest.mark.parametrize(
    ("last", "units", "loss"),
    [
        ("softmax", 3, "sparse_categorical_crossentropy"),
        (None, 3, ug.losses.SparseCategoricalCrossentropy(from_logits=True)),
        ("sigmoid", 1, "binary_crossentropy"),
        (None, 1, ug.losses.BinaryCrossentropy(from_logits=True)),
    ],
)
def test_an_estimator_of_a_model_predicts_what_it_does(last, units, loss):
    model = trained(last, units, loss)
    labels = ["a", "b", "c"] if units == 3 else ["no", "yes"]
    made = MLPClassifier.from_model(model, labels, random_state=0)
    outputs = model.predict(X)
    if last is None:
        activate = ug.activations.softmax if units == 3 else ug.activations.sigmoid
        outputs = activate(outputs)
    expected = outputs if units == 3 else np.c_[1 - outputs, outputs]
    np.testing.assert_allclose(made.predict_proba(X), expected, rtol=1e-5, atol=1e-6)
    assert made.predict(X).tolist() == [labels[i] for i in expected.argmax(axis=1)]
    assert made.model_ is model
    assert made.hidden_layer_sizes == (8,)
    assert made.n_features_in_ == 4
    y = np.array(labels)[Y if units == 3 else (Y > 0).astype(int)]
    before = made.score(X, y)
    for _ in range(20):
        made.partial_fit(X, y)
    assert made.score(X, y) >= before - 0.02
    assert made.fit(X, Y).classes_.tolist() == [0, 1, 2]


def test_a_model_of_another_shape_makes_no_estimator():
    model = trained("softmax", 3, "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"classes has shape \(2,\), expected \(3,\)"):
        MLPClassifier.from_model(model, ["a", "b"])
    with pytest.raises(ValueError, match="classes must be sorted"):
        MLPClassifier.from_model(model, ["b", "a", "c"])
    grid = ug.Sequential([layers.Input((4, 3)), layers.Dense(2)])
    with pytest.raises(ValueError, match="expected one row each"):
        MLPClassifier.from_model(grid)


# ---- what is refused ----

WRONG = {
    "hidden_layer_sizes": (-1,),
    "activation": "unknown",
    "solver": "unknown",
    "alpha": -1,
    "batch_size": 0,
    "learning_rate": "fast",
    "learning_rate_init": 0,
    "power_t": -1,
    "max_iter": 0,
    "tol": -1,
    "momentum": 2,
    "validation_fraction": 1,
    "beta_1": 1,
    "epsilon": 0,
    "n_iter_no_change": 0,
    "max_fun": 0,
    "class_weight": 3,
    "dropout": 1,
    "batch_norm": "yes",
    "initializer": "unknown",
    "label_smoothing": 1,
    "mixup": 0,
    "ensemble": 0,
    "callbacks": 3,
    "dtype": "float16",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_named(name):
    with pytest.raises(ValueError, match=name):
        MLPClassifier(**{name: WRONG[name]}).fit(X, Y)


def test_what_cannot_go_together_is_said():
    for settings in (
        {"mixup": 0.2},
        {"dropout": 0.5},
        {"callbacks": [ug.callbacks.EarlyStopping()]},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(settings))} needs batches"):
            MLPClassifier(solver="lbfgs", **settings).fit(X, Y)
    with pytest.raises(ValueError, match="give no weights"):
        MLPClassifier(mixup=0.2).fit(X, Y, np.ones(150))
    with pytest.raises(ValueError, match="X is sparse"):
        MLPClassifier(mixup=0.2).fit(sparse.csr_array(X), Y)
    with pytest.raises(ValueError, match="does not support early_stopping"):
        MLPRegressor(early_stopping=True).partial_fit(X, Y)
    with pytest.raises(ValueError, match="classes must be passed"):
        MLPClassifier().partial_fit(X, Y)
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    with pytest.raises(ValueError, match="beyond the range of float32"):
        MLPRegressor(dtype="float32").fit(X * 1e300, Y)
    with pytest.raises(ValueError, match="loss='poisson' needs y >= 0"):
        MLPRegressor("poisson").fit(X, -Y)
    with pytest.raises(ValueError, match="but there are 2 layers"):
        MLPClassifier((5, 5), dropout=[0.1, 0.1, 0.1]).fit(X, Y)
    with pytest.raises(ValueError, match="take MLPClassifier"):
        LogisticRegression().fit(*make_multilabel_classification(20, random_state=0))


def test_what_is_not_fitted_says_so():
    for estimator in (MLPClassifier(), MLPRegressor(), LogisticRegression(), Perceptron()):
        with pytest.raises(NotFittedError):
            estimator.predict(X)
        assert not hasattr(estimator, "coefs_")


def test_classes_that_change_are_refused():
    model = MLPClassifier(warm_start=True, **FAST).fit(X, Y)
    with pytest.raises(ValueError, match="warm_start can only be used where"):
        model.fit(X[:100], Y[:100])
    model = MLPClassifier(**FAST).partial_fit(X[:100], Y[:100], classes=[0, 1])
    with pytest.raises(ValueError, match="classes not in"):
        model.partial_fit(X, Y)
    with pytest.raises(ValueError, match="earlier calls had"):
        model.partial_fit(X[:100], Y[:100], classes=[0, 2])


def test_one_row_one_class_and_nan():
    for estimator in (MLPClassifier(max_iter=2), MLPRegressor(max_iter=2)):
        fitted = estimator.fit(X[:1], Y[:1])
        assert fitted.predict(X).shape == (150,)
    one = MLPClassifier(max_iter=2).fit(X, np.full(150, "only"))
    assert set(one.predict(X)) == {"only"}
    assert one.predict_proba(X).shape == (150, 1)
    holes = X.copy()
    holes[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        MLPClassifier().fit(holes, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="non-finite parameter weights"):
            MLPRegressor(solver="sgd", learning_rate_init=1e3).fit(X * 1e3, Y * 1e6)


def test_a_perceptron_ends_where_mistakes_no_longer_become_fewer():
    x, y = make_classification(200, flip_y=0.3, random_state=0)
    assert Perceptron().fit(x, y).n_iter_ < 100
    assert Perceptron(tol=None, max_iter=100).fit(x, y).n_iter_ == 100
    first, again = (Perceptron(random_state=4).fit(x, y) for _ in range(2))
    np.testing.assert_array_equal(first.coef_, again.coef_)
    flat = Perceptron(fit_intercept=False).fit(x, y)
    assert flat.intercept_.tolist() == [0.0]
