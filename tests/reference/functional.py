"""Write functional.npz: what Keras's functional API makes of a small graph, and how it trains.

Run by hand where Keras 3 and PyTorch are installed, whenever the case is changed::

    KERAS_BACKEND=torch python tests/reference/functional.py

The case is in ``functional_case.py``, which the test reads too.
"""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import functional_case as case
import keras
import numpy as np


def main() -> None:
    """Write the file beside this one."""
    model = case.build(keras.layers, keras.Model)
    x, y = case.data()
    model.set_weights(case.weights([w.shape for w in model.get_weights()]))
    results = {"layers": np.array([layer.name for layer in model.layers])}
    for name, output in zip(model.output_names, model.predict(x, verbose=0), strict=True):
        results[f"predict/{name}"] = output
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        loss=case.LOSSES,
        loss_weights=case.WEIGHTS,
        metrics=case.METRICS,
    )
    history = model.fit(
        x, y, batch_size=case.BATCH, epochs=case.EPOCHS, shuffle=False, verbose=0
    ).history
    results |= {f"history/{name}": np.array(values) for name, values in history.items()}
    results |= {f"weight/{i}": array for i, array in enumerate(model.get_weights())}
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **results)


if __name__ == "__main__":
    main()
