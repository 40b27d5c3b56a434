"""Splits, class weights, and mixtures: exact against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import unitgain as ug
from unitgain.data import CutMix, MixUp, class_weights, to_categorical, train_test_split
from unitgain.layers import Dense, Input

# ---- splits ----


@given(
    st.integers(2, 200),
    st.one_of(st.none(), st.floats(0.05, 0.9)),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_parts_hold_every_sample_once(total, test_size, shuffle):
    x = np.arange(total)
    try:
        train, test = train_test_split(x, test_size=test_size, shuffle=shuffle)
    except ValueError:
        assert np.ceil((test_size or 0.25) * total) >= total
        return
    assert len(test) == np.ceil((test_size or 0.25) * total)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), x)
    if not shuffle:
        np.testing.assert_array_equal(np.concatenate([train, test]), x)


def test_arrays_are_split_alike_and_a_state_repeats_the_split():
    x, y = np.arange(40).reshape(20, 2), list(range(20))
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=6, random_state=1)
    np.testing.assert_array_equal(x_train[:, 0], 2 * y_train)
    np.testing.assert_array_equal(x_test[:, 0], 2 * y_test)
    assert (len(y_train), len(y_test)) == (14, 6)
    again = train_test_split(x, y, test_size=6, random_state=1)
    np.testing.assert_array_equal(again[3], y_test)
    small = train_test_split(x, train_size=0.2, test_size=0.3)
    assert [len(part) for part in small] == [4, 6]


@given(st.lists(st.integers(2, 60), min_size=2, max_size=6), st.floats(0.2, 0.6))
@settings(max_examples=60, deadline=None)
def test_stratified_parts_keep_the_proportions(counts, share):
    labels = np.repeat(np.arange(len(counts)), counts)
    try:
        train, test = train_test_split(labels, test_size=share, stratify=labels)
    except ValueError as error:
        assert "cannot hold" in str(error)  # noqa: PT017
        return
    exact = np.array(counts) * len(test) / len(labels)
    found = np.bincount(test, minlength=len(counts))
    assert (abs(found - exact) < 1).all()
    np.testing.assert_array_equal(found + np.bincount(train, minlength=len(counts)), counts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no arrays"),
        (([1, 2], [1]), "different lengths"),
    ],
)
def test_arrays_that_cannot_be_split(arguments, message):
    with pytest.raises(ValueError, match=message):
        train_test_split(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test_size": 1.5}, "test_size is 1.5"),
        ({"test_size": 4}, "0 and 4 of 4"),
        ({"stratify": [0, 0, 0, 1]}, "class 1 has 1"),
        ({"stratify": [0, 0, 1, 1], "test_size": 1}, "cannot hold 2 classes"),
        ({"stratify": [0, 0, 1, 1], "shuffle": False}, "shuffle"),
        ({"stratify": [0, 1]}, r"shape \(2,\)"),
    ],
)
def test_splits_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        train_test_split([1, 2, 3, 4], **arguments)


def test_class_weights_make_every_class_count_alike():
    labels = np.repeat([0, 2, 5], [50, 30, 20])
    weights = class_weights(labels)
    sums = [weights[c] * (labels == c).sum() for c in (0, 2, 5)]
    np.testing.assert_allclose(sums, 100 / 3)
    assert class_weights(to_categorical(labels)) == weights
    with pytest.raises(ValueError, match="'balanced'"):
        class_weights(labels, "even")


def test_one_hot_rows():
    np.testing.assert_array_equal(to_categorical([[1], [0]], 3), [[0, 1, 0], [1, 0, 0]])
    assert to_categorical(np.zeros((2, 3), int), 2, "float64").shape == (2, 3, 2)
    for wrong in ([3], [-1], [0.5]):
        with pytest.raises(ValueError, match="from 0 to 2"):
            to_categorical(wrong, 3)


# ---- mixtures: one-hot targets of sample numbers tell who was mixed, and how much ----


def mixtures(mixer, x, step=0):
    """Mixed inputs, and of each row the share that stayed and the number of the other."""
    count = len(x)
    mixed, targets = mixer(x, np.eye(count), step)
    share = np.diagonal(targets).copy()
    rest = targets - np.diag(share)
    other = np.where(share == 1, np.arange(count), rest.argmax(axis=1))
    alone = (rest == 0).all(axis=1)  # mixed with itself, or not at all
    other[alone] = np.flatnonzero(alone)
    for i in np.flatnonzero(~alone):
        assert (rest[i] != 0).sum() == 1
        np.testing.assert_allclose(share[i] + rest[i, other[i]], 1, rtol=1e-6)
    return mixed, share, other


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_mixup_is_the_weighted_mean_of_two_samples(dtype):
    x = np.random.default_rng(0).integers(0, 200, (50, 7)).astype(dtype)
    mixed, share, other = mixtures(MixUp(0.5, seed=3), x)
    expected = share[:, None] * x + (1 - share[:, None]) * x[other]
    np.testing.assert_allclose(mixed, expected, rtol=3e-6 if dtype != "float64" else 1e-14)
    assert (other != np.arange(50)).sum() > 40


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha):
    x = np.zeros((500, 1))
    shares, others = [], []
    mixer = MixUp(alpha, seed=5)
    for step in range(8):
        _, share, other = mixtures(mixer, x, step)
        kept = other != np.arange(500)
        shares.append(share[kept])
        others.append(other[kept])
    # A share that rounds to 1 has no other to be told by, so the sample is cut there.
    shares = np.concatenate(shares)
    top = 1 - 1e-9
    expected = stats.beta(alpha, alpha)
    shares = shares[(shares < top) & (shares > 1e-9)]
    low, high = expected.cdf(1e-9), expected.cdf(top)
    uniform = (expected.cdf(shares) - low) / (high - low)
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    others = np.bincount(np.concatenate(others), minlength=500)
    assert stats.chisquare(others).pvalue > 1e-3


def test_steps_and_seeds_give_other_mixtures_and_the_same_ones_again():
    x = np.random.default_rng(0).standard_normal((20, 3))
    first = MixUp(1.0, seed=1)
    np.testing.assert_array_equal(first(x, x, 4)[0], MixUp(1.0, seed=1)(x, x, 4)[0])
    assert not np.array_equal(first(x, x, 4)[0], first(x, x, 5)[0])
    assert not np.array_equal(first(x, x, 4)[0], MixUp(1.0, seed=2)(x, x, 4)[0])


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 3)])
def test_cutmix_of_images_puts_a_box_in_and_tells_its_exact_share(shape):
    count = 200
    x = np.broadcast_to(np.arange(count).reshape(-1, *(1 for _ in shape)), (count, *shape)).copy()
    mixed, share, other = mixtures(CutMix(seed=2), x.astype(np.float64))
    boxes = 0
    for i in range(count):
        if other[i] == i:
            continue
        from_other = mixed[i] == other[i]
        np.testing.assert_array_equal(mixed[i][~from_other], i)
        if len(shape) == 3:
            assert (from_other.all(axis=2) == from_other.any(axis=2)).all()
            from_other = from_other[..., 0]
        np.testing.assert_allclose(1 - from_other.mean(), share[i], rtol=1e-12, atol=1e-12)
        rows, columns = from_other.any(axis=1), from_other.any(axis=0)
        assert (from_other == rows[:, None] & columns[None, :]).all()
        for line in (rows, columns):
            inside = np.flatnonzero(line)
            assert len(inside) == 0 or len(inside) == inside[-1] - inside[0] + 1
        boxes += from_other.any()
    assert boxes > count / 2
    flat = CutMix(seed=2, image_shape=shape)(x.reshape(count, -1).astype(np.float64), np.eye(count))
    np.testing.assert_array_equal(flat[0].reshape(x.shape), mixed)


def test_cutmix_of_tables_takes_features_and_tells_their_exact_share():
    count, features = 300, 40
    x = np.broadcast_to(np.arange(count)[:, None], (count, features)).astype(np.float64)
    mixed, share, other = mixtures(CutMix(seed=2), x)
    kept = mixed == np.arange(count)[:, None]
    np.testing.assert_array_equal(np.where(kept, np.arange(count)[:, None], other[:, None]), mixed)
    apart = other != np.arange(count)
    np.testing.assert_allclose(kept.mean(axis=1)[apart], share[apart], rtol=1e-12)
    # Which features are taken does not depend on their place.
    assert stats.chisquare((~kept[apart]).sum(axis=0)).pvalue > 1e-3


@pytest.mark.parametrize("threads", [1, 2])
def test_training_sees_the_mixtures_that_the_call_returns(threads):
    x = np.random.default_rng(0).standard_normal((64, 5)).astype(np.float32)
    y = np.random.default_rng(1).standard_normal((64, 2)).astype(np.float32)
    mixer = MixUp(0.4, seed=9)

    def model():
        ug.random.seed(0)
        made = ug.Sequential([Input((5,)), Dense(2)])
        made.compile(ug.optimizers.SGD(0.1), "mse")
        return made

    with ug.threads(threads):
        mixed = model()
        mixed.fit(x, y, batch_size=64, epochs=3, shuffle=False, augment=mixer, verbose=0)
    plain = model()
    for step in range(3):
        plain.train_on_batch(*mixer(x, y, step))
    for mine, theirs in zip(mixed.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_others_come_from_the_whole_pass_and_validation_is_not_mixed():
    x = np.arange(40, dtype=np.float32).reshape(40, 1)
    model = ug.Sequential([Input((1,)), Dense(1)])
    model.compile(ug.optimizers.SGD(0.0), "mse")
    y = np.zeros((40, 1))
    history = model.fit(
        x, y, batch_size=1, validation_data=(x, y), augment=MixUp(1.0, seed=0), verbose=0
    )
    whole = model.evaluate(x, y)
    assert history.history["val_loss"][0] == pytest.approx(whole)
    assert history.history["loss"][0] != pytest.approx(whole, rel=0.02)


def test_what_cannot_be_mixed_is_said():
    model = ug.Sequential([Input((4,)), Dense(3)])
    model.compile("sgd", ug.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, labels = np.ones((6, 4)), np.zeros(6, int)
    with pytest.raises(ValueError, match="labels cannot be mixed"):
        model.fit(x, labels, augment=MixUp(), verbose=0)
    with pytest.raises(ValueError, match="3 x 3 pixels do not make rows of 4"):
        CutMix(image_shape=(3, 3))(x, x)
    with pytest.raises(ValueError, match="alpha must be"):
        MixUp(0)
    with pytest.raises(ValueError, match="factor must be"):
        CutMix(float("inf"))


def test_mixers_are_shown_by_their_arguments():
    assert repr(MixUp(0.4, seed=3)) == "MixUp(alpha=0.4, seed=3)"
    assert repr(MixUp()) == "MixUp()"
    assert repr(CutMix(2.0, image_shape=(4, 4))) == "CutMix(factor=2.0, image_shape=(4, 4))"
    assert MixUp.from_config(MixUp(0.4, seed=3).get_config()).alpha == 0.4
