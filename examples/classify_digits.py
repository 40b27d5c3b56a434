# %% [markdown]
# # Classify digits
#
# A network with batch norm on 1,347 handwritten digits: training with a schedule and early stops,
# the curves, and what it mistakes for what.

# %%
import numpy as np

import unitgain as ug
from unitgain import layers

(x_train, y_train), (x_test, y_test) = ug.datasets.load_digits()
ug.random.seed(0)

# %% [markdown]
# Sums without a bias, normalised, then the activation: the norm brings its own bias.

# %%
model = ug.Sequential([layers.Input((64,))])
for units in (256, 128):
    model.add(layers.Dense(units, use_bias=False, kernel_initializer="he_normal"))
    model.add(layers.BatchNormalization())
    model.add(layers.Activation("relu"))
    model.add(layers.Dropout(0.2))
model.add(layers.Dense(10))
model.summary()

# %%
epochs = 30
steps = epochs * -(-1078 // 32)  # four fifths of the rows, in batches of 32
model.compile(
    ug.optimizers.AdamW(ug.optimizers.schedules.OneCycle(5e-3, steps), weight_decay=1e-2),
    ug.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
stop = ug.callbacks.EarlyStopping("val_loss", patience=8, restore_best_weights=True)
history = model.fit(
    x_train, y_train, epochs=epochs, validation_split=0.2, callbacks=[stop], verbose=0
)
history

# %% [markdown]
# The curves, by Matplotlib:

# %%
history.plot()

# %%
result = model.evaluate(x_test, y_test, return_dict=True)
assert result["accuracy"] > 0.96, result
result

# %% [markdown]
# The confusion matrix: a row for each digit, a column for each guess.

# %%
guesses = model.predict(x_test).argmax(axis=1)
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (y_test, guesses), 1)
confusion
