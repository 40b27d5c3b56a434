"""Compute the constants of cpp/src/simd/math.hpp and print them as C++ writes them.

``python tests/fit_polynomials.py`` needs mpmath. q in exp r = 1 + r + r^2 q(r) is interpolated at
the Chebyshev points of the reduced range, which is close to the best polynomial of its degree. The
fraction for tanh is Lambert's continued fraction, cut off.
"""

import mpmath

mpmath.mp.prec = 200


def rounded(value: mpmath.mpf, bits: int) -> mpmath.mpf:
    with mpmath.workprec(bits):
        return +value


def q(r: mpmath.mpf) -> mpmath.mpf:
    if abs(r) < mpmath.mpf(10) ** -12:
        return mpmath.mpf(1) / 2 + r / 6 + r * r / 24
    return (mpmath.expm1(r) - r) / r**2


def print_exponential(name: str, terms: int, bits: int, high_bits: int) -> None:
    limit = mpmath.mpf("0.3475")
    coefficients, error = mpmath.chebyfit(q, [-limit, limit], terms, error=True)
    relative = mpmath.log(error * limit**2 / mpmath.exp(-limit), 2)
    print(f"{name}: exp r has a relative error below 2^{mpmath.nstr(relative, 4)}")
    for c in reversed(coefficients):
        print("  exp_polynomial", float(rounded(c, bits)).hex())
    high = rounded(mpmath.ln2, high_bits)
    print("  ln2_high", float(high).hex())
    print("  ln2_low ", float(rounded(mpmath.ln2 - high, bits)).hex())
    print("  log2_e  ", float(rounded(1 / mpmath.ln2, bits)).hex())


def lambert(levels: int) -> tuple[list[int], list[int]]:
    """Return tanh x / x = P(x^2) / Q(x^2), the convergent of that many levels."""

    def add(a: list[int], b: list[int]) -> list[int]:
        length = max(len(a), len(b))
        a, b = a + [0] * (length - len(a)), b + [0] * (length - len(b))
        return [x + y for x, y in zip(a, b, strict=True)]

    numerator, denominator = [2 * levels - 1], [1]
    for k in range(levels - 1, 0, -1):
        scaled = [(2 * k - 1) * c for c in numerator]
        numerator, denominator = add(scaled, [0, *denominator]), numerator
    return denominator, numerator


def print_tanh(levels: int) -> None:
    p, q = lambert(levels)
    difference = [a - b for a, b in zip(p + [0] * (len(q) - len(p)), q, strict=True)]
    x = mpmath.mpf("0.625")
    value = x * mpmath.polyval(p[::-1], x * x) / mpmath.polyval(q[::-1], x * x)
    error = mpmath.log(abs(value / mpmath.tanh(x) - 1), 2)
    print(f"tanh, {levels} levels: relative error 2^{mpmath.nstr(error, 4)} at 0.625")
    print("  (P - Q) / x^2", difference[1:], "Q", q)


if __name__ == "__main__":
    print_exponential("float", terms=5, bits=24, high_bits=15)
    print_exponential("double", terms=10, bits=53, high_bits=40)
    print_tanh(5)
    print_tanh(8)
