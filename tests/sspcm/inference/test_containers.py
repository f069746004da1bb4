"""Videos that are shown mirrored or turned, and files of sound with a cover picture."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from sspcm.commands.main import main
from sspcm.inference.containers import has_video, is_mirrored
from sspcm.inference.frames import Frame, FrameReader, find_sources

COLOURS = {"r": (0, 0, 255), "g": (0, 255, 0), "b": (255, 0, 0), "k": (0, 0, 0)}


def write_video(path: Path, frames: int = 4) -> Path:
    """Write a video of 64 x 48 whose quarters are red, green / blue, black."""
    code = cv2.VideoWriter.fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
    writer = cv2.VideoWriter(str(path), code, 10, (64, 48))
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    for colour, (y, x) in zip("rgb", ((0, 0), (0, 32), (24, 0)), strict=True):
        image[y : y + 24, x : x + 32] = COLOURS[colour]
    for _ in range(frames):
        writer.write(image)
    writer.release()
    return path


def read(path: Path) -> tuple[FrameReader, list[Frame]]:
    (source,) = find_sources([path]).sources
    reader = FrameReader(source)
    return reader, list(reader)


def quarters(image: np.ndarray) -> str:
    """The colours of the quarters of an image: top left and right, bottom left and right."""
    height, width = image.shape[:2]
    found = ""
    for y, x in ((1, 1), (1, 3), (3, 1), (3, 3)):
        pixel = image[y * height // 4, x * width // 4].astype(int)
        found += min(COLOURS, key=lambda name: np.abs(pixel - COLOURS[name]).sum())
    return found


def with_matrix(path: Path, header: bytes, *numbers: float) -> None:
    """Write a, b, c, d of the matrix into the header (tkhd, mvhd) of an MP4 file."""
    content = bytearray(path.read_bytes())
    place = content.index(header) + 4 + {b"tkhd": 40, b"mvhd": 36}[header]
    whole = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    assert struct.unpack_from(">9i", content, place) == whole
    a, b, c, d = (round(0x10000 * number) for number in numbers)
    struct.pack_into(">5i", content, place, a, b, 0, c, d)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), "rgbk"),
        ((-1, 0, 0, 1), "grkb"),
        ((1, 0, 0, -1), "bkrg"),
        ((-1, 0, 0, -1), "kbgr"),
        ((0, 1, -1, 0), "brkg"),
        ((0, -1, 1, 0), "gkrb"),
        ((0, 1, 1, 0), "rbgk"),
        ((0, -1, -1, 0), "kgbr"),
    ],
)
@pytest.mark.parametrize("header", [b"tkhd", b"mvhd"])
def test_frames_are_turned_and_mirrored_as_the_file_says(
    tmp_path: Path, header: bytes, matrix: tuple[int, ...], shown: str
) -> None:
    path = write_video(tmp_path / "clip.mp4")
    with_matrix(path, header, *matrix)
    reader, frames = read(path)
    assert [quarters(frame.image) for frame in frames] == [shown] * 4
    assert frames[0].image.shape == ((48, 64, 3) if matrix[0] else (64, 48, 3))
    assert reader.problem is None
    assert is_mirrored(path) == (matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0)


def test_a_mirror_of_the_track_and_one_of_the_movie_undo_each_other(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")
    with_matrix(path, b"tkhd", -1, 0, 0, 1)
    with_matrix(path, b"mvhd", -1, 0, 0, 1)
    assert quarters(read(path)[1][0].image) == "rgbk"


def test_an_angle_that_cannot_be_shown_is_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")
    with_matrix(path, b"tkhd", 0.7071, 0.7071, -0.7071, 0.7071)
    reader, frames = read(path)
    assert not frames
    assert "clip.mp4: says that it is shown turned by 45 degrees" in str(reader.problem)


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def cover() -> bytes:
    """A picture in the form in which MP4 files of music hold it."""
    jpeg = cv2.imencode(".jpg", np.full((60, 60, 3), 90, dtype=np.uint8))[1].tobytes()
    data = box(b"data", struct.pack(">2I", 13, 0), jpeg)
    handler = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    listed = box(b"ilst", box(b"covr", data))
    return box(b"udta", box(b"meta", bytes(4), handler, listed))


def sound(*more: bytes) -> bytes:
    """An MP4 file with a second of silence, and more boxes in its description."""
    count, matrix = 8000, struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    kind = box(b"ftyp", b"M4A ", bytes(4), b"M4A isom")
    movie = box(
        b"mvhd",
        struct.pack(">5IIH", 0, 0, 0, 1000, 1000, 0x10000, 0x100) + bytes(10) + matrix,
        bytes(24) + struct.pack(">I", 2),
    )
    track = box(
        b"tkhd",
        struct.pack(">6I", 7, 0, 0, 1, 0, 1000) + bytes(8) + struct.pack(">4H", 0, 0, 0x100, 0),
        matrix + bytes(8),
    )
    sample = box(
        b"sowt",
        bytes(6) + struct.pack(">H8x4HI", 1, 1, 16, 0, 0, count << 16),
    )
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">2I", 0, 1), sample),
        box(b"stts", struct.pack(">4I", 0, 1, count, 1)),
        box(b"stsc", struct.pack(">5I", 0, 1, 1, count, 1)),
        box(b"stsz", struct.pack(">3I", 0, 2, count)),
        box(b"stco", struct.pack(">3I", 0, 1, len(kind) + 8)),
    )
    place = box(b"dinf", box(b"dref", struct.pack(">2I", 0, 1), box(b"url ", b"\0\0\0\1")))
    media = box(
        b"mdia",
        box(b"mdhd", struct.pack(">5IHH", 0, 0, 0, count, count, 0x55C4, 0)),
        box(b"hdlr", bytes(8), b"soun", bytes(14)),
        box(b"minf", box(b"smhd", bytes(8)), place, table),
    )
    described = box(b"moov", movie, box(b"trak", track, media), *more)
    return kind + box(b"mdat", bytes(2 * count)) + described


def music() -> bytes:
    """An MP3 file of silence with a cover picture."""
    jpeg = cv2.imencode(".jpg", np.full((60, 60, 3), 90, dtype=np.uint8))[1].tobytes()
    picture = b"\0image/jpeg\0\x03\0" + jpeg
    frame = b"APIC" + struct.pack(">I", len(picture)) + bytes(2) + picture
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame + (b"\xff\xfb\x90\x00" + bytes(413)) * 40


def test_sound_with_a_cover_picture_is_no_video(single_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    folder.mkdir()
    write_video(folder / "clip.mp4")
    (folder / "song.mp4").write_bytes(sound(cover()))
    (folder / "note.mov").write_bytes(sound())
    (folder / "song.m4a").write_bytes(sound(cover()))
    (folder / "song.mp3").write_bytes(music())
    found = find_sources([folder])
    assert [source.name for source in found.sources] == ["clip.mp4"]
    left_out = {".mov (no video in it)": 1, ".m4a": 1, ".mp3": 1, ".mp4 (no video in it)": 1}
    assert found.left_out == left_out
    named = [str(folder / name) for name in ("clip.mp4", "song.m4a", "song.mp3", "note.mov")]
    out = str(tmp_path / "out")
    done = CliRunner().invoke(main, ["predict", str(single_run), *named, "-o", out])
    assert done.exit_code == 1
    assert "4 poses on 4 frames" in done.output
    for name in named[1:]:
        assert f"not wholly read: {name}: holds no video, but sound" in done.output
    done = CliRunner().invoke(main, ["predict", str(single_run), named[1], "-o", out + "2"])
    assert (done.exit_code, (tmp_path / "out2").exists()) == (2, False)
    assert "song.m4a: holds no video" in done.output


@pytest.mark.parametrize("first", [True, False])
def test_a_cover_picture_is_never_taken_for_the_video_beside_it(
    tmp_path: Path, first: bool
) -> None:
    path = write_video(tmp_path / "clip.mp4")
    content = path.read_bytes()
    start = content.index(b"moov") - 4
    movie = content[start + 8 :]
    (header,) = struct.unpack(">I", movie[:4])
    parts = [movie[:header], cover(), movie[header:]] if first else [movie, cover()]
    path.write_bytes(content[:start] + box(b"moov", *parts))
    assert has_video(path)
    reader, frames = read(path)
    if first:
        assert not frames
        assert "clip.mp4: its cover picture hides the video" in str(reader.problem)
    else:
        assert [quarters(frame.image) for frame in frames] == ["rgbk"] * 4
        assert reader.problem is None


@pytest.mark.parametrize("content", [b"", b"\x1a\x45\xdf\xa3\xff", b"\0\0\0\x08moov", bytes(64)])
def test_damaged_files_say_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert (has_video(path), is_mirrored(path)) == (None, False)
