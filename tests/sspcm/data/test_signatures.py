"""Copies of a picture are told from the next frames of its camera."""

import cv2
import numpy as np
import pytest

from sspcm.data import signatures
from sspcm.data.signatures import read_signatures, same_pictures
from wepdtof_pose.images import read_image, write_image


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """Two frames of a still room, 480 x 360, in which a person walks by 6 pixels."""
    folder = tmp_path_factory.mktemp("camera")
    rng = np.random.default_rng(0)
    room = cv2.resize(rng.integers(40, 200, (18, 24, 3), np.uint8), (480, 360))
    for number, x in enumerate((200, 206)):
        frame = room.copy()
        cv2.ellipse(frame, (x, 150), (14, 22), 20, 0, 360, (30, 25, 40), -1, cv2.LINE_AA)
        write_image(folder / f"{number}.png", frame)
    return folder


def same(known, others, cache):
    signatures_of = [read_signatures(paths, cache=cache) for paths in (known, others)]
    return same_pictures(*signatures_of).tolist()


def written(path, image, *options):
    assert cv2.imwrite(str(path), image, list(options))
    return path


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("zoom", [0.5, 1, 1.5])
@pytest.mark.parametrize("way", [cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC])
def test_a_copy_is_the_same_whatever_its_quality_and_size(camera, tmp_path, quality, zoom, way):
    image = read_image(camera / "0.png")
    resized = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=way)
    copy = written(tmp_path / "a.jpg", resized, cv2.IMWRITE_JPEG_QUALITY, quality)
    assert same([camera / "1.png", camera / "0.png"], [copy], tmp_path) == [1]


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_copy_may_be_mirrored_and_turned(camera, tmp_path, quarters, mirrored):
    image = np.rot90(read_image(camera / "0.png"), quarters)
    image = np.ascontiguousarray(image[:, ::-1] if mirrored else image)
    copy = written(tmp_path / "a.jpg", image, cv2.IMWRITE_JPEG_QUALITY, 75)
    assert same([camera / "1.png", camera / "0.png"], [copy], tmp_path) == [1]


RELIT = {
    "brighter": (1, 60),
    "darker": (0.5, 0),
    "more contrast": (1.5, -70),
    "less contrast": (0.7, 40),
    "partly white": (1.6, 10),
    "partly black": (1, -80),
}


