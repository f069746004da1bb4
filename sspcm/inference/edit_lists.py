"""What the edit list of an MP4 or QuickTime video says: how much of what is stored is shown.

Files are trees of boxes (ISO/IEC 14496-12): size, kind, content. Editors that trim a video may
leave what they cut off in the file, and list what is to be shown.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

_SUFFIXES = frozenset({".mp4", ".mov", ".m4v"})
_LARGEST = 2**28
"""Bytes of a movie's description that are read: those of days of video have less."""


def shown_seconds(path: Path) -> float:
    """Return how much of an MP4 or QuickTime video is shown by its edit list; 0 if it has none."""
    if path.suffix.lower() not in _SUFFIXES:
        return 0.0
    try:
        with path.open("rb") as stream:
            while len(head := stream.read(8)) == 8:
                size, kind = struct.unpack(">I4s", head)
                if size == 1:  # the size follows, in 8 bytes
                    size = struct.unpack(">Q", stream.read(8))[0] - 8
                if size < 8:
                    return 0.0
                if kind == b"moov":
                    return _edited_seconds(stream.read(min(size - 8, _LARGEST)))
                stream.seek(size - 8, os.SEEK_CUR)
    # Damaged files are for the decoder to judge.
    except (ArithmeticError, LookupError, OSError, ValueError, struct.error):
        pass
    return 0.0


def _edited_seconds(movie: bytes) -> float:
    boxes = dict(_boxes(movie))
    for track in (content for kind, content in _boxes(movie) if kind == b"trak"):
        parts = dict(_boxes(track))
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


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kinds and contents of the boxes in a box of MP4 and QuickTime files."""
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        yield kind, content[place + 8 : place + size]
        place += max(size, 8)
