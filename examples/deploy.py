# %% [markdown]
# # From training to service
#
# A model is trained and saved; a service loads it, packs it and answers, from several threads at
# once.

# %%
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

import unitgain as ug
from unitgain import layers

(x, y), (x_test, y_test) = ug.datasets.load_digits()
ug.random.seed(0)
scale = layers.Normalization()
scale.adapt(x)
model = ug.Sequential(
    [layers.Input((64,)), scale, layers.Dense(128, "gelu"), layers.BatchNormalization()]
)
model.add(layers.Dense(10))
model.compile("adam", ug.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x, y, epochs=15, verbose=0)

# %% [markdown]
# One file has everything. Loading runs no code from it, and a file that was altered is refused.

# %%
folder = TemporaryDirectory()
path = Path(folder.name) / "digits.safetensors"
model.save(path)
loaded = ug.load_model(path)
np.testing.assert_array_equal(loaded(x_test), model(x_test))

# %% [markdown]
# The predictor has its weights in the order in which products read them, batch norm folded in.

# %%
predictor = loaded.optimize_for_inference()
np.testing.assert_allclose(predictor(x_test), model(x_test), rtol=1e-4, atol=1e-4)

row = x_test[:1]
times = []
for _ in range(1000):
    start = perf_counter()
    predictor(row)
    times.append(perf_counter() - start)
median, slow = 1e6 * np.quantile(times, [0.5, 0.99])
print(f"one row: median {median:.1f} µs, 99% within {slow:.1f} µs")

# %% [markdown]
# A server with a thread for each CPU lets each call have one.

# %%
with ThreadPoolExecutor(2) as pool:

    def answer(rows):
        with ug.threads(1):
            return predictor(rows).argmax(axis=1)

    answers = np.concatenate(list(pool.map(answer, np.array_split(x_test, 50))))
assert (answers == y_test).mean() > 0.95

# %%
ug.show_config()
folder.cleanup()
