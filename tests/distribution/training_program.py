"""What mpiexec starts for test_training.py: trains on parts of its processes, and compares.

Each function below is called with a distribution over 1, 2, 3, 4 and 7 processes and returns what
must be the same for all. The first process prints it as JSON.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

import unitgain as ug

L = ug.layers
WORLD = MPI.COMM_WORLD
FOLDER = Path(sys.argv[1])
RNG = np.random.default_rng(0)
X = RNG.standard_normal((301, 12)).astype(np.float32)
LABELS = RNG.integers(0, 5, 301)
TARGETS = np.eye(5, dtype=np.float32)[LABELS]
WEIGHTS = RNG.random(301) + 0.5


def digest(model, *values):
    found = hashlib.sha256()
    for array in [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]:
        found.update(np.ascontiguousarray(array).tobytes())
    found.update(repr(values).encode())
    return found.hexdigest()


def classifier(*layers, optimizer=None, loss=None, metrics=("accuracy",), dtype="float32"):
    ug.random.seed(7)
    model = ug.Sequential([L.Input((12,), dtype=dtype), *layers])
    loss = loss or ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or ug.optimizers.Adam(0.01), loss, metrics=list(metrics))
    return model


def norms(synchronized):
    return classifier(
        L.Dense(24),
        L.BatchNormalization(synchronized=synchronized, momentum=0.8),
        L.Activation("relu"),
        L.Dropout(0.3, seed=3),
        L.Dense(16, activation="gelu"),
        L.BatchNormalization(synchronized=synchronized, momentum=0.8),
        L.Dense(5),
        optimizer=ug.optimizers.Adam(0.01, global_clipnorm=0.5),
    )


def fitted(model, x=X, y=LABELS, **arguments):
    given = {"batch_size": 64, "epochs": 2, "verbose": 0, **arguments}
    history = model.fit(x, y, **given).history
    return digest(model, history)


def norm_of_blocks(shared):
    return fitted(norms(False), sample_weight=WEIGHTS, validation_data=(X[:50], LABELS[:50]))


def norm_of_batches(shared):
    return fitted(norms(True), sample_weight=WEIGHTS)


def norm_of_batches_is_near_that_of_one_process(shared):
    found = []
    for distribution in (shared, None):
        ug.distribution.set_distribution(distribution)
        norm = L.BatchNormalization(synchronized=True, momentum=0.8)
        rule = ug.optimizers.SGD(0.1)  # Adam makes much of the rounding of gradients that are 0
        model = classifier(L.Dense(24), norm, L.ReLU(), L.Dense(5), optimizer=rule)
        first = model.get_weights()
        model.fit(X, LABELS, batch_size=64, epochs=2, verbose=0, shuffle=False)
        found.append(model.get_weights())
    near = [bool(np.allclose(a, b, atol=1e-4)) for a, b in zip(*found, strict=True)]
    return near, bool(np.abs(found[0][0] - first[0]).max() > 1e-3)


def large_layers_in_several_exchanges(shared):
    model = classifier(L.Dense(400, activation="tanh"), L.Dense(300), L.ELU(), L.Dense(5))
    return fitted(model, epochs=1)


def few_rows(shared):
    """A last batch of fewer rows than there are blocks, or processes."""
    model = classifier(L.Dense(8, activation="relu"), L.Dense(5))
    return fitted(model, x=X[:67], y=LABELS[:67]), fitted(model, x=X[:5], y=LABELS[:5])


def classes(shared):
    model = classifier(
        L.Dense(8, activation="relu"),
        L.Dense(5),
        loss=ug.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2),
    )
    return fitted(model, class_weight={0: 2.0, 3: 0.25}, sample_weight=WEIGHTS)


def penalties(shared):
    model = classifier(
        L.Dense(8, activation="relu", kernel_regularizer="l2", activity_regularizer="l1"),
        L.GaussianNoise(0.1, seed=3),
        L.Dense(5, kernel_constraint=ug.constraints.MaxNorm(1.0)),
        optimizer=ug.optimizers.SGD(0.05, momentum=0.9, nesterov=True, use_ema=True),
    )
    return fitted(model)


def accumulation_and_mixing(shared):
    model = classifier(
        L.Dense(8, activation="relu"),
        L.Dense(5),
        optimizer=ug.optimizers.AdamW(0.01, gradient_accumulation_steps=3),
        loss=ug.losses.CategoricalCrossentropy(from_logits=True),
    )
    return fitted(model, y=TARGETS, augment=ug.data.MixUp(0.4, seed=3))


def doubles_and_two_outputs(shared):
    ug.random.seed(7)
    inputs = ug.Input((12,), dtype="float64")
    hidden = L.Dense(9, activation="tanh")(inputs)
    model = ug.Model(inputs, [L.Dense(5, name="a")(hidden), L.Dense(1, name="b")(hidden)])
    model.compile("rmsprop", ["mse", "mae"], metrics=[["r2_score"], ["mse"]], loss_weights=[1, 3])
    y = [TARGETS.astype(np.float64), X[:, :1].astype(np.float64)]
    return fitted(model, x=X.astype(np.float64), y=y, sample_weight=WEIGHTS)


def evaluation(shared):
    model = classifier(L.Dense(8, activation="relu"), L.Dense(5))
    found = model.evaluate(X, LABELS, sample_weight=WEIGHTS)
    ug.distribution.set_distribution(None)
    near = np.allclose(found, model.evaluate(X, LABELS, sample_weight=WEIGHTS), rtol=1e-12)
    return found, bool(near)


def training_is_near_that_of_one_process(shared):
    found = []
    for distribution in (shared, None):
        ug.distribution.set_distribution(distribution)
        model = classifier(L.Dense(8, activation="relu"), L.Dense(5), metrics=["accuracy"])
        history = model.fit(X, LABELS, batch_size=64, epochs=3, verbose=0, sample_weight=WEIGHTS)
        found.append((model.get_weights(), history.history["loss"]))
    (ours, losses), (theirs, expected) = found
    near = all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))
    return bool(near), bool(np.allclose(losses, expected, rtol=1e-5)), losses


def single_steps(shared):
    model = classifier(L.Dense(8, activation="relu"), L.Dropout(0.2, seed=3), L.Dense(5))
    values = [model.train_on_batch(X[i : i + 40], LABELS[i : i + 40]) for i in (0, 40, 80)]
    return digest(model, values)


class Batches:
    """Whole batches, or this process's rows of each."""

    def __init__(self, shared=None):
        self.shared = shared

    def __iter__(self):
        for first in range(0, 301, 64):
            x, y = X[first : first + 64], LABELS[first : first + 64]
            rows = slice(None) if self.shared is None else self.shared.rows(len(x))
            yield x[rows], y[rows], WEIGHTS[first : first + 64][rows]


