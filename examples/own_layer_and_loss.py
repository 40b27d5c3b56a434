# %% [markdown]
# # A layer and a loss of one's own
#
# Both are Python with NumPy, and have `call` and `backward`. Whatever is not theirs stays native.

# %%
import numpy as np

import unitgain as ug
from unitgain import layers

(x, y), (x_test, y_test) = ug.datasets.load_digits()
ug.random.seed(0)

# %% [markdown]
# The layer computes `x * sigmoid(slope * x)` with a slope to learn for each unit (Ramachandran,
# Zoph and Le, "Searching for activation functions", 2017).


# %%
class Swish(layers.Layer):
    def build(self, input_shape):
        self.slope = self.add_weight((input_shape[-1],), "ones", name="slope")

    def call(self, inputs):
        return inputs * ug.activations.sigmoid(self.slope.array * inputs)

    def backward(self, upstream, inputs, outputs):
        gate = ug.activations.sigmoid(self.slope.array * inputs)
        bend = inputs * gate * (1 - gate)
        return (
            upstream * (gate + self.slope.array * bend),
            [(upstream * inputs * bend).sum(axis=0)],
        )


# %% [markdown]
# The loss is the focal loss, which weighs a sample down once it is classified well (Lin et al.,
# "Focal loss for dense object detection", ICCV 2017).


# %%
class Focal(ug.losses.Loss):
    takes_labels = True  # y_true is one class a row

    def __init__(self, gamma=2.0, name="focal", reduction="sum_over_batch_size"):
        super().__init__(name, reduction)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        p = np.take_along_axis(y_pred, y_true[:, None], axis=1)[:, 0]
        return -((1 - p) ** self.gamma) * np.log(p)

    def backward(self, y_true, y_pred):
        rows = np.arange(len(y_true))
        p = y_pred[rows, y_true]
        gradient = np.zeros_like(y_pred)
        gradient[rows, y_true] = (
            self.gamma * (1 - p) ** (self.gamma - 1) * np.log(p) - (1 - p) ** self.gamma / p
        )
        return gradient


# %% [markdown]
# A wrong derivative trains badly and says nothing. `model.gradients` in float64 beside differences
# of the loss shows whether both are right:

# %%
small = ug.Sequential(
    [layers.Input((6,), dtype="float64"), layers.Dense(5), Swish(), layers.Dense(3, "softmax")]
)
small.compile("sgd", Focal())
rng = np.random.default_rng(0)
rows, labels = rng.standard_normal((8, 6)), rng.integers(0, 3, 8)
_, gradients = small.gradients(rows, labels)
for variable, gradient in zip(small.trainable_weights, gradients, strict=True):
    for place in np.ndindex(*variable.array.shape):
        values = []
        for step in (1e-5, -2e-5):
            variable.array[place] += step
            values.append(small.gradients(rows, labels)[0])
        variable.array[place] += 1e-5
        np.testing.assert_allclose((values[0] - values[1]) / 2e-5, gradient[place], atol=1e-7)

# %%
model = ug.Sequential(
    [
        layers.Input((64,)),
        layers.Dense(64, kernel_initializer="he_normal"),
        Swish(),
        layers.Dense(10, "softmax"),
    ]
)
model.compile("adam", Focal(), metrics=["accuracy"])
model.fit(x, y, epochs=20, verbose=0)
accuracy = model.evaluate(x_test, y_test, return_dict=True)["accuracy"]
assert accuracy > 0.95
slopes = model.layers[1].slope.array
print(f"accuracy {accuracy:.3f}, slopes from {slopes.min():.2f} to {slopes.max():.2f}")
