"""Write exchange/: files that PyTorch 2.13 and Keras 3.15 wrote themselves, and what they compute.

Run by hand where both are installed, and safetensors, whenever the networks are changed::

    KERAS_BACKEND=torch python tests/reference/exchange.py

``torch.pt`` and ``torch.safetensors`` hold the state dict of :func:`module`, ``half.safetensors``
that of one in bfloat16 and float16; ``model.keras`` and ``model.weights.h5`` a Keras model after
three steps of Adam on its last layer; ``outputs.npz`` has the inputs, the outputs, and the losses
of the next steps.
"""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np

FOLDER = Path(__file__).parent / "exchange"


def module():
    """Return PyTorch's network, square where a transposition could go unseen."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(4, 4),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.Linear(4, 4, bias=False),
        nn.PReLU(),
        *(nn.Identity() for _ in range(5)),
        nn.Linear(4, 4),  # number 10, behind 3 in order and before it by name
    )
    network(torch.randn(32, 4))
    return network.eval()


def main() -> None:
    """Write the files."""
    import keras
    import torch
    from safetensors.torch import save_file

    FOLDER.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 4)).astype(np.float32)
    stored = {"x": x}
    network = module()
    torch.save(network.state_dict(), FOLDER / "torch.pt")
    save_file(network.state_dict(), FOLDER / "torch.safetensors", {"format": "pt"})
    stored["torch"] = network(torch.tensor(x)).detach().numpy()
    linear = torch.nn.Linear(4, 4)
    half = {"weight": linear.weight.bfloat16(), "bias": linear.bias.half()}
    save_file(half, FOLDER / "half.safetensors", {"format": "pt"})
    stored["half"] = x @ half["weight"].detach().float().numpy().T + half["bias"].detach().numpy()

    keras.utils.set_random_seed(0)
    given = keras.Input((4,))
    hidden = keras.layers.Dense(4, "tanh", use_bias=False, name="z", trainable=False)(given)
    outputs = keras.layers.Dense(4, use_bias=False, name="a")(hidden + given)
    model = keras.Model(given, outputs)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    y = x[:, ::-1].copy()
    for _ in range(3):
        model.train_on_batch(x, y)
    model.save(FOLDER / "model.keras")
    model.save_weights(FOLDER / "model.weights.h5")
    stored["keras"] = model.predict(x, verbose=0)
    stored["losses"] = np.array([float(model.train_on_batch(x, y)) for _ in range(5)])
    np.savez_compressed(FOLDER / "outputs.npz", **stored)


if __name__ == "__main__":
    main()
