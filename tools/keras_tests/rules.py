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
    (OTHER, "layers of images and sequences", "",
     r"AbsentNameError: keras\.src\.layers\S*\.(Conv|LSTM|GRU|SimpleRNN|RNN|Max|Average|Global"
     r"|Random|MultiHeadAttention|Bidirectional|TimeDistributed|ZeroPadding|UpSampling|Depthwise|Text"
     r"|SeparableConv|StackedRNN|Masking)"),
    (OTHER, "applications", "", r"AbsentNameError: keras\.src\.applications"),
    (OTHER, "quantization", r"quantiz|int8|int4|gptq|awq|float8", r""),
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
