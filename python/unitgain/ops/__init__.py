"""Functions of arrays: NumPy's and Keras's, with derivatives.

They take arrays, and give arrays. A function that is made of them can be differentiated
(:func:`unitgain.grad`), and be a loss, a metric, a regularizer, a layer: it is traced once, and
what it does is native code then, with its derivative.
"""

from __future__ import annotations

from unitgain._native import PackedMatrix
from unitgain.ops import arithmetic, nn, products, reductions, shaping
from unitgain.ops.arithmetic import *
from unitgain.ops.nn import *
from unitgain.ops.products import *
from unitgain.ops.reductions import *
from unitgain.ops.shaping import *
from unitgain.ops.tracing import TraceError

__all__ = ["PackedMatrix", "TraceError"]
__all__ += arithmetic.__all__
__all__ += reductions.__all__
__all__ += shaping.__all__
__all__ += products.__all__
__all__ += nn.__all__
