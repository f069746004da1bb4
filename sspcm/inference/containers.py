"""What the files of videos say about how they are shown, which OpenCV does not tell.

MP4 and QuickTime files are trees of boxes (ISO/IEC 14496-12): size, kind, content. Editors that
trim a video may leave what they cut off in the file, and list what is to be shown; a matrix says
how a picture is turned or mirrored.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wepdtof_pose.errors import InputError

_LARGEST = 2**28
"""Bytes of a movie's description that are read: those of days of video have less."""
_FIRST = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid"})
"""Kinds of boxes with which MP4 and QuickTime files begin."""
_DAMAGED = (ArithmeticError, LookupError, OSError, StopIteration, ValueError, struct.error)


def shown_seconds(path: Path) -> float:
    """Return how much of an MP4 or QuickTime video is shown by its edit list; 0 if it has none."""
    with suppress(*_DAMAGED):  # damaged files are for the decoder to judge
        return _edited_seconds(_movie(path))
    return 0.0


def has_video(path: Path) -> bool | None:
    """Return whether a track of an MP4 or QuickTime file is a video; None of other files.

    A cover picture is no track.
    """
    with suppress(*_DAMAGED):
        kinds = [dict(_boxes(parts[b"mdia"]))[b"hdlr"][8:12] for parts in _tracks(_movie(path))]
        return b"vide" in kinds if kinds else None
    return None


def is_mirrored(path: Path) -> bool:
    """Return whether an MP4 or QuickTime file says that its video is shown mirrored.

    OpenCV turns pictures as the file says, and does not mirror them.
    """
    with suppress(*_DAMAGED):
        movie = _movie(path)
        whole = _determinant(dict(_boxes(movie))[b"mvhd"], 20)
        for parts in _tracks(movie):
            if dict(_boxes(parts[b"mdia"]))[b"hdlr"][8:12] == b"vide":
                return whole * _determinant(parts[b"tkhd"], 24) < 0
    return False


def mirror_of(path: Path, turned: float) -> int | None:
    """Return how `cv2.flip` makes decoded frames those that viewers show; None for no mirror.

    OpenCV has turned them by then, so that rows (or columns, after a quarter turn) run as shown.

    Args:
        path: the video.
        turned: degrees by which OpenCV turns its frames.

    Raises:
        InputError: the angle is no multiple of 90.
    """
    degrees = round(turned)
    if degrees % 90:
        raise InputError(
            f"{path}: says that it is shown turned by {degrees} degrees, which is not supported: "
            "encode it anew as it is shown"
        )
    if not is_mirrored(path):
        return None
    return 1 if degrees % 180 else 0


def _movie(path: Path) -> bytes:
    """Return the description of the movie in an MP4 or QuickTime file; nothing of other files."""
    with path.open("rb") as stream:
        first = True
        while len(head := stream.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if first and kind not in _FIRST:
                break
            first = False
            if size == 1:  # the size follows, in 8 bytes
                size = struct.unpack(">Q", stream.read(8))[0] - 8
            if kind == b"moov":
                return stream.read(min(size - 8, _LARGEST) if size else _LARGEST)
            if size < 8:
                break
            stream.seek(size - 8, os.SEEK_CUR)
    return b""


def _edited_seconds(movie: bytes) -> float:
    boxes = dict(_boxes(movie))
    for parts in _tracks(movie):
        media, edits = dict(_boxes(parts[b"mdia"])), dict(_boxes(parts.get(b"edts", b"")))
        if media[b"hdlr"][8:12] != b"vide" or b"elst" not in edits:
            continue
        header, listed = boxes[b"mvhd"], edits[b"elst"]
        (scale,) = struct.unpack_from(">I", header, 20 if header[0] else 12)
        entry = ">Qq4x" if listed[0] else ">Ii4x"
        # An entry at -1 is a pause before the video.
        found = struct.iter_unpack(entry, listed[8:])
        return sum(length for length, start in found if start >= 0) / scale
    return 0.0


def _tracks(movie: bytes) -> Iterator[dict[bytes, bytes]]:
    return (dict(_boxes(content)) for kind, content in _boxes(movie) if kind == b"trak")


def _determinant(header: bytes, times: int) -> int:
    """Return the determinant of the matrix in the header of a movie or a track.

    Its `times` are version, times and duration: so many bytes, and in version 1 twelve more.
    """
    times += 12 if header[0] else 0
    a, b, _, c, d = struct.unpack_from(">5i", header, times + 16)
    return int(a * d - b * c)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kinds and contents of the boxes in a box of MP4 and QuickTime files."""
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        yield kind, content[place + 8 : place + size]
        place += max(size, 8)