def iterables(shared):
    model = classifier(L.Dense(8, activation="relu"), L.Dropout(0.2, seed=3), L.Dense(5))
    return fitted(model, x=Batches(), y=None, batch_size=None)


def iterables_of_own_rows(shared):
    shared.auto_shard_dataset = False
    model = classifier(L.Dense(8, activation="relu"), L.Dropout(0.2, seed=3), L.Dense(5))
    found = fitted(model, x=Batches(shared), y=None, batch_size=None)
    shared.auto_shard_dataset = True
    assert found == iterables(shared)
    return found


class Told(ug.callbacks.Callback):
    """Counts what it is told, and halves a learning rate after a batch."""

    def __init__(self):
        self.events = []

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(epoch)
        logs["told"] = float(epoch)
        # The others are not here: this is the first process's alone.
        self.events.append(self.model.evaluate(X[:20], LABELS[:20])[0])

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self.model.optimizer.learning_rate = 0.5 * float(self.model.optimizer.learning_rate)
        if batch == 2:
            self.model.set_weights([0.9 * w for w in self.model.get_weights()])


def callbacks(shared):
    model = classifier(L.Dense(8, activation="relu"), L.Dense(5))
    told = Told()
    stop = ug.callbacks.EarlyStopping("loss", patience=0, restore_best_weights=True, min_delta=9)
    reduce = ug.callbacks.ReduceLROnPlateau("loss", patience=0, factor=0.5)
    history = model.fit(
        X, LABELS, batch_size=64, epochs=9, verbose=0, callbacks=[told, stop, reduce]
    )
    assert bool(told.events) == (shared.rank == 0)
    assert history.epoch == [0, 1], history.epoch
    assert history.history["told"] == [0.0, 1.0]
    return digest(model, history.history, model.stop_training)


def divergence(shared):
    model = classifier(L.Dense(8), L.Dense(5), optimizer=ug.optimizers.SGD(1e30))
    given = {"batch_size": 32, "epochs": 3, "verbose": 0}
    history = model.fit(X, LABELS, callbacks=[ug.callbacks.TerminateOnNaN()], **given)
    return len(history.epoch), int(model.optimizer.iterations)


