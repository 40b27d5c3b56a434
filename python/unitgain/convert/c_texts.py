"""The C of a network's nodes. ``real`` is its type, ``@`` what that gives a function or number.

So ``exp@(x) * 0.5@`` is ``expf(x) * 0.5f`` in float, and without the letters in double.
"""

from __future__ import annotations

__all__ = ["ACTIVATIONS", "FUNCTIONS", "RETURNS"]

# Of each activation that a node may name: its parameters, and an expression of x. A comparison is
# turned so that a NaN stays one.
ACTIVATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "relu": (
        ("negative_slope", "max_value", "threshold"),
        "x > max_value ? max_value : x < threshold ? negative_slope * (x - threshold) : x",
    ),
    "leaky_relu": (("negative_slope",), "x < 0 ? negative_slope * x : x"),
    "elu": (("alpha",), "x > 0 ? x : alpha * expm1@(x)"),
    "selu": ((), "1.0507009873554805@ * (x > 0 ? x : 1.6732632423543772@ * expm1@(x))"),
    "sigmoid": ((), "1 / (1 + exp@(-x))"),
    "tanh": ((), "tanh@(x)"),
    "silu": ((), "x / (1 + exp@(-x))"),
    "step": ((), "x >= 0 ? 1.0@ : 0.0@"),
    "relu6": ((), "x < 0 ? 0 : x > 6 ? 6 : x"),
    "celu": (("alpha",), "x > 0 ? x : alpha * expm1@(x / alpha)"),
    "gelu": ((), "0.5@ * x * erfc@(-0.7071067811865476@ * x)"),
    "gelu_tanh": (
        (),
        "x / (1 + exp@(-1.5957691216057308@ * (x + 0.044715@ * x * x * x)))",
    ),
    "hard_sigmoid": ((), "x < -3 ? 0 : x > 3 ? 1 : (x + 3) / 6"),
    "softplus": ((), "(x > 0 ? x : 0) + log1p@(exp@(-fabs@(x)))"),
    "log_sigmoid": ((), "(x < 0 ? x : 0) - log1p@(exp@(-fabs@(x)))"),
    "softsign": ((), "x / (1 + fabs@(x))"),
    "hard_silu": ((), "x * (x < -3 ? 0 : x > 3 ? 1 : (x + 3) / 6)"),
    "mish": ((), "x * tanh@((x > 0 ? x : 0) + log1p@(exp@(-fabs@(x))))"),
    "exponential": ((), "exp@(x)"),
}

