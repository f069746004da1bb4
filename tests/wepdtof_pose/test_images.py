import io
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from wepdtof_pose.errors import InputError
from wepdtof_pose.images import (
    decode_image,
    image_file,
    image_size,
    read_image,
    read_pages,
    require_own_file,
    write_image,
)

CORNERS = np.zeros((30, 50, 3), dtype=np.uint8)
CORNERS[:10, :10], CORNERS[:10, 40:], CORNERS[20:, :10] = (250, 250, 250), (0, 0, 250), (250, 0, 0)


def with_orientation(kind: str, orientation: int) -> bytes:
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(CORNERS[..., ::-1]).save(stream, kind, exif=exif, **options)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
def test_sizes(tmp_path: Path, suffix: str) -> None:
    content = cv2.imencode(suffix, np.zeros((30, 50, 3), dtype=np.uint8))[1].tobytes()
    (tmp_path / "a").write_bytes(content)
    assert image_size(tmp_path / "a") == (50, 30)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_read_as_they_are_shown(tmp_path: Path, kind: str, orientation: int) -> None:
    content = with_orientation(kind, orientation)
    (tmp_path / "a").write_bytes(content)
    with Image.open(io.BytesIO(content)) as image:
        shown = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))[..., ::-1]
    read = read_image(tmp_path / "a")
    assert read.shape == shown.shape
    assert image_size(tmp_path / "a") == shown.shape[1::-1]
    # Two decoders of JPEG differ by a few levels.
    assert np.abs(read.astype(int) - shown).mean() < 2


def test_a_marked_point_of_a_turned_photo() -> None:
    stored = np.zeros((120, 160, 3), dtype=np.uint8)
    stored[67 - 2 : 67 + 3, 62 - 2 : 62 + 3] = 255
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(stored).save(stream, "PNG", exif=exif)
    shown = decode_image(stream.getvalue(), "a.png")
    assert shown.shape == (160, 120, 3)
    assert np.argwhere(shown[..., 0] > 128).mean(axis=0).tolist() == [62, 52]


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_pixels_keep_their_colours(tmp_path: Path, kind: str, orientation: int) -> None:
    pixels = np.dstack([CORNERS[..., ::-1], np.full((30, 50), 255, np.uint8)])
    pixels[:, :5, 3], pixels[:, 45:, 3] = 0, 128
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    Image.fromarray(pixels).save(tmp_path / "a", kind, exif=exif, **options)
    expected = CORNERS if orientation == 1 else np.rot90(CORNERS, -1)
    np.testing.assert_array_equal(read_image(tmp_path / "a"), expected)
    if kind == "TIFF":
        (page,) = read_pages(tmp_path / "a", 1)
        np.testing.assert_array_equal(page, expected)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_deep_pictures_use_the_whole_range(suffix: str, bits: int) -> None:
    levels = np.linspace(0, 2**bits - 1, 256).astype(np.uint16)[None].repeat(4, axis=0)
    if suffix == ".pgm":
        content = b"P5 256 4 65535\n" + levels.astype(">u2").tobytes()
    else:
        content = cv2.imencode(suffix, levels)[1].tobytes()
    read = decode_image(content, "a")
    np.testing.assert_allclose(read[0, :, 0], np.arange(256), atol=1)
    assert read.max() == 255


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "no such image"),
        (b"", "is empty"),
        (b"\xff\xd8\xff", "not a readable image: it is cut short"),
        (b"\xff\xd8\xff\xe1\x00\x00", "not a readable image: it is cut short"),
        (b"\x89PNG\r\n\x1a\n", "not a readable image: it is cut short"),
        (b"<html>", "not a readable image: it is a web page: download"),
        (b"version https://git-lfs.github.com/spec/v1", "it is a Git LFS pointer.*git lfs pull"),
        (b'{"error": "no such key"}', 'it is a text that begins \'{"error"'),
        (bytes(500), "it is nothing but zeros"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "it is HEIC.*convert it to JPEG or PNG"),
        (b"PK\x03\x04\x14\x00\xff", "it is a zip file: unpack it"),
        (cv2.imencode(".tiff", np.ones((8, 8), np.float32))[1].tobytes(), "as whole numbers of 8"),
    ],
    ids=[
        *("missing", "empty", "start", "segment", "PNG", "page", "pointer", "text", "zeros"),
        *("HEIC", "zip", "float"),
    ],
)
def test_no_image(tmp_path: Path, content: bytes | None, error: str) -> None:
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=error):
        read_image(tmp_path / "a")
    if content is None or len(content) < 10:
        with pytest.raises(InputError, match=error):
            image_size(tmp_path / "a")


def test_a_link_that_was_copied_as_text_is_said(tmp_path: Path) -> None:
    """As git leaves a linked folder of images where links are switched off."""
    (tmp_path / "images").write_text("../other/images")
    with pytest.raises(InputError, match=r"no such image: .*images is a file, not a folder"):
        read_image(tmp_path / "images" / "a" / "1.jpg")


