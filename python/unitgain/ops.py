"""Operations on arrays."""

from unitgain._native import PackedMatrix, matmul

__all__ = ["PackedMatrix", "matmul"]