def files(shared):
    path = FOLDER / f"{shared.size}.safetensors"
    model = norms(False)
    save = ug.callbacks.ModelCheckpoint(path)
    found = fitted(model, callbacks=[save], epochs=1)
    WORLD_OF[shared.size].Barrier()
    loaded = ug.load_model(path)
    assert fitted(loaded, epochs=1) == fitted(model, epochs=1)
    return found, len(list(FOLDER.glob(f"{shared.size}.*")))


def other_sums(shared):
    """Not the same bits, but near: as many blocks as processes."""
    quick = ug.distribution.DataParallel(WORLD_OF[shared.size], reproducible=False)
    assert quick.blocks == shared.size
    models = []
    for distribution in (shared, quick):
        ug.distribution.set_distribution(distribution)
        models.append(classifier(L.Dense(8, activation="relu"), L.Dense(5)))
        fitted(models[-1])
    pairs = zip(models[0].get_weights(), models[1].get_weights(), strict=True)
    return all(bool(np.allclose(a, b, atol=1e-4)) for a, b in pairs)


def refused(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def errors(shared):
    if shared.size != 3:
        return None
    rank = shared.rank
    model = classifier(L.Dense(8), L.Dense(5))
    other = classifier(L.Dense(8 + rank // 2), L.Dense(5))
    slope = classifier(L.Dense(8), L.LeakyReLU(0.1 + rank // 2), L.Dense(5))
    rate = classifier(L.Dense(8), L.Dense(5), optimizer=ug.optimizers.SGD(0.1 + rank // 2))
    state = classifier(L.Dense(5), metrics=[Counter()])

    class Raises(ug.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyError("no such key")

    given = {"verbose": 0}
    return [
        refused(lambda: other.fit(X, LABELS, **given)),
        refused(lambda: slope.fit(X, LABELS, **given)),
        refused(lambda: rate.fit(X, LABELS, **given)),
        refused(lambda: model.fit(X[: 300 + rank // 2], LABELS[: 300 + rank // 2], **given)),
        refused(lambda: model.fit(X, LABELS, batch_size=32 + rank // 2, **given)),
        refused(lambda: model.fit(X[:, : 12 - rank // 2], LABELS, **given)),
        refused(lambda: state.fit(X, LABELS, **given)),
        refused(lambda: model.fit(X, LABELS, callbacks=[Raises()], **given)),
        refused(lambda: ug.distribution.DataParallel(WORLD_OF[3], blocks=2)),
        refused(lambda: ug.distribution.DataParallel(3)),
        refused(lambda: ug.distribution.set_distribution("all")),
        refused(lambda: model.fit(X, LABELS, **given)),
    ]


class Counter(ug.Metric):
    """A metric with state of its own."""

    def __init__(self):
        super().__init__(name="counter")
        self.count = 0

    def reset_state(self):
        self.count = 0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.count += len(y_true)

    def result(self):
        return self.count


CHECKS = [
    norm_of_blocks,
    norm_of_batches,
    norm_of_batches_is_near_that_of_one_process,
    large_layers_in_several_exchanges,
    few_rows,
    classes,
    penalties,
    accumulation_and_mixing,
    doubles_and_two_outputs,
    evaluation,
    training_is_near_that_of_one_process,
    single_steps,
    iterables,
    iterables_of_own_rows,
    callbacks,
    divergence,
    files,
    other_sums,
    errors,
]
WORLD_OF = {}

if __name__ == "__main__":
    only = sys.argv[2:]
    results = {}
    for size in (1, 2, 3, 4, 7):
        part = WORLD.Split(0 if WORLD.rank < size else MPI.UNDEFINED)
        if part == MPI.COMM_NULL:
            continue
        WORLD_OF[size] = part
        ug.set_num_threads(1 + size % 2)
        for check in CHECKS:
            if only and check.__name__ not in only:
                continue
            ug.random.seed(1)
            distribution = ug.distribution.DataParallel(part)
            ug.distribution.set_distribution(distribution)
            found = part.allgather(check(distribution))
            ug.distribution.set_distribution(None)
            results.setdefault(check.__name__, {})[size] = found
    if WORLD.rank == 0:
        print("RESULTS" + json.dumps(results), flush=True)
