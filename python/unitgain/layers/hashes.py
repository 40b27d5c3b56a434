"""The hash functions behind Hashing and kin, of TensorFlow's values, and so of Keras's.

Texts are hashed by NumPy, those of one length together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["cross", "fingerprint64", "siphash64"]

Words = NDArray[np.uint64]

_MASK = 2**64 - 1
_K0, _K1, _K2 = (np.uint64(k) for k in (0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F))


def fingerprint64(texts: Sequence[bytes]) -> Words:
    """Return FarmHash's ``Fingerprint64`` of each text.

    Source: Pike, "FarmHash", 2014, https://github.com/google/farmhash, namespace farmhashna.
    """
    return _by_length(texts, _farm_hash)


def siphash64(texts: Sequence[bytes], key: tuple[int, int]) -> Words:
    """Return SipHash-2-4 of each text.

    Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.
    """
    return _by_length(texts, lambda rows: _sip_hash(rows, key))


def cross(columns: Sequence[Words]) -> Words:
    """Return one hash of the hashes of several columns, as TensorFlow's ``cross_hashed``.

    Source: ``FingerprintCat64`` in TensorFlow's ``core/platform/fingerprint.h``, begun with the
    default ``hash_key`` of its sparse operations.
    """
    multiplier = np.uint64(0xC6A4A7935BD1E995)
    made = np.full(len(columns[0]), 956888297470, np.uint64)
    for column in columns:
        made = made ^ multiplier
        made ^= _shift_mix(column * multiplier) * multiplier
        made = _shift_mix(made * multiplier) * multiplier
        made = _shift_mix(made)
    return made


def _by_length(texts: Sequence[bytes], hashed: Callable[[NDArray[np.uint8]], Words]) -> Words:
    """Return the hashes of texts by a function of those of one length, a row of bytes each."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    made = np.empty(len(texts), np.uint64)
    for length in np.unique(lengths).tolist():
        where = np.flatnonzero(lengths == length)
        together = b"".join(texts[i] for i in where.tolist())
        made[where] = hashed(np.frombuffer(together, np.uint8).reshape(len(where), length))
    return made


def _word(rows: NDArray[np.uint8], at: int, size: int = 8) -> Words:
    """Return the unsigned integers that begin at a position of each row."""
    part = np.ascontiguousarray(rows[:, at : at + size]).view(f"<u{size}")
    made: Words = part[:, 0].astype(np.uint64)
    return made


def _rotated_right(x: Words, by: int) -> Words:
    return (x >> np.uint64(by)) | (x << np.uint64(64 - by))


def _shift_mix(x: Words) -> Words:
    return x ^ (x >> np.uint64(47))


def _mixed(u: Words, v: Words, multiplier: Words | np.uint64) -> Words:
    a = _shift_mix((u ^ v) * multiplier)
    return _shift_mix((v ^ a) * multiplier) * multiplier


def _farm_hash(rows: NDArray[np.uint8]) -> Words:
    count, length = rows.shape
    if length > 64:
        return _farm_hash_long(rows)
    if length == 0:
        return np.full(count, _K2)
    multiplier = np.uint64((int(_K2) + 2 * length) & _MASK)
    if length < 4:
        first, middle, last = (rows[:, at].astype(np.uint64) for at in (0, length >> 1, length - 1))
        y = first + (middle << np.uint64(8))
        z = np.uint64(length) + (last << np.uint64(2))
        return _shift_mix(y * _K2 ^ z * _K0) * _K2
    if length < 8:
        u = np.uint64(length) + (_word(rows, 0, 4) << np.uint64(3))
        return _mixed(u, _word(rows, length - 4, 4), multiplier)
    if length <= 16:
        a = _word(rows, 0) + _K2
        b = _word(rows, length - 8)
        c = _rotated_right(b, 37) * multiplier + a
        return _mixed(c, (_rotated_right(a, 25) + b) * multiplier, multiplier)
    a = _word(rows, 0) * (_K1 if length <= 32 else _K2)
    b = _word(rows, 8)
    c = _word(rows, length - 8) * multiplier
    d = _word(rows, length - 16) * _K2
    y = _rotated_right(a + b, 43) + _rotated_right(c, 30) + d
    z = _mixed(y, a + _rotated_right(b + _K2, 18) + c, multiplier)
    if length <= 32:
        return z
    e = _word(rows, 16) * multiplier
    f = _word(rows, 24)
    g = (y + _word(rows, length - 32)) * multiplier
    h = (z + _word(rows, length - 24)) * multiplier
    u = _rotated_right(e + f, 43) + _rotated_right(g, 30) + h
    return _mixed(u, e + _rotated_right(f + a, 18) + g, multiplier)


