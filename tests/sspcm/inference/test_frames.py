"""Frames of whole and of damaged inputs: which there are, and their numbers and times."""

import os
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sspcm.inference.frames import Frame, FrameReader, find_sources
from sspcm.inference.pictures import PoseWriter
from wepdtof_pose.errors import InputError, counted

RATE = 30


def picture(number: int) -> np.ndarray:
    image = np.full((48, 64, 3), 30, dtype=np.uint8)
    cv2.circle(image, (5 + number, 20), 5, (0, 160, 240), -1)
    return image


@pytest.fixture
def write_avi(tmp_path: Path) -> Callable[..., Path]:
    """Write a Motion JPEG of 40 frames whose frames of these numbers are damaged."""

    def write(*damaged: int, name: str = "clip.avi") -> Path:
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (64, 48))
        for number in range(40):
            writer.write(picture(number))
        writer.release()
        content = bytearray(path.read_bytes())
        place = content.index(b"movi") + 4
        for number in range(1, 41):
            place = content.index(b"00dc", place)
            (size,) = struct.unpack_from("<I", content, place + 4)
            if number in damaged:
                content[place + 8 : place + 8 + size] = bytes(size)
            place += 8 + size
        path.write_bytes(content)
        return path

    return write


def read(path: Path) -> tuple[FrameReader, list[Frame]]:
    (source,) = find_sources([path]).sources
    reader = FrameReader(source)
    return reader, list(reader)


@pytest.mark.parametrize("damaged", [(), (11,), (40,), (5, 6, 7, 30), (1,)])
def test_numbers_and_times_are_right_around_damaged_frames(
    write_avi: Callable[..., Path], damaged: tuple[int, ...]
) -> None:
    reader, frames = read(write_avi(*damaged))
    whole = [number for number in range(1, 41) if number not in damaged]
    assert [frame.number for frame in frames] == whole
    times = [frame.time for frame in frames]
    assert times == pytest.approx([(number - 1) / RATE for number in whole], abs=1e-3)
    assert (reader.frames, reader.stated, reader.undecodable) == (len(whole), 40, len(damaged))
    if damaged == (40,):  # nothing tells the end of the file from a last frame that is damaged
        assert "39 of 40 stated frames" in str(reader.problem)
    elif damaged:
        bad = counted(len(damaged), "frame")
        assert f"{bad} cannot be decoded ({len(whole)} can)" in str(reader.problem)
    else:
        assert reader.problem is None


@pytest.mark.parametrize("cut", [False, True])
def test_pauses_in_matroska_are_no_missing_frames(tmp_path: Path, cut: bool) -> None:
    path = tmp_path / "clip.mkv"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 32))
    for number in range(12):
        writer.write(np.full((32, 32, 3), 20 * number, dtype=np.uint8))
    writer.release()
    # A pause of 3 seconds before the last three frames; the header states the length in ms alone.
    content = path.read_bytes()
    for time in (900, 1000, 1100):
        block = re.compile(re.escape(b"\x81" + time.to_bytes(2, "big")) + rb"(?=[\x00\x80])")
        content, found = block.subn(b"\x81" + (time + 3000).to_bytes(2, "big"), content)
        assert found == 1
    length = b"\x44\x89\x88" + struct.pack(">d", 1200)
    assert content.count(length) == 1
    content = content.replace(length, length[:3] + struct.pack(">d", 4200))
    path.write_bytes(content[: content.index(b"\x81\x01\xf4")] if cut else content)
    reader, frames = read(path)
    if cut:
        assert "5 of 42 stated frames: it is cut short" in str(reader.problem)
    else:
        times = [*(number / 10 for number in range(9)), 3.9, 4.0, 4.1]
        assert [frame.time for frame in frames] == pytest.approx(times)
        assert (reader.problem, reader.undecodable) == (None, 0)


