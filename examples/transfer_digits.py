# %% [markdown]
# # Transfer
#
# A network learns eight digits, of which there are many; its first layers then serve for the other
# two, of which there are ten labels each.

# %%
import numpy as np

import unitgain as ug
from unitgain import layers

(x, y), (x_test, y_test) = ug.datasets.load_digits()
loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
ug.random.seed(0)

# %%
base = [layers.Dense(units, "elu", kernel_initializer="auto") for units in (128, 64)]
known = ug.Sequential([layers.Input((64,)), *base, layers.Dense(8)])
known.compile("adam", loss, metrics=["accuracy"])
known.fit(x[y < 8], y[y < 8], epochs=15, verbose=0)
known.evaluate(x_test[y_test < 8], y_test[y_test < 8], return_dict=True)

# %% [markdown]
# Ten labels of each of the digits 8 and 9.

# %%
few = np.concatenate([np.flatnonzero(y == digit)[:10] for digit in (8, 9)])
rows, targets = x[few], y[few] - 8
kept = y_test >= 8
test_rows, test_targets = x_test[kept], y_test[kept] - 8

# %% [markdown]
# First the new head alone, on the frozen base; then all of it, with a small rate for the base.

# %%
new = ug.Sequential([layers.Input((64,)), *base, layers.Dense(2)])
for layer in base:
    layer.trainable = False
new.compile(ug.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
new.fit(rows, targets, epochs=30, batch_size=10, cache_frozen=True, verbose=0)
head_alone = new.evaluate(test_rows, test_targets, return_dict=True)["accuracy"]

for layer in base:
    layer.trainable = True
    layer.learning_rate_multiplier = 0.1
new.compile(ug.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
new.fit(rows, targets, epochs=30, batch_size=10, verbose=0)
tuned = new.evaluate(test_rows, test_targets, return_dict=True)["accuracy"]

assert min(head_alone, tuned) > 0.8
print(f"the head alone {head_alone:.3f}, all of it {tuned:.3f}")
