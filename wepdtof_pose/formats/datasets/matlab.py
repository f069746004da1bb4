"""Arrays of numbers in MATLAB files of versions 5 to 7.

Written out here because scipy's reader, in C, ends the whole program on some damaged files.
Source: MathWorks, "MAT-File Level 5 File Format".
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wepdtof_pose.errors import InputError

LARGEST = 2**28
"""Bytes that a variable may have unpacked; LSPET's has 3.4 million."""

_DTYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x0800


def read_array(path: Path, name: str) -> np.ndarray:
    """The array of numbers of that name, in the type in which the file stores it.

    Raises:
        InputError: the file is missing, unreadable, no such file, cut short, or lacks the array.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if content.startswith(b"\x89HDF") or content[512:516] == b"\x89HDF":
        raise InputError(f"{path}: is MATLAB 7.3 (HDF5): save it with version 7")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise InputError(f"{path}: is not a readable MATLAB file")
    try:
        for kind, data in _elements(content[128:], order):
            if kind == _COMPRESSED:
                kind, data = next(_elements(_unpacked(data), order))
            array = _array(data, name, order) if kind == _MATRIX else None
            if array is not None:
                return array
    except (_Broken, StopIteration, struct.error, zlib.error) as error:
        raise InputError(f"{path}: is not a readable MATLAB file: {error}") from None
    raise InputError(f"{path}: has no array of numbers {name!r}")


class _Broken(Exception):
    """What is wrong with the bytes."""


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of each element; short ones have both in the 8 bytes of a tag."""
    position = 0
    while position + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, position)
        start, step = position + 8, 8 + size
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            start, step = position + 4, 8
            if size > 4:
                raise _Broken("a short element is too long")
        elif kind != _COMPRESSED:
            step += -size % 8
        if start + size > len(content):
            raise _Broken("it is cut short")
        yield kind, content[start : start + size]
        position += step


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, LARGEST)
    if unpacker.unconsumed_tail:
        raise _Broken("a variable is too large")
    return content


def _array(data: bytes, name: str, order: str) -> np.ndarray | None:
    """The array of a matrix element of that name; None where it is another variable."""
    parts = _elements(data, order)
    _, flags = next(parts)
    _, shape = next(parts)
    _, title = next(parts)
    word = struct.unpack_from(f"{order}I", flags)[0]
    if title != name.encode() or word & 0xFF not in _NUMERIC_CLASSES or word & _COMPLEX:
        return None
    kind, numbers = next(parts)
    dims = struct.unpack(f"{order}{len(shape) // 4}i", shape)
    if kind not in _DTYPES:
        raise _Broken(f"{name!r} is of type {kind}")
    dtype = np.dtype(order + _DTYPES[kind])
    if min(dims, default=0) < 0 or math.prod(dims) * dtype.itemsize != len(numbers):
        raise _Broken(f"{name!r} is {dims}, but has {len(numbers)} bytes")
    return np.frombuffer(numbers, dtype=dtype).reshape(dims, order="F")
