"""Write the pages of docs/reference, and the tables of the guide that follow from the code.

The reference has every public name with what it does, a page a namespace. The guide's tables have
the activations, losses, metrics and optimizers with the defaults of their arguments.

Run whenever a public name is added, or a default or the first line of a docstring changes; the
tests compare the pages with what this makes::

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
from unitgain import _native

FOLDER = Path(__file__).parent / "reference"
GUIDE = Path(__file__).parent / "guide"
# What a table of the guide stands between.
MARKS = ("<!-- table by docs/reference_tables.py -->\n", "<!-- end of the table -->\n")
# Arguments that all of a table's functions or classes take.
COMMON = ("x", "out", "name", "reduction", "dtype")

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
    "data": "Files larger than memory, splits, targets and mixtures of samples",
    "datasets": "Data sets",
    "estimators": "Linear models on arrays",
    "cluster": "Clustering",
    "uncertainty": "Ensembles, calibration, sets and intervals that hold",
    "distribution": "Training in several processes, and predictions on Dask and Ray",
    "sklearn": "Estimators for scikit-learn (extra `sklearn`)",
    "ops": "Functions of arrays, with derivatives",
    "linalg": "Linear algebra",
    "random": "Random numbers",
    "config": "Threads, precision, the default dtype",
    "dtype_policies": "Dtypes of weights and of products",
    "saving": "Saving and loading",
    "convert": "Models from and for other libraries",
    "zoo": "Small trained networks, each with a card",
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


def default(value: object) -> str:
    """Return an argument's default, floats with as few digits as they need."""
    return f"{value:g}" if isinstance(value, float) else repr(value).replace("'", '"')


def arguments(thing: Any) -> str:
    """Return the arguments of a class or function that are its own, with their defaults."""
    own = [
        parameter
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.name not in COMMON and parameter.kind is not parameter.VAR_KEYWORD
    ]
    return ", ".join(
        f"`{parameter.name}`"
        if parameter.default is parameter.empty
        else f"`{parameter.name}={default(parameter.default)}`"
        for parameter in own
    )


def activation_rows() -> list[tuple[str, str, str]]:
    """Return name, own arguments and formula of the activations.

    The formulas are those of the rows, but of the functions that have none.
    """
    module = unitgain.activations
    formulas = _native.activation_table()
    functions = [name for name in module.__all__ if name not in ("get", "gradient")]
    rows = []
    for name in sorted({*formulas, *functions}):
        function = getattr(module, name)
        if function.__name__ != name:
            said = f"`{function.__name__}`"
        elif name in formulas:
            said = f"`{formulas[name][0]}`"
        else:
            said = first_line(name, function).removeprefix("Return ")
        of_row = formulas[name][1] if name not in functions else {}
        given = ", ".join(f"`{key}={default(value)}`" for key, value in of_row.items())
        rows.append((name, given or arguments(function), said))
    return rows


def class_rows(namespace: str, base: type) -> list[tuple[str, str, str]]:
    """Return name, own arguments and first sentence of a namespace's classes."""
    module = module_of(namespace)
    classes = [getattr(module, name) for name in public_names(namespace)]
    return [
        (thing.__name__, arguments(thing), first_line(thing.__name__, thing))
        for thing in classes
        if inspect.isclass(thing) and issubclass(thing, base) and thing is not base
    ]


def guide_pages() -> dict[Path, str]:
    """Return the guide's pages that have a table, each with the table as it should be."""
    tables = {
        "activations": activation_rows(),
        "losses": class_rows("losses", unitgain.losses.Loss),
        "metrics": class_rows("metrics", unitgain.metrics.Metric),
        "optimizers": class_rows("optimizers", unitgain.optimizers.Optimizer),
    }
    found = {}
    for subject, rows in tables.items():
        lines = ["| name | arguments | what it is |", "| --- | --- | --- |"]
        lines += [f"| `{name}` | {given or '-'} | {said} |" for name, given, said in rows]
        file = GUIDE / f"{subject}.md"
        before, rest = file.read_text(encoding="utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        table = "\n".join(lines)
        found[file] = f"{before}{MARKS[0]}\n{table}\n\n{MARKS[1]}{after}"
    return found


def pages() -> dict[Path, str]:
    """Return every page by its file."""
    home = homes()
    return {
        FOLDER / "README.md": contents(),
        **{file_of(namespace): page(namespace, home) for namespace in NAMESPACES},
        **guide_pages(),
    }


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
