import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.image_size import image_size


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_sizes(tmp_path: Path, suffix: str) -> None:
    content = cv2.imencode(suffix, np.zeros((30, 50, 3), dtype=np.uint8))[1].tobytes()
    (tmp_path / "a").write_bytes(content)
    assert image_size(tmp_path / "a") == (50, 30)


def test_an_orientation_is_not_applied(tmp_path: Path) -> None:
    content = cv2.imencode(".jpg", np.zeros((30, 50, 3), dtype=np.uint8))[1].tobytes()
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "a.jpg").write_bytes(content[:2] + segment + content[2:])
    assert image_size(tmp_path / "a.jpg") == (50, 30)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "no such image"),
        (b"", "is empty"),
        (b"\xff\xd8\xff", "not a readable image"),
        (b"\xff\xd8\xff\xe1\x00\x00", "not a readable image"),
        (b"\x89PNG\r\n\x1a\n", "not a readable image"),
        (b"text", "not a readable image"),
    ],
    ids=str,
)
def test_no_image(tmp_path: Path, content: bytes | None, error: str) -> None:
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=error):
        image_size(tmp_path / "a")
