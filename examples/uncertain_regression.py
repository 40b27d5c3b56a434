# %% [markdown]
# # Regression with its own uncertainty
#
# A network with two outputs, a mean and the logarithm of a variance, learns how far off it is, and
# an ensemble of such networks where it knows nothing.

# %%
import numpy as np

import unitgain as ug
from unitgain import layers

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (2000, 1)).astype(np.float32)
deviation = 0.05 + 0.4 * np.abs(x)
y = (np.sin(3 * x) + deviation * rng.standard_normal(x.shape)).astype(np.float32)

# %% [markdown]
# The loss is the Gaussian's negative log-likelihood (Nix and Weigend, 1994).


# %%
def trained(seed):
    ug.random.seed(seed)
    model = ug.Sequential(
        [
            layers.Input((1,)),
            layers.Dense(64, "relu", kernel_initializer="auto"),
            layers.Dense(64, "relu", kernel_initializer="auto"),
            layers.Dense(2),
        ]
    )
    model.compile(ug.optimizers.Adam(3e-3), ug.losses.GaussianNLL(log_variance=True))
    model.fit(x, y, epochs=100, verbose=0)
    return model


models = [trained(seed) for seed in range(5)]

# %% [markdown]
# The mixture's variance is the mean of the variances, and the variance of the means
# (Lakshminarayanan, Pritzel and Blundell, "Simple and scalable predictive uncertainty estimation
# using deep ensembles", NIPS 2017).

# %%
points = np.array([[-0.9], [0.0], [0.9], [3.0]], np.float32)  # the last is far from all data
outputs = np.stack([model.predict(points) for model in models])
means, noise = outputs[..., 0], np.exp(outputs[..., 1])
mean = means.mean(axis=0)
within, between = np.sqrt(noise.mean(axis=0)), means.std(axis=0)
for place, *values in zip(points[:, 0], mean, within, between, strict=True):
    print(
        f"x = {place:4.1f}: {values[0]:5.2f}, noise {values[1]:.2f}, disagreement {values[2]:.2f}"
    )

# %%
np.testing.assert_allclose(within[:3], [0.41, 0.05, 0.41], rtol=0.8)
assert between[3] > 5 * between[1]

# %% [markdown]
# Are the intervals honest? Of fresh samples, 95% should lie within 1.96 deviations.

# %%
fresh = rng.uniform(-1, 1, (2000, 1)).astype(np.float32)
truth = np.sin(3 * fresh) + (0.05 + 0.4 * np.abs(fresh)) * rng.standard_normal(fresh.shape)
outputs = np.stack([model.predict(fresh) for model in models])
total = np.sqrt(np.exp(outputs[..., 1]).mean(axis=0) + outputs[..., 0].var(axis=0))
inside = np.abs(truth[:, 0] - outputs[..., 0].mean(axis=0)) < 1.96 * total
assert 0.9 < inside.mean() < 0.98, inside.mean()
inside.mean()