def relit(image, name):
    gain, shift = RELIT[name]
    return np.clip(image * float(gain) + shift, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", RELIT)
@pytest.mark.parametrize("zoom", [0.75, 1])
def test_a_copy_may_be_of_another_brightness_and_contrast(camera, tmp_path, name, zoom):
    image = cv2.resize(read_image(camera / "0.png"), None, fx=zoom, fy=zoom)
    copy = written(tmp_path / "a.jpg", relit(image, name)[:, ::-1], cv2.IMWRITE_JPEG_QUALITY, 80)
    assert same([camera / "1.png", camera / "0.png"], [copy], tmp_path) == [1]
    # Whichever of the two was there first.
    assert same([copy], [camera / "1.png", camera / "0.png"], tmp_path) == [-1, 0]


@pytest.mark.parametrize("name", RELIT)
def test_the_worst_cell_never_hides_what_all_cells_show(camera, tmp_path, name):
    """Of frames with ever more noise in one place the same ones are found by all cells."""
    rng = np.random.default_rng(3)
    frames = []
    for number, levels in enumerate((0, 2, 4, 8, 16, 32, 64)):
        image = read_image(camera / "0.png").astype(int)
        image[100:130, 60:90] += rng.integers(-levels, levels + 1, (30, 30, 1))
        image = np.clip(image, 0, 255).astype(np.uint8)
        frames.append(written(tmp_path / f"{number}.png", image))
    own = written(tmp_path / "own.png", relit(read_image(camera / "0.png"), name))
    known, one = (read_signatures(paths, cache=tmp_path) for paths in (frames, [own]))
    theirs, own = (signatures._cells(some, 64) for some in (known, one))
    gain, shift, told = (part[:, 0] for part in signatures._light_changes(theirs, own))
    assert told.all()
    contrasts = [signatures._contrast(some.grey) for some in (theirs, own)]
    apart = signatures._apart(theirs, own, gain, shift, tuple(contrasts))
    change = signatures._Change(gain, shift, told)
    same = signatures._in_its_light(theirs, own, contrasts[1], change)
    assert same.tolist() == (apart <= signatures._OF_CONTRAST_RELIT).tolist()
    assert same[0]
    assert not same[-1]


@pytest.mark.parametrize("name", RELIT)
def test_the_next_frame_in_another_light_is_another_picture(camera, tmp_path, name):
    copy = written(tmp_path / "a.png", relit(read_image(camera / "1.png"), name))
    assert same([camera / "0.png"], [copy], tmp_path) == [-1]


def test_a_person_in_black_who_walks_in_the_dark_is_seen(camera, tmp_path):
    paths = []
    for number in (0, 1):
        image = relit(read_image(camera / f"{number}.png"), "darker")
        image[(image < 22).all(axis=2)] = 0
        paths.append(written(tmp_path / f"{number}.png", image))
    assert same([paths[0]], [paths[1]], tmp_path) == [-1]


def test_the_next_frame_of_a_camera_is_another_picture(camera, tmp_path):
    assert same([camera / "0.png"], [camera / "1.png"], tmp_path) == [-1]


def test_a_person_who_came_is_not_excused_by_their_own_edges(camera, tmp_path):
    image = read_image(camera / "0.png")
    image[40:60, 40:60] = np.clip(image[40:60, 40:60].astype(int) + 60, 0, 255)
    copy = written(tmp_path / "a.png", image)
    assert same([camera / "0.png"], [copy], tmp_path) == [-1]
    assert same([copy], [camera / "0.png"], tmp_path) == [-1]


def test_a_picture_that_exif_turns_is_the_same_as_it_is_shown(camera, tmp_path):
    from PIL import Image

    with Image.open(camera / "0.png") as shown:
        exif = Image.Exif()
        exif[0x0112] = 6
        shown.convert("RGB").transpose(Image.Transpose.ROTATE_90).save(
            tmp_path / "turned.jpg", quality=90, exif=exif
        )
    assert same([camera / "0.png"], [tmp_path / "turned.jpg"], tmp_path) == [0]


def test_a_stretched_picture_is_the_same_and_a_part_of_it_is_another(camera, tmp_path):
    image = read_image(camera / "0.png")
    part = written(tmp_path / "part.png", image[:-20])
    square = written(tmp_path / "square.jpg", cv2.resize(image, (512, 512)))
    high = written(tmp_path / "high.jpg", relit(cv2.resize(image, (320, 640)), "brighter"))
    known = [camera / "1.png", camera / "0.png"]
    assert same(known, [part, square, high], tmp_path) == [-1, 1, 1]


def test_what_cannot_be_read_is_no_copy_of_anything(camera, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    others = [tmp_path / "broken.jpg", tmp_path / "gone.jpg"]
    assert same([*others, camera / "0.png"], [*others, camera / "0.png"], tmp_path) == [-1, -1, 2]
    assert same(others, [camera / "0.png"], tmp_path) == [-1]


def test_small_photographs_are_compared_more_coarsely():
    sides = np.array([40, 95, 96, 191, 192, 383, 384, 5000])
    assert signatures._cells_for(sides).tolist() == [8, 8, 16, 16, 32, 32, 64, 64]


def test_signatures_of_many_are_kept_until_a_picture_changes(camera, tmp_path, monkeypatch):
    monkeypatch.setattr(signatures, "_KEPT_FROM", 2)
    paths = [written(tmp_path / f"{n}.png", read_image(camera / f"{n}.png")) for n in (0, 1)]
    cache = tmp_path / "cache"
    first = read_signatures(paths, cache=cache)
    kept = list(cache.iterdir())
    assert [path.suffix for path in kept] == [".npy"]
    with monkeypatch.context() as patched:
        patched.setattr(signatures, "_decoded", lambda _: pytest.fail("decoded once more"))
        assert np.array_equal(read_signatures(paths, cache=cache), first)
    written(paths[0], np.zeros((90, 70, 3), np.uint8))
    again = read_signatures(paths, cache=cache)
    assert again["size"].tolist() == [[70, 90], [480, 360]]
    assert not again["grey"][0].any()


def test_each_of_many_pictures_finds_its_copy_alone():
    """2,000 frames of as many cameras, of which each 100th is a copy of one of 500 others."""
    rng = np.random.default_rng(1)
    known = np.zeros(500, signatures.SIGNATURE)
    known["size"] = (640, 480)
    rooms = rng.integers(0, 240, (500, 8, 8), np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    known["grey"] = rooms + rng.integers(0, 16, (500, 64, 64), np.uint8)
    others = known[rng.integers(0, 500, 2000)]
    copies = np.arange(2000) % 100 == 0
    others["grey"][~copies, 20, 20] ^= 128
    found = same_pictures(known, others)
    assert np.array_equal(found >= 0, copies)
    assert np.array_equal(known["grey"][found[copies]], others["grey"][copies])
