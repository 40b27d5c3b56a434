"""Compute the constants of the vector functions and print them as C++.

``python tools/fit_polynomials.py`` needs mpmath. It prints the constants of cpp/src/simd/math.hpp;
with ``--coefficients`` the whole of cpp/src/simd/generated/coefficients.hpp (but for its format),
with ``--tables`` the whole of cpp/src/simd/generated/activation_tables.hpp. Every function is
interpolated at the Chebyshev points of its interval, which is close to the best polynomial of its
degree; each set of coefficients is printed with the largest relative error that it has before
rounding.
"""

import argparse
from collections.abc import Callable
from itertools import pairwise

import mpmath

mpmath.mp.prec = 200

Real = mpmath.mpf
Function = Callable[[Real], Real]


def rounded(value: Real, bits: int) -> Real:
    with mpmath.workprec(bits):
        return +value


def fit(f: Function, low: float, high: float, terms: int) -> tuple[list[Real], Real]:
    """Return the coefficients, lowest first, and the largest error."""
    coefficients, error = mpmath.chebyfit(f, [Real(low), Real(high)], terms, error=True)
    return coefficients[::-1], error


def log2(value: Real) -> str:
    return str(mpmath.nstr(mpmath.log(value, 2), 4)) if value else "-inf"


# ---- math.hpp ----


def q(r: Real) -> Real:
    if abs(r) < Real(10) ** -12:
        return Real(1) / 2 + r / 6 + r * r / 24
    return (mpmath.expm1(r) - r) / r**2


def print_exponential(name: str, terms: int, bits: int, high_bits: int) -> None:
    limit = Real("0.3475")
    coefficients, error = fit(q, -limit, limit, terms)
    relative = error * limit**2 / mpmath.exp(-limit)
    print(f"{name}: exp r has a relative error below 2^{log2(relative)}")
    for c in coefficients:
        print("  exp_polynomial", float(rounded(c, bits)).hex())
    high = rounded(mpmath.ln2, high_bits)
    print("  ln2_high", float(high).hex())
    print("  ln2_low ", float(rounded(mpmath.ln2 - high, bits)).hex())
    print("  log2_e  ", float(rounded(1 / mpmath.ln2, bits)).hex())


# ---- coefficients.hpp ----


def cubic_part(r: Real) -> Real:
    """(exp r - 1 - r - r^2 / 2) / r^3."""
    if abs(r) < Real(10) ** -10:
        return Real(1) / 6 + r / 24 + r * r / 120
    return (mpmath.expm1(r) - r - r * r / 2) / r**3


def artanh_part(s2: Real) -> Real:
    """2 (artanh s - s) / s^3."""
    s = mpmath.sqrt(s2)
    if s2 < Real(10) ** -12:
        return Real(2) / 3 + 2 * s2 / 5
    return 2 * (mpmath.atanh(s) - s) / s**3


MILLS_CENTER = Real("5.25")


def mills(s: Real) -> Real:
    """(1 + sqrt2 a) exp(a^2 / 2) erfc(a / sqrt2), a = 5.25 (1 + s) / (1 - s)."""
    z = MILLS_CENTER * (1 + s) / (1 - s) / mpmath.sqrt(2)
    return (1 + 2 * z) * mpmath.exp(z * z) * mpmath.erfc(z)


def phi(x: Real) -> Real:
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


def normal_cdf(x: Real) -> Real:
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def logistic(x: Real) -> Real:
    return 1 / (1 + mpmath.exp(-x))


def gelu_slope(x: Real) -> Real:
    return normal_cdf(x) + x * phi(x)


def tanh_argument(x: Real) -> Real:
    return mpmath.sqrt(8 / mpmath.pi) * (x + Real("0.044715") * x**3)


def gelu_tanh_slope(x: Real) -> Real:
    s = logistic(tanh_argument(x))
    inner = mpmath.sqrt(8 / mpmath.pi) * (1 + 3 * Real("0.044715") * x * x)
    return s + x * s * (1 - s) * inner


def silu_slope(x: Real) -> Real:
    s = logistic(x)
    return s * (1 + x * (1 - s))


def mish_gate(x: Real) -> Real:
    e = mpmath.exp(x)
    n = e * (e + 2)
    return n / (n + 2)


def mish_slope(x: Real) -> Real:
    t = mish_gate(x)
    return t + x * (1 - t * t) * logistic(x)


SLOPES: dict[str, tuple[Function, float, float, int]] = {  # root, radius and terms
    "silu": (silu_slope, -1.2784645, 2.0**-4, 10),
    "gelu": (gelu_slope, -0.7517915, 2.0**-2, 15),
    "gelu_tanh": (gelu_tanh_slope, -0.7524614, 2.0**-4, 11),
    "mish": (mish_slope, -1.1924312, 2.0**-4, 11),
}


