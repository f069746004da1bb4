"""Width and height of an image from its first bytes, without decoding it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import missing_image, read_image

_PNG = b"\x89PNG\r\n\x1a\n"
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_NO_FRAME = {0xC4, 0xC8, 0xCC}


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels as stored: an EXIF orientation is not applied.

    JPEG and PNG give them in their headers; any other image is decoded.

    Raises:
        InputError: it is missing, unreadable, or no image.
    """
    try:
        with path.open("rb") as stream:
            size = _png_size(stream) or _jpeg_size(stream)
    except FileNotFoundError:
        raise InputError(missing_image(path)) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if size is None:
        height, width = read_image(path).shape[:2]
        return width, height
    return size


def _png_size(stream: BinaryIO) -> tuple[int, int] | None:
    head = stream.read(24)
    if len(head) < 24 or not head.startswith(_PNG) or head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", head[16:24])
    return (width, height) if 0 < width < 2**31 and 0 < height < 2**31 else None


def _jpeg_size(stream: BinaryIO) -> tuple[int, int] | None:
    stream.seek(0)
    if stream.read(2) != b"\xff\xd8":
        return None
    while True:
        start = stream.read(2)
        if len(start) < 2 or start[0] != 0xFF:
            return None
        marker = start[1]
        while marker == 0xFF:  # fill bytes
            following = stream.read(1)
            if not following:
                return None
            marker = following[0]
        if marker in _STANDALONE:
            continue
        head = stream.read(2)
        if len(head) < 2:
            return None
        length = struct.unpack(">H", head)[0]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            frame = stream.read(5)
            if len(frame) < 5:
                return None
            height, width = struct.unpack(">xHH", frame)
            return (width, height) if width and height else None
        if length < 2:
            return None
        stream.seek(length - 2, 1)
