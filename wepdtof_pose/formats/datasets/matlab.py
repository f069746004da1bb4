"""Variables of MATLAB files of versions 5 to 7: arrays of numbers, texts, cells and structs.

Written out here because scipy's reader, in C, ends the whole program on some damaged files.
Source: MathWorks, "MAT-File Level 5 File Format".
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_bytes

LARGEST = 2**28
"""Bytes that a variable may have unpacked; LSPET's has 3.4 million, MPII's some 150."""

DEEPEST = 20
"""How deep cells and structs may be nested; MPII's are 7 deep."""

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
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _TEXT = 1, 2, 4
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x0800
_MOST_DIMENSIONS = 32


def read_array(path: Path, name: str) -> np.ndarray:
    """Return the array of numbers of that name, in the type in which the file stores it.

    Raises:
        InputError: the file is missing, unreadable, no such file, cut short, or lacks the array.
    """
    array = read_variable(path, name)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: has no array of numbers {name!r}")
    return array


def read_variable(path: Path, name: str) -> Any:
    """Return the variable of that name.

    An array of numbers is a numpy array, a text a str, a cell array a flat list, and a struct array
    a flat list of dicts by field (one of one element too); a single number in these is a number of
    Python. What else there is, such as sparse and complex arrays, is None, and so is a variable
    that is not there.

    Raises:
        InputError: the file is missing, unreadable, no such file or cut short.
    """
    content = read_bytes(path, kind="MATLAB")
    if content.startswith(b"\x89HDF") or content[512:516] == b"\x89HDF":
        raise InputError(f"{path}: is MATLAB 7.3 (HDF5): save it with version 7")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise InputError(f"{path}: is not a readable MATLAB file")
    try:
        for kind, data in _elements(memoryview(content)[128:], order):
            if kind == _COMPRESSED:
                kind, data = _next(_elements(_unpacked(data), order))
            if kind == _MATRIX and _title(data, order) == name.encode():
                return _value(data, order)
    except (_Broken, struct.error, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not a readable MATLAB file: {error}") from None
    return None


class _Broken(Exception):
    """What is wrong with the bytes."""


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield type and data of each element; short ones have both in the 8 bytes of a tag."""
    position = 0
    tag = struct.Struct(f"{order}II")
    while position + 8 <= len(content):
        kind, size = tag.unpack_from(content, position)
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


def _next(parts: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    part = next(parts, None)
    if part is None:
        raise _Broken("an element has too few parts")
    return part


def _unpacked(data: memoryview) -> memoryview:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, LARGEST)
    if unpacker.unconsumed_tail:
        raise _Broken("a variable is too large")
    return memoryview(content)


def _title(data: memoryview, order: str) -> bytes:
    parts = _elements(data, order)
    _next(parts), _next(parts)
    return bytes(_next(parts)[1])


def _value(data: memoryview, order: str, depth: int = 0) -> Any:
    """Return the value of a matrix element."""
    if depth > DEEPEST:
        raise _Broken("it is nested too deeply")
    if not data:
        return np.zeros((0, 0))
    parts = _elements(data, order)
    (word,) = struct.unpack_from(f"{order}I", _next(parts)[1])
    shape = _next(parts)[1]
    dims = struct.unpack(f"{order}{len(shape) // 4}i", shape)
    title = bytes(_next(parts)[1]).decode("ascii", "replace")
    if min(dims, default=0) < 0 or not 0 < len(dims) <= _MOST_DIMENSIONS:
        raise _Broken(f"{title!r} has {len(dims)} dimensions or a negative one")
    kind, count = word & 0xFF, math.prod(dims)
    if kind in (_CELL, _STRUCT):
        fields = _field_names(parts, order) if kind == _STRUCT else []
        items = (_value(part, order, depth + 1) for _, part in parts)
        if kind == _CELL:
            return _exactly(list(items), count)
        values = _exactly(list(items), count * len(fields))
        width = len(fields)
        return [
            dict(zip(fields, values[row * width : (row + 1) * width], strict=True))
            for row in range(count if width else 0)
        ]
    if kind == _TEXT:
        stored, text = next(parts, (16, memoryview(b"")))
        suffix = ("-le" if order == "<" else "-be") if stored in (4, 17, 18) else ""
        return bytes(text).decode(_ENCODINGS.get(stored, "utf-8") + suffix)
    if kind not in _NUMERIC_CLASSES or word & _COMPLEX:
        return None
    stored, numbers = _next(parts)
    if stored not in _DTYPES:
        raise _Broken(f"{title!r} is of type {stored}")
    dtype = np.dtype(order + _DTYPES[stored])
    if count * dtype.itemsize != len(numbers):
        raise _Broken(f"{title!r} is {dims}, but has {len(numbers)} bytes")
    array = np.frombuffer(numbers, dtype=dtype)
    # MPII has two million single numbers in its structs: an array of each would take a gigabyte.
    return array.item() if depth and count == 1 else array.reshape(dims, order="F")


def _field_names(parts: Iterator[tuple[int, memoryview]], order: str) -> list[str]:
    (length,) = struct.unpack_from(f"{order}i", _next(parts)[1])
    text = bytes(_next(parts)[1])
    if length <= 0 or len(text) % length:
        raise _Broken("the names of a struct's fields are cut short")
    names = [text[start : start + length] for start in range(0, len(text), length)]
    return [name.split(b"\0", 1)[0].decode("latin-1") for name in names]


def _exactly(items: list[Any], count: int) -> list[Any]:
    if len(items) != count:
        raise _Broken(f"it has {len(items)} parts instead of {count}")
    return items
