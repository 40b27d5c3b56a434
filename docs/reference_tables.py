"""Write the pages of docs/reference: every public name with what it does, a page a namespace.

Run whenever a public name is added or the first line of its docstring changes; the tests compare
the pages with what this makes::

    python docs/reference_tables.py

The site sets each name's signature and docstring below the table (``docs/site_hooks.py``).
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import unitgain
import unitgain.models
import unitgain.sklearn  # with the extra `sklearn`

FOLDER = Path(__file__).parent / "reference"

# In the order in which an object with several names is looked for.
NAMESPACES = {
    "models": "Models: chains and graphs of layers",
    "layers": "Layers",
    "activations": "Activation functions on arrays",
    "initializers": "Initial weights",
    "regularizers": "Penalties on weights and outputs",
    "constraints": "Constraints on weights",
    "losses": "Losses",
    "metrics": "Metrics",
    "optimizers": "Optimizers",
    "optimizers.schedules": "Learning-rate schedules",
    "callbacks": "Callbacks",
    "signals": "The health of signals: what `Model.diagnose` returns",
    "data": "Splits, targets and mixtures of samples",
    "datasets": "Data sets",
    "estimators": "Linear models on arrays",
    "cluster": "Clustering",
    "uncertainty": "Ensembles, calibration, sets and intervals that hold",
    "sklearn": "Estimators for scikit-learn (extra `sklearn`)",
    "ops": "Products of matrices",
    "linalg": "Linear algebra",
    "random": "Random numbers",
    "saving": "Saving and loading",
    "convert": "Models from and for other libraries",
    "utils": "Utilities",
    "": "The package: threads, precision, memory",
}
# What has no docstring of its own at run time.
VALUES = {
    "unitgain.__version__": "The version, a string.",
    "unitgain.signals.LIMITS": "What is healthy: a `Limit` for each measure, by its name.",
    "unitgain.signals.VERDICTS": "Every verdict of a report, the gravest first.",
}


def full_name(namespace: str) -> str:
    """Return the name by which a namespace is imported."""
    return f"unitgain.{namespace}".rstrip(".")


def module_of(namespace: str) -> ModuleType:
    """Return the namespace itself."""
    module: Any = unitgain
    for part in filter(None, namespace.split(".")):
        module = getattr(module, part)
    return module


def public_names(namespace: str) -> list[str]:
    """Return what a namespace exports, but for other namespaces."""
    module = module_of(namespace)
    named = sorted(module.__all__, key=lambda name: (name.lower(), name))
    return [name for name in named if not inspect.ismodule(getattr(module, name))]


def namespaces() -> set[str]:
    """Return the namespaces that the package exports, and those that are imported by name."""
    found, pending = {"", "models", "sklearn"}, [""]
    while pending:
        outer = pending.pop()
        for name in module_of(outer).__all__:
            if inspect.ismodule(getattr(module_of(outer), name)):
                inner = f"{outer}.{name}".lstrip(".")
                found.add(inner)
                pending.append(inner)
    return found


def file_of(namespace: str) -> Path:
    """Return the page of a namespace."""
    return FOLDER / f"{namespace.replace('.', '-') or 'unitgain'}.md"


def homes() -> dict[int, tuple[str, str]]:
    """Return where each object is described, by its identity: the namespace and the name."""
    found: dict[int, tuple[str, str]] = {}
    for namespace in NAMESPACES:
        module = module_of(namespace)
        # An object's own name goes before its other ones.
        for name in sorted(
            public_names(namespace),
            key=lambda name: getattr(getattr(module, name), "__name__", name) != name,
        ):
            thing = getattr(module, name)
            if callable(thing):
                found.setdefault(id(thing), (namespace, name))
    return found


def first_line(name: str, thing: Any) -> str:
    """Return the first sentence of what is said of a name, as one line of a table."""
    if name in VALUES:
        return VALUES[name]
    paragraph = (inspect.getdoc(thing) or "").split("\n\n")[0]
    text = re.sub(r":\w+:(?=`)", "", " ".join(paragraph.split()))
    text = re.sub(r"``([^`]*)``", r"`\1`", text)
    return text.replace("|", "\\|")


def foreign(thing: Any) -> str:
    """Return the name of another package's class or function; empty for the package's own."""
    module = getattr(thing, "__module__", "unitgain")
    return "" if module.split(".")[0] == "unitgain" else f"{module}.{thing.__name__}"


def described(namespace: str) -> list[str]:
    """Return the names that the page of a namespace describes, but for other names of the same."""
    home = homes()
    module = module_of(namespace)
    return [
        name
        for name in public_names(namespace)
        if home.get(id(getattr(module, name)), (namespace, name)) == (namespace, name)
        and not foreign(getattr(module, name))
        and not name.startswith("__")
    ]


def page(namespace: str, home: dict[int, tuple[str, str]]) -> str:
    """Return the page of a namespace."""
    rows = []
    for name in public_names(namespace):
        thing = getattr(module_of(namespace), name)
        at, known_as = home.get(id(thing), (namespace, name))
        if foreign(thing):
            said = f"`{foreign(thing)}`"
        elif at != namespace:
            said = f"[`{full_name(at)}.{known_as}`]({file_of(at).name})"
        elif known_as != name:
            said = f"The same as `{known_as}`."
        else:
            said = first_line(f"{full_name(namespace)}.{name}", thing)
        rows.append(f"| `{name}` | {said} |")
    table = "\n".join(["| name | what it is |", "| --- | --- |", *rows])
    return f"# {full_name(namespace)}\n\n{NAMESPACES[namespace]}.\n\n{table}\n"


def contents() -> str:
    """Return the page that leads to the others."""
    links = "\n".join(
        f"| [{full_name(namespace)}]({file_of(namespace).name}) | {title} |"
        for namespace, title in NAMESPACES.items()
    )
    return (
        "# Reference\n\nEvery public name, by namespace. These tables are generated "
        "(`python docs/reference_tables.py`), and a test\ncompares them with the code; the site "
        "has each name's arguments below them, as `help` has.\n\n"
        f"| namespace | what it holds |\n| --- | --- |\n{links}\n"
    )


def pages() -> dict[Path, str]:
    """Return every page by its file."""
    home = homes()
    return {
        FOLDER / "README.md": contents(),
        **{file_of(namespace): page(namespace, home) for namespace in NAMESPACES},
    }


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