@pytest.mark.parametrize("cut", [False, True])
def test_what_an_edit_list_leaves_out_is_not_missing(tmp_path: Path, cut: bool) -> None:
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for number in range(40):
        writer.write(picture(number))
    writer.release()
    content = bytearray(path.read_bytes())
    place = content.index(b"elst") + 12
    assert struct.unpack_from(">I", content, place) == (4000,)
    # Shown are two seconds from the second one on; the media's clock has 10240 ticks a second.
    struct.pack_into(">II", content, place, 2000, 10240)
    if cut:
        media = content.index(b"mdat") + 4
        content[media + 1500 : content.index(b"moov") - 4] = b""
        content[media - 8 : media - 4] = struct.pack(">I", 1508)
    path.write_bytes(content)
    reader, frames = read(path)
    if cut:
        assert 0 < len(frames) < 15
        assert "of 20 stated frames" in str(reader.problem)
    else:
        assert [frame.number for frame in frames] == list(range(1, 21))
        assert frames[0].image[20, 15].tolist() == pytest.approx([0, 160, 240], abs=60)
        assert (reader.problem, reader.stated, reader.undecodable) == (None, 20, 0)


def test_animated_png_and_motion_jpeg_are_videos(tmp_path: Path) -> None:
    animation = cv2.Animation()
    animation.frames = [picture(number) for number in range(6)]
    animation.durations = np.array([100] * 6)
    cv2.imwriteanimation(str(tmp_path / "clip.png"), animation)
    jpegs = [cv2.imencode(".jpg", picture(number))[1].tobytes() for number in range(6)]
    (tmp_path / "clip.mjpeg").write_bytes(b"".join(jpegs))
    for name in ("clip.png", "clip.mjpeg"):
        reader, frames = read(tmp_path / name)
        assert [frame.number for frame in frames] == [1, 2, 3, 4, 5, 6]
        assert reader.problem is None


def test_a_video_cut_short_gives_what_there_is(write_avi: Callable[..., Path]) -> None:
    path = write_avi()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader, frames = read(path)
    assert 0 < len(frames) < 40
    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    assert reader.problem is not None


def test_a_pause_of_a_variable_rate_is_no_missing_frame(tmp_path: Path) -> None:
    """Two pictures of a GIF are shown for longer: times say so, numbers do not."""
    animation = cv2.Animation()
    animation.frames = [picture(4 * number) for number in range(6)]
    animation.durations = [100, 100, 600, 100, 100, 100]
    cv2.imwriteanimation(str(tmp_path / "clip.gif"), animation)
    reader, frames = read(tmp_path / "clip.gif")
    assert [frame.number for frame in frames] == [1, 2, 3, 4, 5, 6]
    times = [frame.time for frame in frames]
    assert times == pytest.approx([0, 0.1, 0.2, 0.8, 0.9, 1.0], abs=0.02)
    assert frames[0].rate == pytest.approx(10, rel=0.05)
    assert reader.problem is None


def test_all_pages_of_an_image_file_are_read(tmp_path: Path) -> None:
    cv2.imwritemulti(str(tmp_path / "scan.tif"), [picture(number) for number in range(3)])
    _, frames = read(tmp_path / "scan.tif")
    assert [(frame.number, frame.image_id) for frame in frames] == [
        (1, "scan_000001"),
        (2, "scan_000002"),
        (3, "scan_000003"),
    ]
    np.testing.assert_array_equal(frames[2].image, picture(2))


def test_deep_pages_use_the_whole_range(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint16)[None].repeat(4, axis=0)
    cv2.imwritemulti(str(tmp_path / "scan.tif"), [levels * 16 + 15, levels * 16])
    _, frames = read(tmp_path / "scan.tif")
    for frame in frames:
        np.testing.assert_array_equal(frame.image[..., 0], levels)


