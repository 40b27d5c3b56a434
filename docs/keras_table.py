"""Write keras.md: every public name beside Keras's, with what differs and why.

Run whenever a public name or argument changes; the tests compare the page with what this makes::

    python docs/keras_table.py

Keras's side is ``tests/reference/keras_names.json``.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import unitgain as ug

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "keras.md"
KERAS: dict[str, list[list[str | None]] | None] = {
    name: found
    for name, found in json.loads(
        (ROOT / "tests" / "reference" / "keras_names.json").read_text(encoding="utf-8")
    ).items()
    if name != "version"
}

NAMESPACES = (
    "layers", "activations", "initializers", "regularizers", "constraints", "losses", "metrics",
    "optimizers", "optimizers.schedules", "callbacks", "models", "saving", "random", "data",
    "datasets", "dtype_policies", "estimators", "cluster", "utils",
)  # fmt: skip
METHODS = ("Model", "layers.Layer", "optimizers.Optimizer", "callbacks.Callback")

# What Keras has elsewhere.
ELSEWHERE = {
    "data.CutMix": "layers.CutMix",
    "data.MixUp": "layers.MixUp",
    "data.to_categorical": "utils.to_categorical",
    "layers.Input": "layers.Input",
    "losses.GaussianNLL": None,
    "losses.Quantile": None,
    "models.Sequential": "Sequential",
    "models.Model": "Model",
}

# Why there is a name that Keras has not. By name, else by namespace.
OWN = {
    "losses.LossFunctionWrapper": "in Keras it has no public name",
    "layers.ClusterAffinity": "radial basis functions around the clusters of data",
    "layers.GLU": "Keras has the function alone: `activations.glu`",
    "layers.RReLU": "as PyTorch's",
    "layers.SymbolicTensor": "`keras.KerasTensor`",
    "layers.Variable": "`keras.Variable`, with the weights as a NumPy array in `array`",
    **dict.fromkeys(
        (
            "metrics.BrierScore",
            "metrics.ExpectedCalibrationError",
            "metrics.MaximumCalibrationError",
            "metrics.NegativeLogLikelihood",
        ),
        "how far probabilities can be believed",
    ),
    "losses.GaussianNLL": "as PyTorch's: mean and variance from one output",
    "losses.Quantile": "scikit-learn's `mean_pinball_loss`",
    "optimizers.schedules": "the module, here by its name",
    "optimizers.schedules.get": "of a configuration",
    "optimizers.schedules.OneCycle": "as PyTorch's `OneCycleLR`",
    "activations.gelu_tanh": "Keras's `gelu(approximate=True)`, as a name of its own",
    "activations.gradient": "derivatives, for who writes their own backward pass",
    "activations.step": "the perceptron's",
    "activations.prelu": "Keras has the layer alone",
    "activations.rrelu": "as PyTorch's",
    "activations.hard_swish": "Keras's alias of `hard_silu`",
    "activations.swish": "Keras's alias of `silu`",
    "initializers.calibrate": "layer-sequential unit variance, on data",
    "initializers.for_activation": "the rule that keeps the variance for an activation",
    "initializers.FourfoldGlorotNormal": "an older rule for sigmoid units",
    "initializers.FourfoldGlorotUniform": "an older rule for sigmoid units",
    "initializers.Identity": "Keras's `IdentityInitializer`",
    "models.Functional": "what `Model(inputs, outputs)` makes",
    "models.Predictor": "what `optimize_for_inference` returns: packed weights",
    "random.permutation": "Keras shuffles an array: `keras.random.shuffle`",
    "random.seed": "`keras.utils.set_random_seed`",
    "data.Dataset": "rows of files larger than memory, read window by window",
    "data.from_arrow": "a data set of Arrow files",
    "data.from_npy": "a data set of .npy files, or of memory maps",
    "data.from_parquet": "a data set of Parquet files",
    "data.class_weights": "scikit-learn's `compute_class_weight`, as the dict that `fit` takes",
    "data.train_test_split": "scikit-learn's",
    "callbacks.Callback.get_state": "what `BackupAndRestore` keeps of a callback",
    "callbacks.Callback.set_state": "what `BackupAndRestore` gives back",
    "callbacks.SignalMonitor": "the health of the signals while a model trains",
    "callbacks.SignalRecord": "what it saw at one step",
    "callbacks.SignalsError": "what it raises",
    "callbacks.ProgressBar": "one bar for the epochs of a silent run",
    "datasets": "Keras downloads; these files come with the package, or are the user's",
    "cluster": "scikit-learn's names and methods",
    "estimators": "scikit-learn's names and methods",
    "Model.load": "`load_model`, for who looks here",
    "Model.diagnose": "what the signals of each layer are like, and what is wrong",
    "Model.plot": "`keras.utils.plot_model`",
    "Model.gradients": "a batch's loss and gradients as arrays",
    "Model.input_gradients": "what each input changes of the outputs",
    "Model.jacobian": "the derivative of each output at each input",
    "Model.optimize_for_inference": "a frozen predictor with packed weights",
    "Model.get_compile_config": "what `compile` was given, for files",
    "Model.streams": "the random numbers that a loaded model goes on with",
    "layers.Layer.backward": "gradients of a layer written in Python",
    "layers.Layer.ensure_built": "builds once, and checks afterwards",
    "layers.Layer.leaves": "the layer and those that it is made of",
    "layers.Layer.lower_masked_use": "the same of one that is given a mask, or makes one",
    "layers.Layer.lower": "where a layer becomes native operations",
    "layers.Layer.lower_use": "the same of one use, of a traced layer too",
    "Model.ensure_built": "as a layer's",
    "Model.leaves": "the layers, and those of models inside",
    "Model.lower": "as a layer's",
    "Model.lower_use": "as a layer's",
    "Model.lower_masked_use": "as a layer's",
    "Model.auto_scale_loss": "what `compile` was given",
    "Model.steps_per_execution": "what `compile` was given",
    "Model.steps_itself": "whether a subclass has a `train_step` or `test_step` of its own",
    "Model.logs_of": "the values of a pass by name",
    "Model.saved_as": "the class's name in files",
    "layers.Layer.draws": "the keys of the layer's random numbers",
    "optimizers.Optimizer": "for the native step",
}

NOT_OFFERED = "not offered"
DENSE = "arrays are dense"
SYMBOLIC = "there are no symbolic tensors of other frameworks"
WHOLE = "arrays say how long they are"

# Why an argument of Keras is missing here, by argument or `name.argument`.
MISSING = {
    "aggregation": "one process trains",
    "approximate": "`gelu_tanh` is the approximation",
    "autocast": "a network has one dtype",
    "batch_shape": "any number of rows fits",
    "batch_size": "any number of rows fits",
    "callbacks": "a native pass calls nobody",
    "CutMix.data_format": "channels are last",
    "Discretization.dtype": "taken as every layer's; indices within a network have its dtype",
    "HashedCrossing.dtype": "taken as every layer's; indices within a network have its dtype",
    "data_format": "mixing does not depend on it",
    "export.verbose": "nothing is printed",
    "input_signature": "any number of rows fits",
    "dropout.noise_shape": "`layers.Dropout` has it",
    "expand_nested": NOT_OFFERED,
    "show_layer_activations": NOT_OFFERED,
    "splines": NOT_OFFERED,
    "from_sorted_ids": "predictions are scores",
    "input_tensor": SYMBOLIC,
    "layer_range": NOT_OFFERED,
    "max_shard_size": "there is one file",
    "optional": "every input is needed",
    "overwrite_with_gradient": "there is no float8, which needs it",
    "positions": NOT_OFFERED,
    "quantization_config": "weights are packed by `optimize_for_inference`",
    "ragged": DENSE,
    "safe_mode": "loading never runs code",
    "show_trainable": NOT_OFFERED,
    "sparse": DENSE,
    "steps": WHOLE,
    "steps_per_epoch": WHOLE,
    "tensor": SYMBOLIC,
    "validation_steps": WHOLE,
    "zipped": "there is one format",
    **dict.fromkeys(
        ("class_weight", "sample_weight", "loss_weights",
         "validation_batch_size", "validation_freq"),
        NOT_OFFERED,
    ),
}  # fmt: skip

# Why there is an argument that Keras has not, or another default.
EXTRA = {
    "augment": "mixes samples within the batch assembly",
    "cache_frozen": "runs the frozen layers once",
    "predict.out": "where the outputs go",
    "predict.samples": "Monte-Carlo passes",
    "predict.training": "with dropout on",
    "image_shape": "images that come as rows",
    "build.dtype": "of the whole network",
    "to_categorical.dtype": "of the rows",
    "get.loss": "what a bare `accuracy` goes with",
    "get.outputs": "what a bare `accuracy` goes with",
}
DEFAULTS = {
    "add_weight.initializer": "what Keras makes of None",
    "compile.optimizer": "to be named",
    "export.format": "there is no TensorFlow here",
    "evaluate.verbose": "silent unless asked",
    "predict.verbose": "silent unless asked",
    "summary.line_length": "as wide as most terminals",
}
# Said once, above the tables.
THROUGHOUT = {
    "activations": {"out"},
    "initializers": {"input_axes", "output_axes"},
    "optimizers": {"loss_scale_factor"},
    "layers.Layer": {"dtype"},
}
SAID_ONCE = {
    "activations": "All take `out`, an array to write to.",
    "initializers": "Keras's `input_axes` and `output_axes` are for convolutions and missing here.",
    "losses": "`dtype` is float32 or float64; without one predictions are taken as they are.",
    "metrics": "`dtype` is float32 or float64, without effect: sums are float64.",
    "optimizers": "There is no `loss_scale_factor`, as there is no float16 that needs it.",
    "regularizers": "`get` takes functions of `ug.ops`, too: training takes their derivative.",
    "constraints": "`get` takes names, configurations and `Constraint` objects, no functions.",
}

# Other differences, by name.
NOTES = {
    "layers.Input": "A symbolic tensor, and the first layer of a `Sequential`; it holds the "
    "dtype of the whole network, which is float32 for an integer dtype.",
    "dtype_policies.DTypePolicy": "`float32`, `float64` and `mixed_bfloat16`.",
    "layers.InputLayer": "Another name of `Input`.",
    "layers.Discretization": "As for `CategoryEncoding`, rows are along the last axis; Keras's are "
    "along the second.",
    "metrics.SparseCategoricalCrossentropy": "Rows of `ignore_class` do not count, with sample "
    "weights or without; Keras takes the mean over them, too, where there are no weights.",
    "activations.relu": "From the threshold on, as Keras's documentation has it; its code begins "
    "above the threshold.",
    "layers.Dense": "`activity_regularizer`, which every layer takes, is one of L1, L2 and L1L2. "
    "`lora_alpha` is heeded where `lora_rank` is given, too; files keep low-rank weights apart, "
    "and `merge_lora` adds them to the kernel. "
    'With `kernel_initializer="auto"` the activation\'s own.',
    "layers.Embedding": "A number without a row is an error. `lora_alpha` is heeded where "
    "`lora_rank` is given, too.",
    "layers.BatchNormalization": "`synchronized` goes neither with `renorm` nor with a mask. A "
    "mask's mean is over the rows that it keeps, without the 1e-7 that Keras adds to their number.",
    "layers.Masking": "As everywhere, the mask is of rows of samples of two dimensions and more.",
    "models.clone_model": "A subclass that calls its layers itself is refused, as in Keras. A "
    "`Sequential` on a tensor that is no `Input` has one of its shape.",
    "layers.CategoryEncoding": "Rows are along the last axis, however many there are.",
    "layers.Hashing": "Keras's hash functions, and bins. Numbers are whole, or an error.",
    "layers.HashedCrossing": "Keras's hash function, and bins.",
    "layers.StringLookup": "For arrays before training, not within a network. A file holds the "
    "vocabulary itself.",
    "layers.IntegerLookup": "A file holds the vocabulary itself.",
    "layers.SpectralNormalization": "While it is frozen the kernel stays as it is.",
    "layers.PReLU": "Of the axes before the last, all or none are shared.",
    "regularizers.L1L2": "By the name `l1_l2` both factors are 0.01, as Keras's documentation has "
    "it.",
    "regularizers.Regularizer": "One's own has a method `gradient`, beside `__call__`.",
    "regularizers.OrthogonalRegularizer": "The penalty of a single row is 0, not NaN.",
    "losses.Circle": "Labels of a model in float32 are whole numbers up to 2^24.",
    "losses.Tversky": "As Keras computes it: `alpha` weighs what the predictions leave out.",
    "optimizers.Adafactor": "Only the moments of rows and columns are kept, not their product. "
    "Where a row and a column have no gradient in float32, the weight stays, and is not NaN.",
    "optimizers.Ftrl": "A weight without gradients so far is 0, not NaN.",
    "optimizers.LossScaleOptimizer": "`fit` computes in float32 or float64, so that it scales "
    "nothing, and leaves out steps whose gradients are not finite.",
    "losses.get": "Functions of `ug.ops`, too: training takes their derivative.",
    "losses.Loss": "One's own is made of `ug.ops`, or has a method `backward` beside `call`.",
    "constraints.MaxNorm": "Several axes must be neighbours.",
    "constraints.MinMaxNorm": "Several axes must be neighbours.",
    "constraints.UnitNorm": "Several axes must be neighbours.",
    "layers.Normalization": "`adapt` takes arrays, frames, sparse matrices, or any "
    "iterable of batches.",
    "layers.Softmax": "A mask that comes along is of rows: those that it leaves out are 0.",
    "Model.compile": "`optimizer` may be None for a model that is only evaluated. "
    "`run_eagerly=True` runs batches one by one: what is native stays native. `jit_compile` and "
    "`auto_scale_loss` have no effect.",
    "Model.train_step": "Given `(x, y)` or `(x, y, sample_weight)` as arrays; the gradient is "
    "`self.gradients(x, y)`, and the model is compiled with a loss.",
    "Model.test_step": "As `train_step`.",
    "Model.fit": "`class_weight` holds for batches of any kind, where Keras refuses it with "
    "generators, and multiplies a `sample_weight`. An iterator that ends ends the run; Keras "
    "trains on its first batches again. Outputs that are no probabilities, and data that are not "
    "finite, are warned of. Objects with `__dlpack__` alone, and object arrays of numbers, are "
    "taken.",
    "utils.FeatureSpace": "Takes frames and dicts; `load` reads what `save` wrote, a "
    "`.safetensors` file. Columns without a feature are left out. Crosses may be of more "
    "than two columns.",
    "Model.save": "One `.safetensors` file; for a name in `.keras` the error has the one to use.",
    "Model.save_weights": "One `.safetensors` file.",
    "Model.load_weights": "By order, whatever the layers' names; Keras's `.weights.h5`, too.",
    "models.load_model": "Runs no code from the file; goes on bit for bit.",
    "saving.load_model": "Runs no code from the file; goes on bit for bit.",
    "callbacks.BackupAndRestore": "Keeps the other callbacks' state, too; it is told last of what "
    "ended.",
    "callbacks.EarlyStopping": 'NaN is never the best. `mode="auto"` goes by the metric\'s '
    "`direction`, else by a name that says what it is.",
    "callbacks.LambdaCallback": "Hooks alone, by their names.",
    "callbacks.ReduceLROnPlateau": "NaN is never the best.",
    "callbacks.ModelCheckpoint": "NaN is never the best. One `.safetensors` file each; with "
    "weights alone it has no optimizer's state.",
    "callbacks.ProgbarLogger": "`ProgressBar`: `fit` itself shows a bar an epoch.",
    "callbacks.SwapEMAWeights": "Before the first step there are no averages to swap in.",
    "callbacks.TerminateOnNaN": "The pass ends natively, at the step.",
    "data.CutMix": "Not a layer: `fit(..., augment=...)`; also for tables.",
    "data.MixUp": "Not a layer: `fit(..., augment=...)`.",
}

# What is not offered, why, and what to do in its place.
REFUSED = (
    ("`predict_step`, `compute_loss`, `compute_metrics` of one's own", "a step is one native call",
     "`train_step`, `test_step`; a loss, a metric or a layer of one's own; or a loop of "
     "`Model.gradients` and `Optimizer.apply`"),
    ("`float16`, `bfloat16`, integers and `mixed_float16` as the dtype of layers, losses, metrics",
     "kernels are of float32 and float64",
     '`ug.config.set_dtype_policy("mixed_bfloat16")` rounds the operands of products'),
    ("Layers of different dtypes in one network", "its memory is one array", "two models"),
    ("`Input((None, 3))`: samples of unknown size", "plans are of known sizes",
     "samples of one size, padded, with `sample_weight`"),
    ("`Input(())`: samples that are single numbers", "a row has values", "`Input((1,))`"),
    ("The batch's size in shapes: `Input(batch_shape=(8, 3)).shape`", "any number of rows fits",
     "it is taken, and the size shown as None"),
    ("A batch in the shape of `compute_output_shape`, which takes and returns samples'",
     "as above", "leave the first size out"),
    ("Nested structures of inputs and outputs", "one, a list, or a dict of them",
     "a flat list or dict"),
    ("Inputs that may be missing (`optional=True`)", "every input is fed", "an array of zeros"),
    ("Text as an `Input`", "networks take numbers", "`StringLookup`, `Hashing` before training"),
    ("`set_epsilon`", "the least probability, 1e-7, is a constant of the kernels", "-"),
    ("`quantize`", "weights are float32 or float64",
     "`optimize_for_inference`, with `precision`"),
    (".keras and .h5 files to save to", "one format, which runs no code", "`.safetensors`"),
    ("`variables` of the metrics that there are", "native code keeps their sums", "`result()`"),
    ("Sparse and ragged tensors as what layers make", "arrays are dense",
     "sparse matrices are taken as inputs"),
    ("Keras's class of error where it is another", "a wrong value is a ValueError, a wrong type a "
     "TypeError", "-"),
    ("A float64 array as the first data of a model without `Input` makes it float32",
     "no cast that nobody asked for", '`dtype="float32"` on a layer, or an `Input`'),
    ("`stateless_call`, `stateless_apply`, `get_state_tree`", "weights are where they are",
     "`get_weights`, `set_weights`, `jax` itself"),
)  # fmt: skip

INTRODUCTION = """# Names beside Keras's