# Matrices are row-major; x may be y unless it says otherwise.
FUNCTIONS: dict[str, str] = {
    # y is not x.
    "dense": """
(const real *x, size_t rows, size_t inputs, size_t units, const real *kernel, const real *bias,
 real *y)
{
    size_t i, j;
    for (; rows > 0; --rows, x += inputs, y += units) {
        for (j = 0; j < units; ++j) {
            y[j] = bias != NULL ? bias[j] : 0;
        }
        for (i = 0; i < inputs; ++i) {
            const real value = x[i];
            const real *row = kernel + i * units;
            for (j = 0; j < units; ++j) {
                y[j] += value * row[j];
            }
        }
    }
}""",
    "scale": """
(const real *x, size_t rows, size_t cols, const real *mean, const real *factor,
 const real *shift, real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += cols, y += cols) {
        for (j = 0; j < cols; ++j) {
            y[j] = (x[j] - mean[j]) * factor[j] + shift[j];
        }
    }
}""",
    "layer_norm": """
(const real *x, size_t rows, size_t cols, const real *gamma, const real *beta, real epsilon,
 real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += cols, y += cols) {
        real mean = 0, variance = 0, factor;
        for (j = 0; j < cols; ++j) {
            mean += x[j];
        }
        mean /= (real)cols;
        for (j = 0; j < cols; ++j) {
            variance += (x[j] - mean) * (x[j] - mean);
        }
        factor = 1 / sqrt@(variance / (real)cols + epsilon);
        for (j = 0; j < cols; ++j) {
            y[j] = (x[j] - mean) * factor * (gamma != NULL ? gamma[j] : 1)
                + (beta != NULL ? beta[j] : 0);
        }
    }
}""",
    "rms_norm": """
(const real *x, size_t rows, size_t cols, const real *scale, real epsilon, real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += cols, y += cols) {
        real squares = 0, factor;
        for (j = 0; j < cols; ++j) {
            squares += x[j] * x[j];
        }
        factor = 1 / sqrt@(squares / (real)cols + epsilon);
        for (j = 0; j < cols; ++j) {
            y[j] = x[j] * factor * (scale != NULL ? scale[j] : 1);
        }
    }
}""",
    "unit_norm": """
(const real *x, size_t rows, size_t cols, real epsilon, real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += cols, y += cols) {
        real squares = 0, norm;
        for (j = 0; j < cols; ++j) {
            squares += x[j] * x[j];
        }
        norm = sqrt@(squares);
        if (norm < epsilon) {
            norm = epsilon;
        }
        for (j = 0; j < cols; ++j) {
            y[j] = x[j] / norm;
        }
    }
}""",
    "softmax": """
(const real *x, size_t rows, size_t cols, real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += cols, y += cols) {
        real largest = x[0], sum = 0;
        for (j = 1; j < cols; ++j) {
            largest = x[j] > largest ? x[j] : largest;
        }
        for (j = 0; j < cols; ++j) {
            y[j] = exp@(x[j] - largest);
            sum += y[j];
        }
        for (j = 0; j < cols; ++j) {
            y[j] /= sum;
        }
    }
}""",
    "log_softmax": """
(const real *x, size_t rows, size_t cols, real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += cols, y += cols) {
        real largest = x[0], sum = 0;
        for (j = 1; j < cols; ++j) {
            largest = x[j] > largest ? x[j] : largest;
        }
        for (j = 0; j < cols; ++j) {
            sum += exp@(x[j] - largest);
        }
        sum = log@(sum);
        for (j = 0; j < cols; ++j) {
            y[j] = x[j] - largest - sum;
        }
    }
}""",
    "prelu": """
(const real *x, size_t size, const real *alpha, real *y)
{
    size_t i;
    for (i = 0; i < size; ++i) {
        y[i] = x[i] < 0 ? alpha[i] * x[i] : x[i];
    }
}""",
    # y is not x.
    "glu": """
(const real *x, size_t rows, size_t cols, real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += 2 * cols, y += cols) {
        for (j = 0; j < cols; ++j) {
            y[j] = x[j] / (1 + exp@(-x[cols + j]));
        }
    }
}""",
    # y is not x.
    "differs": """
(const real *x, size_t rows, size_t cols, real value, real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += cols, ++y) {
        *y = 0;
        for (j = 0; j < cols; ++j) {
            if (x[j] != value) {
                *y = 1;
            }
        }
    }
}""",
    # The mask has the rows and columns of x, or one.
    "keep_where": """
(const real *x, size_t rows, size_t cols, const real *mask, size_t mask_rows, size_t mask_cols,
 real fill, real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += cols, y += cols) {
        for (j = 0; j < cols; ++j) {
            y[j] = mask[mask_cols > 1 ? j : 0] > (real)0.5 ? x[j] : fill;
        }
        mask += mask_rows > 1 ? mask_cols : 0;
    }
}""",
    # y is not x.
    "squared_distances": """
(const real *x, size_t rows, size_t cols, size_t clusters, const real *centers, real *y)
{
    size_t i, j;
    for (; rows > 0; --rows, x += cols, y += clusters) {
        for (i = 0; i < clusters; ++i) {
            real sum = 0;
            for (j = 0; j < cols; ++j) {
                const real gap = x[j] - centers[i * cols + j];
                sum += gap * gap;
            }
            y[i] = sum;
        }
    }
}""",
    "nearest": """
(size_t rows, size_t clusters, real *y)
{
    size_t i, nearest;
    for (; rows > 0; --rows, y += clusters) {
        nearest = 0;
        for (i = 1; i < clusters; ++i) {
            nearest = y[i] < y[nearest] ? i : nearest;
        }
        for (i = 0; i < clusters; ++i) {
            y[i] = i == nearest;
        }
    }
}""",
    # y is neither x nor z.
    "dot": """
(const real *x, const real *z, size_t rows, size_t cols, size_t depth, real *y)
{
    size_t i, j, k;
    for (i = 0; i < rows; ++i) {
        for (j = 0; j < cols; ++j) {
            real sum = 0;
            for (k = 0; k < depth; ++k) {
                sum += x[i * depth + k] * z[j * depth + k];
            }
            y[i * cols + j] = sum;
        }
    }
}""",
    # y is not x.
    "transpose": """
(const real *x, size_t count, size_t rows, size_t cols, real *y)
{
    size_t i, j;
    for (; count > 0; --count, x += rows * cols, y += rows * cols) {
        for (i = 0; i < rows; ++i) {
            for (j = 0; j < cols; ++j) {
                y[j * rows + i] = x[i * cols + j];
            }
        }
    }
}""",
    # Columns of rows that lie apart. y is not x.
    "copy": """
(const real *x, size_t rows, size_t cols, size_t stride, real *y)
{
    size_t j;
    for (; rows > 0; --rows, x += cols, y += stride) {
        for (j = 0; j < cols; ++j) {
            y[j] = x[j];
        }
    }
}""",
    # Returns -1 for what is no row's number. y is not x.
    "embed": """
(const real *x, size_t size, const real *table, size_t rows, size_t cols, real *y)
{
    size_t i, j, row;
    for (i = 0; i < size; ++i, y += cols) {
        if (!(x[i] >= 0 && x[i] < (real)rows)) {
            return -1;
        }
        row = (size_t)x[i];
        if ((real)row != x[i]) {
            return -1;
        }
        for (j = 0; j < cols; ++j) {
            y[j] = table[row * cols + j];
        }
    }
    return 0;
}""",
}

# The type of functions that return anything.
RETURNS = {"embed": "int"}
