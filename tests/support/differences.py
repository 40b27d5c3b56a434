"""Gradients of a model's loss against central differences of it."""

import numpy as np


def check_gradients(model, x, y, step=1e-6, scale=1.0):
    """Compare the derivative at every weight, of float64, with a difference; return the loss.

    Args:
        model: a compiled model of float64.
        x: samples.
        y: targets.
        step: by which each weight is moved.
        scale: of the losses, whose rounding the differences have.
    """
    before = model.get_weights()
    loss, gradients = model.gradients(x, y)
    assert np.isfinite(loss)
    assert len(gradients) == len(model.trainable_weights)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient.shape == weight.shape
        for index in np.ndindex(weight.shape):
            value = weight.array[index]
            losses = []
            for moved in (value + step, value - step):
                weight.array[index] = moved
                losses.append(model.gradients(x, y)[0])
            weight.array[index] = value
            numeric = (losses[0] - losses[1]) / (2 * step)
            # Rounding of the losses over 2 step, and the difference's own error of step^2.
            assert abs(numeric - gradient[index]) < 2e-9 * (scale + abs(numeric)), weight.name
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    return loss