def root_of(name: str) -> Real:
    f, near, _, _ = SLOPES[name]
    return mpmath.findroot(f, near)


def print_array(name: str, values: list[Real], kind: str, comment: str) -> None:
    bits = 24 if kind == "float" else 53
    suffix = "f" if kind == "float" else ""
    print(f"// {comment}")
    print(f"inline constexpr {kind} {name}[] = {{")
    for i in range(0, len(values), 4):
        row = ", ".join(literal(v, bits) + suffix for v in values[i : i + 4])
        print(f"    {row},")
    print("};")


def literal(value: Real, bits: int) -> str:
    return float(rounded(value, bits)).hex()


def print_pair(name: str, value: Real) -> None:
    high = rounded(value, 53)
    print(
        f"inline constexpr Constant {name} = {{{literal(high, 53)}, {literal(value - high, 53)}}};"
    )


def print_fit(name: str, f: Function, low: float, high: float, terms: int, what: str) -> None:
    coefficients, error = fit(f, low, high, terms)
    print_array(name, coefficients, "double", f"{what}: error below 2^{log2(error)}.")


HEADER = """// Printed by tools/fit_polynomials.py {option}, which says what each function is.
#pragma once

#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {{
"""
FOOTER = "\n}  // namespace unitgain::simd::UNITGAIN_VARIANT"


def print_coefficients() -> None:
    print(HEADER.format(option="--coefficients"))
    print("// A number as a double and what that has lost.")
    print("struct Constant {\n  double high;\n  double low;\n};\n")
    limit = Real("0.3475")
    for name, terms in (("exp_short", 7), ("exp_long", 11)):
        print_fit(name, cubic_part, -limit, limit, terms, "(exp r - 1 - r - r^2 / 2) / r^3")
    for name, terms in (("log_short", 6), ("log_long", 11)):
        print_fit(name, artanh_part, 0, Real(1) / 9, terms, "2 (artanh s - s) / s^3 in s^2")
    last = (39 - MILLS_CENTER) / (39 + MILLS_CENTER)
    for name, terms in (("mills_short", 16), ("mills_long", 26)):
        what = "(1 + sqrt2 a) exp(a^2 / 2) erfc(a / sqrt2)"
        print_fit(name, mills, -1, last, terms, what)
    print("inline constexpr double mills_center = 5.25;")
    print_pair("sqrt_2", mpmath.sqrt(2))
    print_pair("inverse_sqrt_2_pi", 1 / mpmath.sqrt(2 * mpmath.pi))
    print_pair("sqrt_8_over_pi", mpmath.sqrt(8 / mpmath.pi))
    print_pair("tanh_cubic", mpmath.sqrt(8 / mpmath.pi) * Real("0.044715"))
    print_pair("tanh_cubic_slope", 3 * mpmath.sqrt(8 / mpmath.pi) * Real("0.044715"))
    alpha = Real("1.6732632423543772848170429916717")
    scale = Real("1.0507009873554804934193349852946")
    print_pair("selu_scale", scale)
    print_pair("selu_scale_alpha", scale * alpha)
    print("\n// Near their roots the slopes are (x - root) times a polynomial in x - root.high.")
    for name, (f, _, radius, terms) in SLOPES.items():
        root = root_of(name)

        def quotient(d: Real, f: Function = f, root: Real = root) -> Real:
            if abs(d) < Real(10) ** -20:
                d = Real(10) ** -20
            return f(root + d) / d

        print_pair(f"{name}_root", root)
        print(f"inline constexpr double {name}_radius = {radius};")
        what = f"the slope of {name} over x - root"
        print_fit(f"{name}_slope", quotient, -radius, radius, terms, what)
    print(FOOTER)


# ---- activation_tables.hpp ----