def test_deep_pages_have_one_range(tmp_path: Path) -> None:
    """The brightest page says what 8 bits are: frames of a film may be dark."""
    levels = np.arange(256, dtype=np.uint16)[None].repeat(4, axis=0)
    cv2.imwritemulti(str(tmp_path / "film.tif"), [levels, levels * 16, levels * 4])
    _, frames = read(tmp_path / "film.tif")
    for frame, factor in zip(frames, (1, 16, 4), strict=True):
        np.testing.assert_array_equal(frame.image[..., 0], levels * factor // 16)


def test_a_folder_gives_whatever_can_be_read_and_counts_the_rest(tmp_path: Path) -> None:
    folder, linked = tmp_path / "photos", tmp_path / "elsewhere"
    folder.mkdir()
    linked.mkdir()
    for suffix in ("jpg", "ppm", "jp2", "webp"):
        cv2.imwrite(str(folder / f"a.{suffix}"), picture(1))
    (folder / "a.jpg").rename(folder / "b.jfif")
    cv2.imwrite(str(linked / "far.png"), picture(1))
    (folder / "more").symlink_to(linked)
    (linked / "round").symlink_to(folder)
    for name in ("notes.txt", "list.txt", "LICENSE", ".hidden.png"):
        (folder / name).write_text("text")
    found = find_sources([folder])
    names = ["a.jp2", "a.ppm", "a.webp", "b.jfif", "more/far.png"]
    assert [source.name for source in found.sources] == names
    assert found.left_out == {".txt": 2, "files without suffix": 1}
    assert all(len(list(FrameReader(source))) == 1 for source in found.sources)


def test_videos_of_one_name_have_ids_and_films_of_their_own(tmp_path: Path) -> None:
    for name in (
        "clip.mp4",
        "clip.avi",
        "b/clip.mp4",
        "walk.mp4",
        "walk_000001.jpg",
        "walk_12.png",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sources = {source.name: source for source in find_sources([tmp_path]).sources}
    ids = {name: source.image_id for name, source in sources.items()}
    assert ids == {
        **{name: name for name in ("clip.mp4", "clip.avi", "b/clip.mp4", "walk.mp4")},
        **{"walk_000001.jpg": "walk_000001", "walk_12.png": "walk_12"},
    }
    frame = Frame(sources["walk.mp4"], picture(0), number=1)
    assert frame.image_id == "walk.mp4_000001"
    films = [sources[n].film for n in ("clip.mp4", "clip.avi", "b/clip.mp4", "walk.mp4")]
    assert films == ["clip.mp4", "clip.avi", "b/clip", "walk"]
    with PoseWriter(tmp_path / "drawn") as writer:
        for name in ("clip.mp4", "clip.avi", "b/clip.mp4"):
            for number in (1, 2, 3):
                writer.write(Frame(sources[name], picture(0), number=number), picture(number))
    drawn = [p.relative_to(tmp_path / "drawn").as_posix() for p in tmp_path.rglob("drawn/**/*.mp4")]
    assert sorted(drawn) == ["b/clip.mp4", "clip.avi.mp4", "clip.mp4.mp4"]


def test_links_to_nothing_and_pipes_are_said_and_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), picture(0))
    for name in ("gone.jpg", "gone.mp4"):
        (folder / name).symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "pipe.avi")
    found = find_sources([folder])
    assert [source.name for source in found.sources] == ["a.png", "gone.jpg"]
    assert found.left_out == {
        ".mp4 (link to nothing, or no file)": 1,
        ".avi (link to nothing, or no file)": 1,
    }
    reader = FrameReader(found.sources[1])
    assert list(reader) == []
    assert reader.problem == f"{folder / 'gone.jpg'}: no such image"
    with pytest.raises(InputError, match=r"pipe\.avi: is a pipe or a device"):
        find_sources([folder / "pipe.avi"])


def test_a_video_without_a_known_suffix_is_opened_as_one(write_avi: Callable[..., Path]) -> None:
    path = write_avi()
    other = path.rename(path.with_name("recording.dat"))
    _, frames = read(other)
    assert len(frames) == 40


def test_an_unreadable_image_is_a_problem_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    reader, frames = read(tmp_path / "bad.jpg")
    assert not frames
    assert "bad.jpg: is not a readable image" in str(reader.problem)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no image and no video$"):
        find_sources([tmp_path])
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "a.HEIC").write_bytes(b"")
    with pytest.raises(InputError, match=r"no image and no video, but 1 \.heic, 1 \.txt$"):
        find_sources([tmp_path])