def _farm_hash_long(rows: NDArray[np.uint8]) -> Words:
    """Return the hashes of more than 64 bytes: a state of 56 bytes goes over blocks of 64."""
    count, length = rows.shape
    y = np.full(count, (81 * int(_K1) + 113) & _MASK, np.uint64)
    z = _shift_mix(y * _K2 + np.uint64(113)) * _K2
    x = np.full(count, (81 * int(_K2)) & _MASK, np.uint64) + _word(rows, 0)
    v = w = (np.zeros(count, np.uint64), np.zeros(count, np.uint64))

    def absorb(at: int, multiplier: Words | np.uint64, nine: np.uint64) -> None:
        nonlocal x, y, z, v, w
        x = _rotated_right(x + y + v[0] + _word(rows, at + 8), 37) * multiplier
        y = _rotated_right(y + v[1] + _word(rows, at + 48), 42) * multiplier
        x = x ^ (w[1] * nine)
        y = y + v[0] * nine + _word(rows, at + 40)
        z = _rotated_right(z + w[0], 33) * multiplier
        v = _weak_hash(rows, at, v[1] * multiplier, x + w[0])
        w = _weak_hash(rows, at + 32, z + w[1], y + _word(rows, at + 16))
        x, z = z, x

    for at in range(0, (length - 1) // 64 * 64, 64):
        absorb(at, _K1, np.uint64(1))
    multiplier = _K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    w = (w[0] + np.uint64((length - 1) & 63), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    absorb(length - 64, multiplier, np.uint64(9))
    first = _mixed(v[0], w[0], multiplier) + _shift_mix(y) * _K0 + z
    return _mixed(first, _mixed(v[1], w[1], multiplier) + x, multiplier)


def _weak_hash(rows: NDArray[np.uint8], at: int, a: Words, b: Words) -> tuple[Words, Words]:
    first, second, third, fourth = (_word(rows, at + 8 * i) for i in range(4))
    a = a + first
    b = _rotated_right(b + a + fourth, 21)
    total = a + second + third
    return total + fourth, b + _rotated_right(total, 44) + a


def _sip_hash(rows: NDArray[np.uint8], key: tuple[int, int]) -> Words:
    count, length = rows.shape
    padded = np.zeros((count, length // 8 * 8 + 8), np.uint8)
    padded[:, :length] = rows
    padded[:, -1] = length & 0xFF
    begin = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = [
        np.full(count, constant ^ (key[i % 2] & _MASK), np.uint64)
        for i, constant in enumerate(begin)
    ]
    for at in range(0, padded.shape[1], 8):
        word = _word(padded, at)
        state[3] = state[3] ^ word
        state = _sip_round(_sip_round(state))
        state[0] = state[0] ^ word
    state[2] = state[2] ^ np.uint64(0xFF)
    for _ in range(4):
        state = _sip_round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_round(state: list[Words]) -> list[Words]:
    def rotated(x: Words, by: int) -> Words:
        return _rotated_right(x, 64 - by)

    v0, v1, v2, v3 = state
    v0, v2 = v0 + v1, v2 + v3
    v1, v3 = rotated(v1, 13) ^ v0, rotated(v3, 16) ^ v2
    v0, v2 = rotated(v0, 32) + v3, v2 + v1
    v1, v3 = rotated(v1, 17) ^ v2, rotated(v3, 21) ^ v0
    return [v0, v1, rotated(v2, 32), v3]
