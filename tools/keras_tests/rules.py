"""Why a test of Keras's fails: rules by the test's name and by what it says."""

from __future__ import annotations

import re

OURS, INTENDED, OTHER, HARNESS = "ours", "intended", "other subject", "harness"

# (class, reason, pattern of the test's name, pattern of its message); the first that fits holds.
RULES: tuple[tuple[str, str, str, str], ...] = (
    (OTHER, "another backend", "", r"AbsentNameError: (tensorflow|jax|grain|openvino)"),
    (OTHER, "another backend", "", r"module_utils.tensorflow"),
    (HARNESS, "a private name", "", r"AbsentNameError: keras\.src\.trainers\.compile_utils"),
    (HARNESS, "a private name", "", r"has no attribute '_[a-z]"),
    (HARNESS, "a private name", "", r"AbsentNameError: \S*(validate_float_arg|compute_fans"
     r"|GLOBAL_CUSTOM|MonitorCallback|squeeze_or_expand|CallbackList)"),
    (INTENDED, "the format of files", "", r"written in the safetensors format alone|legacy_h5"),
    (INTENDED, "dtypes beside float32 and float64", "",
     r"(dtype policy (is )?'(mixed_|b?float16|int|bool|gptq|awq|u?int\d)"
     r"|expected float32, float64 or an integer dtype)"),
    (INTENDED, "steps of one's own", r"compute_loss|compute_metrics|custom_metrics", ""),
    (INTENDED, "scaling of losses", r"loss_scale_optimizer.*(unsupported|inner_loss|overwrite|"
     r"dynamic_arg|compatib)|static_loss_scaling|overwrite_with_gradient", ""),
    (HARNESS, "a private name", r"muon_test", r"attribute '(update_step|lr_adjust|zeropower)"),
    (HARNESS, "messages and private tables", "",
     r"must have rank 2|Invalid value for argument|'GLOBAL_CUSTOM|adam_w|save_weights$"),
    (INTENDED, "the format of files", r"saving_api_test", r"FileNotFoundError|'zipped'|'save_form"
     r"at'|'max_shard_size'|tf_saved_model"),
    (INTENDED, "arguments that are not offered", "", r"'(from_sorted_ids|input_axes|input_tensors|"
     r"input_shape|rms_scaling|loss_scale_factor)'|axis is \d, but only the last"),
    (INTENDED, "samples of unknown size, and scalars", "",
     r"every size of a sample must be known|shape is \(\), expected one or more"),
    (INTENDED, "inputs that may be missing, sparse or other frameworks'", "",
     r"but an input is a dense array|unexpected keyword argument 'input_tensor'"),
    (INTENDED, "the batch's size in shapes", "",
     r"Tuples differ: \(None, ([^)]*)\) != \(\d+, \1\)"),
    (INTENDED, "nested structures", "", r"inputs and outputs of a model are symbolic tensors, but "
     r"there is a (dict|list|tuple|str)"),
    (INTENDED, "text in networks", "", r"is of texts, which no network|data type 'string'"),
    (INTENDED, "the class of an error", "", r"^\[unitgain\] (TypeError: \w+ is .*, expected an "
     r"integer|ValueError: a key of \w+ is)"),
    (INTENDED, "states without the object", r"stateless|state_tree|remat|symbolic_build", ""),
    (INTENDED, "the variables of native metrics",
     r"metrics_test\.py::\w+::test_config|top_k_and_threshold|test_class_id",
     r"AssertionError: 0 != [124]|object has no attribute '(true|false)_"),
    (INTENDED, "rows of encodings along the last axis", r"discretization_test", r"Tuples differ"),
    (INTENDED, "the mean over ignored rows", r"SparseCategoricalCrossentropyTest::test_ignore", ""),
    (INTENDED, "relu at its threshold", r"test_relu_(combined|threshold)", "elements: 1"),
    (INTENDED, "float64 data make a network of float64",
     r"test_TerminateOnNaN|test_stop_training_csv", "20 != 1"),
    (HARNESS, "the backend's numbers or machinery", "",
     r"KeyError: 'unitgain'|assertRaisesRegex\(\) missing|torch_utils|symbolic_scope"),
    (OTHER, "layers of images and sequences", "",
     r"AbsentNameError: keras\.src\.layers\S*\.(Conv|LSTM|GRU|SimpleRNN|RNN|Max|Average|Global"
     r"|Random|MultiHeadAttention|Bidirectional|TimeDistributed|ZeroPadding|UpSampling|Depthwise|Text"
     r"|SeparableConv|StackedRNN|Masking)"),
    (OTHER, "applications", "", r"AbsentNameError: keras\.src\.applications"),
    (OTHER, "other widths than 8 bits", r"int4|gptq|awq|float8", r""),
    (OTHER, "distribution", r"distribut", r""),
    (HARNESS, "a private name", "",
     r"AbsentNameError: keras\.src\.(backend|ops|testing|utils|export)"),
)  # fmt: skip


def class_of(name: str, message: str) -> tuple[str, str]:
    """Return a failure's class and reason; without a rule it is ours, by the error."""
    for kind, reason, of_name, of_message in RULES:
        if re.search(of_name, name) and re.search(of_message, message):
            return kind, reason
    where = re.match(r"(?:collection: )?(?:\[([^\]]*)\] )?(.*)", message, re.DOTALL)
    text = where.group(2) if where else message
    short = re.sub(r"\d+(\.\d+)?(e-?\d+)?|'[^']*'|<[^>]*>|\([^)]*\)|\[[^\]]*\]", "_", text)
    return OURS, short[:90]