def test_thumbnails_of_a_server_are_no_frames(tmp_path: Path) -> None:
    for name in ("a.png", "@eaDir/a.png/thumb.png", "__MACOSX/a.png", ".thumbnails/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), picture(1))
    assert [source.name for source in find_sources([tmp_path]).sources] == ["a.png"]


@pytest.mark.parametrize(
    ("config", "other", "option"),
    [("config.json", "weights.pt", "--finder"), ("config.yaml", "checkpoints/last.pt", "--model")],
)
def test_the_folder_of_a_run_is_no_folder_of_frames(
    tmp_path: Path, config: str, other: str, option: str
) -> None:
    cv2.imwrite(str(tmp_path / "before_after.png"), picture(1))
    (tmp_path / config).write_text("{}")
    # A camera may have its settings beside its frames.
    assert len(find_sources([tmp_path]).sources) == 1
    (tmp_path / other).parent.mkdir(exist_ok=True)
    (tmp_path / other).touch()
    with pytest.raises(InputError, match=f"is the folder of a run, not of frames: name.*{option}"):
        find_sources([tmp_path])


@pytest.mark.parametrize(
    "files", [("unfinished.jsonl",), ("predictions.json", "joints.csv", "frames.csv")]
)
def test_drawings_of_earlier_predictions_are_no_inputs(
    tmp_path: Path, files: tuple[str, ...]
) -> None:
    drawings = tmp_path / "photos" / "poses" / "drawings"
    drawings.mkdir(parents=True)
    for name in files:
        (drawings.parent / name).touch()
    for place in (tmp_path / "photos" / "a.png", drawings / "a.png"):
        cv2.imwrite(str(place), picture(1))
    inputs = find_sources([tmp_path / "photos"])
    assert [source.name for source in inputs.sources] == ["a.png"]
    assert inputs.left_out == {"folders of predictions": 1}
    # Named itself, it is read.
    assert [source.name for source in find_sources([drawings]).sources] == ["a.png"]


@pytest.mark.parametrize("made", ["checkpoints", "adaptation"])
def test_pictures_in_folders_of_runs_are_no_inputs(tmp_path: Path, made: str) -> None:
    run = tmp_path / "photos" / "runs" / "mine"
    (run / made / "frames").mkdir(parents=True)
    (run / "config.yaml").touch()
    for place in (tmp_path / "photos" / "a.png", run / "before_after.png", run / made / "b.png"):
        cv2.imwrite(str(place), picture(1))
    inputs = find_sources([tmp_path / "photos"])
    assert [source.name for source in inputs.sources] == ["a.png"]
    assert inputs.left_out == {"folders of runs": 1}


def test_frames_are_taken_as_counted(tmp_path):
    names = [f"frame_{number}.png" for number in (1, 2, 9, 10, 11, 100)]
    for name in names:
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4, 3), np.uint8))

    def found(inputs):
        return [source.name for source in find_sources(inputs).sources]

    assert found([tmp_path]) == names
    # As a shell lists them.
    assert found(sorted(tmp_path.glob("*.png"))) == names
    backwards = [tmp_path / name for name in names[::-1]]
    assert found(backwards) == names[::-1]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("*.jpg", "a pattern: name the folder"),
        ("frame_%06d.jpg", "a pattern"),
        ("https://host/clip.mp4", "an address, from which nothing is fetched"),
        ("0", "a camera\\? Cameras are not read"),
    ],
)
def test_names_that_are_no_file(name: str, said: str) -> None:
    with pytest.raises(InputError, match=f"no such file or folder.*{said}"):
        find_sources([Path(name)])


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_pictures_in_an_archive_are_no_video(tmp_path: Path, kind: str) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), picture(1))
    file = tmp_path / f"frames.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.write(tmp_path / "a.jpg", "a.jpg")
    else:
        with tarfile.open(file, "w") as archive:
            archive.add(tmp_path / "a.jpg", "a.jpg")
    (source,) = find_sources([file]).sources
    reader = FrameReader(source)
    assert not list(reader)
    assert reader.problem is not None
    assert f"it is a {kind}" in reader.problem
    assert "unpack it" in reader.problem


def test_an_image_keeps_its_own_name_where_others_end_in_it(tmp_path: Path) -> None:
    """What sspcm find writes of them must find each of them again."""
    for name in ("a.jpg", "a.png", "one/a.jpg", "two/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(tmp_path / name), picture(0))
    sources = find_sources([tmp_path]).sources
    assert len(sources) == 4
    for source in sources:
        assert [other.name for other in sources if source.name in other.keys] == [source.name]


def test_names_that_are_no_text_are_left_out_and_counted(tmp_path: Path) -> None:
    picture = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    odd = tmp_path / os.fsdecode(b"\xff.png")
    try:
        odd.write_bytes(picture)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (tmp_path / "a.png").write_bytes(picture)
    found = find_sources([tmp_path])
    assert [source.name for source in found.sources] == ["a.png"]
    assert found.left_out == {".png (no UTF-8 name: rename it)": 1}
    with pytest.raises(InputError, match="its name is not UTF-8: rename it"):
        find_sources([odd])
