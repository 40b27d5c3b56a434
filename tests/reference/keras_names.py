"""Write keras_names.json: the public names of Keras that matter here, and their arguments.

Run by hand where Keras 3 and PyTorch are installed, whenever another version counts::

    KERAS_BACKEND=torch python tests/reference/keras_names.py

``docs/keras_table.py`` sets the library's names beside them. Each name has its arguments in order,
as ``[name, default]``: the default's text, or null where there is none.
"""

import inspect
import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras

NAMESPACES = (
    "activations", "callbacks", "config", "constraints", "dtype_policies", "initializers", "layers",
    "losses", "metrics", "models", "optimizers", "optimizers.schedules", "random", "regularizers",
    "saving", "utils",
)  # fmt: skip
# Whose methods count, too.
CLASSES = ("Model", "layers.Layer", "callbacks.Callback", "optimizers.Optimizer")


def resolve(path: str) -> object:
    """Return what a dotted name within Keras means."""
    found: object = keras
    for part in path.split("."):
        found = getattr(found, part)
    return found


def arguments(thing: object) -> list[list[str | None]] | None:
    """Return the arguments of a call, or None where they cannot be told."""
    try:
        parameters = inspect.signature(thing).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    found: list[list[str | None]] = []
    for parameter in parameters:
        if parameter.name == "self":
            continue
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = None if parameter.default is parameter.empty else repr(parameter.default)
        if default is not None and " at 0x" in default:
            default = "..."
        found.append([stars + parameter.name, default])
    return found


def main() -> None:
    """Write the file beside this one."""
    names: dict[str, list[list[str | None]] | None] = {}
    for namespace in NAMESPACES:
        module = resolve(namespace)
        for name in sorted(vars(module)):
            thing = getattr(module, name)
            if not name.startswith("_") and callable(thing):
                names[f"{namespace}.{name}"] = arguments(thing)
    for name in ("Model", "Sequential"):
        names[name] = arguments(resolve(name))
    for path in CLASSES:
        for name, thing in inspect.getmembers(resolve(path)):
            if not name.startswith("_"):
                names[f"{path}.{name}"] = arguments(thing) if callable(thing) else []
    lines = [f'"{name}": {json.dumps(found)}' for name, found in sorted(names.items())]
    text = ",\n".join([f'"version": "{keras.__version__}"', *lines])
    Path(__file__).with_suffix(".json").write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
