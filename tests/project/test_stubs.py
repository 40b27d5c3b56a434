"""The type stubs of the native module say what is in it: names and parameters, both ways."""

import ast
import inspect
from pathlib import Path

import pytest

import unitgain
from unitgain import _native


def parameters(definition):
    arguments = definition.args
    given = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    names = [argument.arg for argument in given]
    return [name for name in names if name != "self"]


def declared(body):
    """Return what a body declares: the parameters of functions, None for all else."""
    found = {}
    for node in body:
        match node:
            case ast.FunctionDef(decorator_list=[] | [ast.Name(id="staticmethod")]):
                found[node.name] = parameters(node)
            case ast.FunctionDef() | ast.ClassDef():
                found[node.name] = None
            case ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = None
    return found


def held(owner):
    """Return what a module or a class holds, in the same form, by pybind11's signatures."""
    found = {}
    for name, member in vars(owner).items():
        if isinstance(member, staticmethod):
            member = member.__func__
        if not callable(member) or isinstance(member, type):
            found[name] = None
        elif getattr(member, "__text_signature__", None):
            found[name] = list(inspect.signature(member).parameters)
        elif member.__doc__ and member.__doc__.startswith(f"{name}("):
            line = member.__doc__.splitlines()[0]
            found[name] = parameters(ast.parse(f"def {line}: ...").body[0])
    return found


def public(names):
    return {name: value for name, value in names.items() if not name.startswith("_")}


STUBS = ast.parse(Path(unitgain.__file__).with_name("_native.pyi").read_text()).body
CLASSES = {node.name.lstrip("_"): node for node in STUBS if isinstance(node, ast.ClassDef)}


def test_the_module_holds_what_the_stubs_declare():
    assert public(declared(STUBS)) == public(held(_native))


@pytest.mark.parametrize(
    "native",
    [
        _native.Totals,
        _native.PackedMatrix,
        *[vars(module)[name] for module in (_native.float32, _native.float64)
          for name in ("Parameter", "Graph", "Network", "Optimizer")],
    ],
    ids=lambda native: f"{native.__module__}.{native.__name__}",
)  # fmt: skip
def test_a_class_holds_what_its_stub_declares(native):
    stub = declared(CLASSES[native.__name__].body)
    assert public(stub) == public(held(native))
    assert stub["__init__"] == held(native)["__init__"]


def test_the_single_operations_are_what_the_stubs_declare():
    assert declared(CLASSES["Ops"].body) == public(held(_native.ops))


@pytest.mark.parametrize("name", ["LossSpec", "OptimizerSpec"])
def test_a_specification_is_made_as_its_stub_declares(name):
    (first, *_) = getattr(_native, name).__init__.__doc__.splitlines()
    native = ast.parse(f"def {first.replace('unitgain._native.', '')}: ...").body[0]
    (stub,) = [
        node
        for node in CLASSES[name].body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]
    assert parameters(native) == parameters(stub)
    assert (native.args.kwarg is None) == (stub.args.kwarg is None)