What Keras {version} has and unitgain has, too, goes by the same name, with the same arguments and
defaults. This page is generated (`python docs/keras_table.py`), and a test compares it with the
code.

A dash in the last column: nothing differs. A network has one dtype, float32 or float64, its
`Input`'s: a layer's `dtype` says it where there is no `Input`, and is an error where it is another;
`"mixed_bfloat16"` is the precision `medium` of the whole process
(`ug.config.set_dtype_policy`), and there is no float16. Arrays are NumPy's; and the arguments
`name` and `trainable`, which Keras's layers take among `**kwargs`, are taken where they mean
something."""


def public_names(module: ModuleType) -> list[str]:
    """Return the names that a module exports, or a package's classes and functions."""
    return sorted(getattr(module, "__all__", []), key=str.lower)


def parameters(thing: Any) -> dict[str, str | None] | None:
    """Return a call's arguments with their defaults' texts; None if it is no call."""
    if not callable(thing):
        return None
    target = thing.__init__ if inspect.isclass(thing) else thing
    try:
        found = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return None
    named = {
        p.name: None if p.default is p.empty else repr(p.default)
        for p in found
        if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    if inspect.isclass(thing) and issubclass(thing, ug.optimizers.Optimizer):
        common = inspect.signature(ug.optimizers.Optimizer.__init__).parameters
        options = {n: repr(p.default) for n, p in common.items() if p.default is not p.empty}
        named = {**named, **{n: d for n, d in options.items() if n not in named}}
    return named


def keras_name(name: str) -> str | None:
    """Return what Keras calls it, or None."""
    candidate = ELSEWHERE.get(name, name)
    return candidate if candidate in KERAS else None


def differences(name: str, thing: Any) -> Iterator[tuple[str, str]]:
    """Yield how a name's arguments differ from Keras's, each with its reason."""
    listed = KERAS[keras_name(name) or name]
    mine = parameters(thing)
    if mine is None or listed is None:
        return
    open_ended = any(str(a).startswith("*") for a, _ in listed)
    theirs = {str(a): d for a, d in listed if not str(a).startswith("*")}
    if not theirs and open_ended:
        return
    namespace, _, short = name.rpartition(".")
    said = THROUGHOUT.get(namespace, set()) | {"name", "trainable"}
    for argument, default in theirs.items():
        if argument in said or first_alike(argument, theirs, mine):
            continue
        if argument not in mine:
            yield f"no `{argument}`", reason(MISSING, short, argument)
        elif not same_default(mine[argument], default):
            text = f"`{argument}` is `{mine[argument]}` and not `{default}`"
            yield text, reason(DEFAULTS, short, argument)
    for argument in mine:
        if argument in theirs or argument in said:
            continue
        if not first_alike(argument, mine, theirs) and (not open_ended or argument in EXTRA):
            yield f"also `{argument}`", reason(EXTRA, short, argument)


def reason(table: dict[str, str], name: str, argument: str) -> str:
    """Return the reason for a difference; empty if there is none on record."""
    return table.get(f"{name}.{argument}", table.get(argument, ""))


def grouped(found: list[tuple[str, str]]) -> str:
    """Return differences as a text, those of the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for text, why in found:
        by_reason.setdefault(why, []).append(text)
    parts = [", ".join(texts) + (f" ({why})" if why else "") for why, texts in by_reason.items()]
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "." if text else ""


def first_alike(argument: str, ours: dict[str, Any], others: dict[str, Any]) -> bool:
    """Tell whether a first argument stands beside another of the same meaning: x, inputs."""
    one, two = list(ours)[:1], list(others)[:1]
    return bool(one and two) and argument == one[0] and two[0] not in ours


def same_default(mine: str | None, theirs: str | None) -> bool:
    """Tell whether two defaults are the same but for their spelling."""
    if mine == theirs or theirs == "...":
        return True
    try:
        return bool(float(mine or "nan") == float(theirs or "nan"))
    except ValueError:
        pass
    spelled = [str(text).strip("'\"").lower().replace("_", "") for text in (mine, theirs)]
    return spelled[0] == spelled[1]


def reason_of_own(name: str) -> str:
    """Say why there is a name that Keras has not."""
    namespace = name.rpartition(".")[0]
    return OWN.get(name, OWN.get(namespace, ""))


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield section, name, Keras's name and what differs, for every public name."""
    for namespace in NAMESPACES:
        module: Any = ug
        for part in namespace.split("."):
            module = getattr(module, part, None)
        if module is None:
            continue
        for name in public_names(module):
            path = f"{namespace}.{name}"
            yield (namespace, *row(path, getattr(module, name)))
    for owner in METHODS:
        thing: Any = ug
        for part in owner.split("."):
            thing = getattr(thing, part)
        for name, member in sorted(inspect.getmembers(thing)):
            if name.startswith("_") or isinstance(member, property):
                continue
            yield (f"methods of {owner}", *row(f"{owner}.{name}", member))


def row(path: str, thing: Any) -> tuple[str, str, str]:
    """Return a name, Keras's, and what differs."""
    theirs = keras_name(path)
    if theirs is None:
        return path, "", reason_of_own(path)
    found = grouped(list(differences(path, thing)))
    return path, theirs, " ".join(text for text in (NOTES.get(path, ""), found) if text)


def page() -> str:
    """Return the page."""
    version = json.loads(
        (ROOT / "tests" / "reference" / "keras_names.json").read_text(encoding="utf-8")
    )["version"]
    lines = [INTRODUCTION.format(version=version)]
    section = None
    for where, path, theirs, said in rows():
        if where != section:
            section = where
            title = f"ug.{where}" if not where.startswith("methods") else f"M{where[1:]}"
            lines.append(f"\n## {title}\n")
            if where in SAID_ONCE:
                lines.append(SAID_ONCE[where] + "\n")
            lines += ["| unitgain | Keras | what differs |", "| --- | --- | --- |"]
        name = path.rpartition(".")[2]
        beside = f"`{theirs}`" if theirs else "has none"
        lines.append(f"| `{name}` | {beside} | {said or '-'} |")
    lines.append("\n## What is not offered\n")
    lines += ["| of Keras | why | in its place |", "| --- | --- | --- |"]
    lines += [f"| {what} | {why} | {instead} |" for what, why, instead in REFUSED]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