@pytest.mark.parametrize(
    ("there", "named"),
    [("IMG_1.jpg", "img_1.JPG"), ("cafe\u0301.jpg", "caf\u00e9.jpg"), ("a b.jpg", "a%20b.jpg")],
    ids=["case", "accent", "space"],
)
def test_an_image_of_another_spelling_is_named(tmp_path: Path, there: str, named: str) -> None:
    (tmp_path / there).touch()
    with pytest.raises(InputError, match=r"no such image, but .* is there, spelled") as raised:
        read_image(tmp_path / named)
    assert ascii(there) in str(raised.value)
    # Of two nobody knows which is meant.
    (tmp_path / f"{there} ").touch()
    with pytest.raises(InputError, match=r"no such image$"):
        read_image(tmp_path / named)


def bomb(width: int, height: int) -> bytes:
    """A small JPEG whose header states other sizes than it has."""
    content = cv2.imencode(".jpg", np.full((64, 64, 3), 90, dtype=np.uint8))[1].tobytes()
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


@pytest.mark.parametrize("size", [None, (64, 64)])
def test_the_header_is_looked_at_before_pixels_take_memory(
    tmp_path: Path, size: tuple[int, int] | None
) -> None:
    sides = (30000, 30000) if size is None else (12000, 12000)
    (tmp_path / "bomb.jpg").write_bytes(bomb(*sides))
    code = f"""
from pathlib import Path
from wepdtof_pose.errors import InputError
from wepdtof_pose.images import read_image
try:
    read_image(Path({str(tmp_path / "bomb.jpg")!r}), size={size})
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wanted = "178,956,970 pixels" if size is None else "12000 x 12000 pixels, but its data set says"
    assert wanted in done.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_a_size_that_differs_is_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a").write_bytes(with_orientation(kind, 6))
    assert read_image(tmp_path / "a", size=(30, 50)).shape == (50, 30, 3)
    with pytest.raises(InputError, match=r"30 x 50 pixels, .* 50 x 30 .*EXIF orientation 6"):
        read_image(tmp_path / "a", size=(50, 30))


@pytest.mark.parametrize(
    "name", ["../a.jpg", "x/../../a.jpg", "..\\a.jpg", "/a.jpg", "\\a.jpg", "C:\\a.jpg", "c:a.jpg"]
)
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="leads out of the image folder"):
        image_file(tmp_path, name)


@pytest.mark.parametrize("name", ["a.jpg", "x/a..jpg", "..a/b.jpg", "x\\a.jpg", "ab:c.jpg", "./a"])
def test_names_that_stay(tmp_path: Path, name: str) -> None:
    assert image_file(tmp_path, name) == tmp_path / name


def test_links(tmp_path: Path) -> None:
    root = tmp_path / "set" / "images"
    (root / "train").mkdir(parents=True)
    (tmp_path / "set" / "originals").mkdir()
    write_image(tmp_path / "set" / "originals" / "a.png", CORNERS)
    (tmp_path / "key").write_text("secret")
    (root / "train" / "inside.png").symlink_to("../../originals/a.png")
    (root / "key.png").symlink_to(tmp_path / "key")
    (root / "folder").symlink_to(tmp_path)
    assert read_image(image_file(root / "train", "inside.png")).shape == (30, 50, 3)
    for name in ("key.png", "folder/key"):
        with pytest.raises(InputError, match="is a link out of the data set"):
            image_file(root, name)
    # The folder of all images may be a link itself.
    (tmp_path / "other").symlink_to(root)
    assert image_file(tmp_path / "other", "train/inside.png").is_file()


def test_pipes_and_devices_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for read in (read_image, image_size):
        with pytest.raises(InputError, match="is a pipe, not an image file"):
            read(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match="is a device"):
        require_own_file(Path("/dev/zero"), Path("/dev"))
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)


def test_round_trip_under_a_name_that_is_not_ascii(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    write_image(tmp_path / "Bild 名.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "Bild 名.png"), image)


@pytest.mark.parametrize("name", ["a.png", "images/a.png"])
def test_the_folder_of_the_images_may_be_a_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    write_image(tmp_path / "elsewhere" / "a.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "images").symlink_to(tmp_path / "elsewhere")
    root = tmp_path / "set" if "/" in name else tmp_path / "set" / "images"
    assert image_file(root, name) == root / name
    (tmp_path / "private.png").write_bytes(b"")
    (tmp_path / "elsewhere" / "b.png").symlink_to(tmp_path / "private.png")
    with pytest.raises(InputError, match="is a link out of the data set"):
        image_file(root, name.replace("a.png", "b.png"))


@pytest.mark.parametrize(
    ("kind", "words"),
    [("TGA", "TGA, which is not read"), ("MP4", "a film"), ("AVI", "a film"), ("EXR", "range")],
)
def test_pictures_that_are_not_read_are_named(kind: str, words: str) -> None:
    stream = io.BytesIO()
    if kind == "TGA":
        Image.fromarray(CORNERS).save(stream, kind)
    starts = {"MP4": b"\0\0\0\x18ftypmp42", "AVI": b"RIFF\0\0\0\0AVI LIST", "EXR": b"v/1\x01"}
    content = stream.getvalue() or starts[kind] + bytes(200)
    with pytest.raises(InputError, match=f"a: is not a readable image: it is .*{words}"):
        decode_image(content, "a")