# name: (function, width of an interval, degree, whether there are intervals below 0, root).
# The function is of a = |x| >= 0, or of x for intervals on both sides. Intervals that become
# narrower have a width of 1 / (first + 2 second a) at a, and are given as (first, second).
TABLES: dict[str, tuple[Function, Real | tuple[Real, Real], int, bool, str]] = {
    "tanh_table": (mpmath.tanh, Real("0.3125"), 6, False, ""),
    "logistic_tail_table": (lambda a: logistic(-a), Real("0.5"), 5, False, ""),
    "silu_tail_table": (lambda a: a * logistic(-a), Real("0.5"), 6, False, ""),
    "softplus_tail_table": (lambda a: mpmath.log1p(mpmath.exp(-a)), Real("0.5"), 5, False, ""),
    "gelu_tail_table": (
        lambda a: a * normal_cdf(-a),
        (Real("2.1875"), Real("0.3359375")),
        6,
        False,
        "",
    ),
    "gelu_tanh_tail_table": (
        lambda a: a * logistic(-tanh_argument(a)),
        Real("0.1875"),
        7,
        False,
        "",
    ),
    "expm1_table": (lambda a: mpmath.expm1(-a), Real("0.5625"), 6, False, ""),
    "mish_gate_table": (mish_gate, Real("0.5"), 6, True, ""),
    "logistic_slope_table": (lambda a: logistic(a) * logistic(-a), Real("0.5"), 6, False, ""),
    "tanh_slope_table": (lambda a: mpmath.sech(a) ** 2, Real("0.3125"), 6, False, ""),
    "silu_slope_table": (lambda a: silu_slope(-a), Real("0.421875"), 6, False, "silu"),
    "gelu_slope_table": (lambda a: gelu_slope(-a), Real("0.25"), 8, False, "gelu"),
    "gelu_tanh_slope_table": (
        lambda a: gelu_tanh_slope(-a),
        Real("0.1875"),
        7,
        False,
        "gelu_tanh",
    ),
    "mish_slope_table": (mish_slope, Real("0.59375"), 8, True, "mish"),
}


# name: (function, degree, root). Eight intervals, two an octave of 1 + a.
OCTAVE_TABLES: dict[str, tuple[Function, int, str]] = {
    "gelu_ratio_table": (lambda a: a * bell_inverse(a) * normal_cdf(-a), 7, ""),
    "gelu_slope_ratio_table": (lambda a: bell_inverse(a) * gelu_slope(-a), 7, "gelu"),
}
OCTAVE_EDGES = [Real(a) for a in ("0", "0.5", "1", "2", "3", "5", "7", "11", "14.75")]


def bell_inverse(a: Real) -> Real:
    return mpmath.exp(a * a / 2)


def interval(
    f: Function,
    k: int,
    steps: tuple[Real, Real],
    degree: int,
    both_sides: bool,
    root: Real | None,
) -> tuple[Real, list[Real], Real]:
    """Return the centre of the k-th interval, the coefficients there and their relative error."""
    half = Real(1) / 2
    low, high = edge(k - half, steps), edge(k + half, steps)
    if not both_sides:
        low = max(low, Real(0))
    return part(f, low, high, edge(Real(k), steps), degree, root)


def part(
    f: Function, low: Real, high: Real, center: Real, degree: int, root: Real | None
) -> tuple[Real, list[Real], Real]:
    """Return the same for an interval by its ends and its middle."""
    width = high - low
    zero = center == 0 and abs(f(Real(0))) < Real(2) ** -100
    if not zero:
        # Towards the end where the function is small, so that the larger c[0] is not lost in it.
        ends = abs(f(low)) / abs(f(high))
        shift = width / 4 if ends > Real("1.6") else -width / 4 if ends < Real("0.6") else Real(0)
        center = well_rounding(f, center + shift, width)
    if root is not None and low < root < high:
        center, zero = rounded(root, 24), True
    if not zero:
        coefficients, _ = fit(lambda d: f(center + d), low - center, high - center, degree + 1)
    else:
        # d times a polynomial, and at a root the little that the function is at the centre.
        exact = center if root is None or center == 0 else root

        def quotient(d: Real) -> Real:
            if abs(center + d - exact) < Real(2) ** -60:
                d += Real(2) ** -58
            return f(center + d) / (center + d - exact)

        inner, _ = fit(quotient, low - center, high - center, degree)
        shift = center - exact
        coefficients = [shift * inner[0]]
        coefficients += [
            inner[i - 1] + (shift * inner[i] if i < degree else 0) for i in range(1, degree + 1)
        ]
    return center, coefficients, relative_error(f, center, coefficients, low, high)


def edge(index: Real, steps: tuple[Real, Real]) -> Real:
    """Return the a at which first a + second a^2 is the index."""
    first, second = steps
    if second == 0:
        return index / first
    if index < 0:
        return -edge(-index, steps)
    return (mpmath.sqrt(first * first + 4 * second * index) - first) / (2 * second)


