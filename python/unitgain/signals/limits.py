"""From where on a signal counts as sick: one table, each limit with its reason."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

__all__ = ["LIMITS", "VERDICTS", "Limit", "by_gravity"]

# The verdicts, the gravest first: what overflows cannot be trained at all, what vanishes hardly,
# copies of a unit stay copies; dead and saturated units may wake up. "misconfigured" is a fault
# that shows in how the model is built and fed.
VERDICTS = (
    "exploding",
    "vanishing",
    "symmetric",
    "dying",
    "saturated",
    "misconfigured",
    "healthy",
)


class Limit(NamedTuple):
    """A limit, and why it is that."""

    value: float
    reason: str


LIMITS = MappingProxyType(
    {
        "vanished": Limit(
            1e-3,
            "A signal, or a gradient, of a thousandth: steps at one rate for all layers move the "
            "weights behind it a thousand times slower than those in front. Gains of 0.7 a layer "
            "come to that in twenty layers (Glorot and Bengio, AISTATS 2010).",
        ),
        "exploded": Limit(
            1e3,
            "The same on the other side: a rate that the first layers stand is a thousandth of "
            "what the last ones need. Nets known to train stay below: batch norm's gradients grow "
            "by 1.21 a ReLU layer (Yang et al., ICLR 2019), 45 in twenty; SELU's by 1.035, 31 in "
            "a hundred.",
        ),
        "slope": Limit(
            0.01,
            "A value counts as saturated where the activation's slope is at most a hundredth of "
            "its largest between -3 and 3.",
        ),
        "saturated": Limit(
            0.3,
            "The share of saturated values of an activation that is flat on both sides. With "
            "weights of unit gain it is 0 at first; tanh nets that have learned the digits by "
            "heart come to a quarter.",
        ),
        "saturated_one_side": Limit(
            0.9,
            "The same for activations that are flat on one side: half of the values may be there.",
        ),
        "dead": Limit(
            0.4,
            "The share of units that are zero over all rows: with 40% the rate was too high "
            "(Karpathy, CS231n notes, 2015).",
        ),
        "dead_deviations": Limit(
            4.0,
            "How many deviations of the binomial count the share must lie above that which the "
            "rows' likeness alone gives, too: one false alarm in 30 000 layers. Random weights "
            "leave a unit below 0 for all of B rows of correlation r with the probability "
            "E[Phi(-t sqrt(r / (1 - r)))^B], t normal. Rows come in clusters: B is taken to be the "
            "root of their number.",
        ),
        "alike": Limit(
            0.6,
            "The likeness of rows from which on that probability is taken to be its limit, a half: "
            "deep ReLU nets of random weights make all rows alike, and far from evenly so.",
        ),
        "copies": Limit(
            1e-5,
            "How far, of a column's norm, sums over two units' values may differ for the units to "
            "be copies: some times the rounding of float32.",
        ),
        "update": Limit(
            0.5,
            "The norm of a step's change of a kernel over the kernel's. 0.001 is usual (Karpathy, "
            "CS231n notes, 2015); Adam's first step at its default of 0.001 comes to 0.1 in "
            "kernels of 10 000 inputs. From a half on, two steps replace what was learned.",
        ),
        "beginner": Limit(
            0.1,
            "The gain of a kernel (the root mean square of its values, times the root of the "
            "number of inputs) below which no step is too large: kernels that begin at 0 have to "
            "come to something, and usual ones have gains about 1.",
        ),
        "input_large": Limit(
            10.0,
            "The root mean square of an input column. LeCun, Bottou, Orr and Mueller (Efficient "
            "BackProp, 1998) ask for mean 0 and variance 1; pixels and counts up to 10 do no harm.",
        ),
        "input_small": Limit(0.01, "The same of all inputs together, on the other side."),
    }
)


def by_gravity(verdicts: set[str]) -> list[str]:
    """Return the verdicts, the gravest first; ``healthy`` if there is none."""
    return [verdict for verdict in VERDICTS if verdict in verdicts] or ["healthy"]