def well_rounding(f: Function, near: Real, width: Real) -> Real:
    """Return a float32 near a point at which the function is almost a float32.

    So the first coefficient loses nothing. Source: Gal and Bachelis, "An accurate elementary
    mathematical library for the IEEE floating point standard", ACM TOMS 17, 1991.
    """

    def lost(center: Real) -> Real:
        value = f(center)
        return abs(rounded(value, 24) / value - 1)

    candidates = [rounded(near, 24)] + [
        rounded(near + j * width / 4099, 24) for j in range(-40, 41)
    ]
    return min(candidates, key=lost)


def relative_error(
    f: Function, center: Real, coefficients: list[Real], low: Real, high: Real
) -> Real:
    worst = Real(0)
    for i in range(25):
        x = low + (high - low) * (i + Real("0.37")) / 26
        value = mpmath.polyval(coefficients[::-1], x - center)
        worst = max(worst, abs(value / f(x) - 1))
    return worst


def print_table(
    name: str,
    f: Function,
    width: Real | tuple[Real, Real],
    degree: int,
    both_sides: bool,
    root_name: str,
) -> None:
    steps = width if isinstance(width, tuple) else (1 / width, Real(0))
    root = None
    if root_name:
        root = root_of(root_name) if both_sides else -root_of(root_name)
    numbers = [*range(16), *range(-16, 0)] if both_sides else list(range(32))
    parts = [interval(f, k, steps, degree, both_sides, root) for k in numbers]
    used = [p[2] for k, p in zip(numbers, parts, strict=True) if k not in (-16, 31)]
    print(f"// Relative error below 2^{log2(max(used))}.")
    limit = edge(Real("15.4" if both_sides else "31.4"), steps)
    kind = f"{degree}" if steps[1] == 0 else f"{degree}, narrowing"
    print(f"constexpr PiecewiseTable<{kind}> {name} = {{")
    print(f"    {', '.join(literal(v, 24) + 'f' for v in (*steps, limit))},")
    print("    {")
    print_row([p[0] for p in parts])
    print("    },\n    {")
    for power in range(degree + 1):
        print("        {")
        print_row([p[1][power] for p in parts])
        print("        },")
    print("    },\n};")


def print_octave_table(name: str, f: Function, degree: int, root_name: str) -> None:
    root = -root_of(root_name) if root_name else None
    parts = []
    for low, high in pairwise(OCTAVE_EDGES):
        starts_at_zero = low == 0 and f(Real(0)) == 0
        middle = Real(0) if starts_at_zero else (low + high) / 2
        parts.append(part(f, low, high, middle, degree, root))
    print(f"// Relative error below 2^{log2(max(p[2] for p in parts))}.")
    kind = f"{degree}, true" if root_name else f"{degree}"
    print(f"constexpr OctaveTable<{kind}> {name} = {{")
    # 1 + a begins with an exponent of 127, whose lowest two bits and the bit behind are 6.
    parts = parts[2:] + parts[:2]
    centers = [p[0] for p in parts]
    columns = [[p[1][power] for p in parts] for power in range(degree + 1)]
    groups = [columns]
    if root_name:
        # At the root the first coefficient is next to nothing, and the second all that counts.
        assert root is not None
        at_root = [center == rounded(root, 24) for center in centers]
        lost = [
            [c if here else Real(0) for c, here in zip(columns[0], at_root, strict=True)],
            [
                c - rounded(c, 24) if here else Real(0)
                for c, here in zip(columns[1], at_root, strict=True)
            ],
        ]
        columns[0] = [Real(0) if here else c for c, here in zip(columns[0], at_root, strict=True)]
        groups = [lost, columns]
    print("    {")
    print_row(centers)
    print("    },")
    for group in groups:
        print("    {")
        for column in group:
            print("        {")
            print_row(column)
            print("        },")
        print("    },")
    print("};")


def print_row(values: list[Real]) -> None:
    for i in range(0, len(values), 5):
        print("  " + ", ".join(literal(v, 24) + "f" for v in values[i : i + 5]) + ",")


def print_tables() -> None:
    print(
        HEADER.format(option="--tables").replace(
            '#include "simd/vec.hpp"', '#include "simd/octaves.hpp"\n#include "simd/piecewise.hpp"'
        )
    )
    print("// clang-format off")
    for name, (f, width, degree, both_sides, root) in TABLES.items():
        print_table(name, f, width, degree, both_sides, root)
    for name, (f, degree, root) in OCTAVE_TABLES.items():
        print_octave_table(name, f, degree, root)
    print("// clang-format on")
    print(FOOTER)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coefficients", action="store_true")
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    if arguments.coefficients:
        print_coefficients()
    elif arguments.tables:
        print_tables()
    else:
        print_exponential("float", terms=5, bits=24, high_bits=15)
        print_exponential("double", terms=10, bits=53, high_bits=40)
