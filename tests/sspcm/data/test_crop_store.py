import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sspcm.data import crop_store
from sspcm.data.crop_store import default_cache, open_crop_stores, region_size
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.images import frame_image
from wepdtof_pose.locks import lock_of

SIZE = (64, 96)
ROOT = Path(__file__).parents[3]


def people(tiny_fisheye):
    return next(iter(load_dataset(tiny_fisheye).values()))


def open_store(dataset, folder):
    side = region_size(SIZE, largest_scale=1.25)
    (store,) = open_crop_stores(dataset, crop_size=SIZE, window_size=(side, side), folder=folder)
    return store


def test_a_built_store_is_opened_again_and_a_changed_frame_makes_a_new_one(tiny_fisheye, tmp_path):
    dataset = people(tiny_fisheye)
    first = open_store(dataset, tmp_path)
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    again = open_store(dataset, tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")} == files
    np.testing.assert_array_equal(first.pixels[:], again.pixels[:])

    frame = dataset.root / dataset.frames["file_name"].iloc[0]
    before, stamp = frame.read_bytes(), frame.stat()
    try:
        cv2.imwrite(str(frame), np.zeros((256, 256, 3), np.uint8))
        changed = open_store(dataset, tmp_path)
    finally:
        frame.write_bytes(before)
        os.utime(frame, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert len(list(tmp_path.glob("*.npy"))) == 2
    of_frame = np.flatnonzero(dataset.frame_rows == 0)
    assert not changed.pixels[of_frame[:1]].any()


def test_the_data_may_lie_in_a_folder_whose_name_is_no_text(tiny_fisheye, tmp_path):
    dataset = people(tiny_fisheye)
    odd = tmp_path / os.fsdecode(b"\xff")
    try:
        odd.symlink_to(dataset.root)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    there = open_store(replace(dataset, root=odd), tmp_path / "cache")
    np.testing.assert_array_equal(
        there.pixels[:], open_store(dataset, tmp_path / "cache").pixels[:]
    )


def test_joints_lie_in_the_windows_where_they_lie_on_the_frames(tiny_fisheye, tmp_path):
    dataset = people(tiny_fisheye)
    rows = np.array([5, 0, 5, 2])
    store = open_store(dataset.select_people(np.arange(6)), tmp_path)
    joints, visibility = store.joints(rows)
    keypoints = dataset.keypoints[rows].astype(np.float64)
    places = store.places
    zoom = SIZE[0] / (200 * places.scale[rows, 0].astype(np.float64))
    offset = keypoints[..., :2] - places.center[rows, None]
    side = store.window_size[0]
    np.testing.assert_allclose(joints, zoom[:, None, None] * offset + side / 2, atol=1e-3)
    np.testing.assert_array_equal(visibility, keypoints[..., 2] > 0)
    assert (joints.dtype, visibility.dtype) == (np.float32, np.float32)


def test_what_killed_builds_left_is_removed_and_nothing_else(tiny_fisheye, tmp_path):
    open_store(people(tiny_fisheye), tmp_path)
    path = next(tmp_path.glob("*.npy"))
    path.unlink()
    leftover = tmp_path / f".{path.name}.abcdefgh.part"
    other = tmp_path / ".other.npy.abcdefgh.part"
    for file in (leftover, other, lock_of(path), lock_of(path.with_suffix(""))):
        file.touch()
    open_store(people(tiny_fisheye), tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


def test_a_disk_without_room_is_said_before_anything_is_written(
    tiny_fisheye, tmp_path, monkeypatch
):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(InputError, match=r"\d.*B are needed, but only 1 kB are free.*data\.cache"):
        open_store(people(tiny_fisheye), tmp_path)
    assert not list(tmp_path.glob("*.npy"))


def test_a_folder_that_cannot_be_made_is_named(tiny_fisheye, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        InputError, match=r"file/crops: the folder cannot be made: .*WEPDTOF_CACHE_DIR"
    ):
        open_store(people(tiny_fisheye), tmp_path / "file" / "crops")


def test_stores_of_several_sizes_decode_every_frame_once(tiny_fisheye, tmp_path, monkeypatch):
    dataset = people(tiny_fisheye)
    decoded = []

    def counted(*of):
        decoded.append(of[1])
        return frame_image(*of)

    monkeypatch.setattr(crop_store, "frame_image", counted)

    def stores(folder, *sizes):
        return open_crop_stores(
            dataset, crop_size=SIZE, window_size=SIZE, folder=tmp_path / folder, sizes=sizes
        )

    sizes = (1.0, 0.8, 1.15)
    alone = {size: stores("alone", size)[0] for size in sizes}
    # One of the stores exists already, and one is asked for twice.
    before = stores("together", 0.8)[0]
    decoded.clear()
    together = dict(zip((*sizes, 1.0), stores("together", *sizes, 1.0), strict=True))
    assert sorted(decoded) == sorted(set(dataset.frame_rows))
    names = [sorted(p.name for p in (tmp_path / f).iterdir()) for f in ("alone", "together")]
    assert names[0] == names[1]
    for size in sizes:
        np.testing.assert_array_equal(together[size].pixels[:], alone[size].pixels[:])
        np.testing.assert_array_equal(together[size].places.scale, alone[size].places.scale)
    np.testing.assert_array_equal(together[0.8].pixels[:], before.pixels[:])
    assert stores("together") == []


def test_processes_that_want_the_same_stores_build_each_once(tiny_fisheye, tmp_path):
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from sspcm.data import crop_store
from wepdtof_pose.formats.loading import load_dataset
build, built = crop_store._build, []
crop_store._build = lambda *values: (built.extend(values[1]), build(*values))
people = next(iter(load_dataset(Path({str(tiny_fisheye)!r})).values()))
stores = crop_store.open_crop_stores(
    people,
    crop_size=(64, 96),
    window_size=(64, 96),
    folder=Path({str(tmp_path)!r}),
    sizes=[float(size) for size in sys.argv[1:]],
)
print(len(built), sum(int(store.pixels[:].astype(int).sum()) for store in stores))
"""
    started = [
        subprocess.Popen([sys.executable, "-c", program, *sizes], stdout=subprocess.PIPE, text=True)
        for sizes in (("1", "0.8"), ("0.8", "1"), ("1", "0.8"))
    ]
    found = [process.communicate()[0].split() for process in started]
    assert sum(int(built) for built, _ in found) == 2
    assert len({total for _, total in found}) == 1


def test_warped_rows_are_the_warp_of_the_stored_windows(tiny_fisheye, tmp_path):
    store = open_store(people(tiny_fisheye), tmp_path)
    rows = np.array([3, 0])
    matrices = np.array([[[0.5, 0.0, -8.0], [0.0, 0.5, 4.0]], [[0.0, 1.0, -20.0], [-1.0, 0, 90.0]]])
    out = np.empty((2, SIZE[1], SIZE[0], 3), np.uint8)
    store.warp_into(rows, matrices, out)
    for row, matrix, warped in zip(rows, matrices, out, strict=True):
        expected = cv2.warpAffine(store.pixels[row : row + 1][0], matrix, SIZE)
        np.testing.assert_array_equal(warped, expected)


def test_a_store_that_was_cut_short_is_refused_by_name(tiny_fisheye, tmp_path):
    open_store(people(tiny_fisheye), tmp_path)
    path = next(tmp_path.glob("*.npy"))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="cut short; delete it"):
        open_store(people(tiny_fisheye), tmp_path)


def test_a_user_without_a_home_is_told_what_to_name(monkeypatch):
    for name in ("WEPDTOF_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    # As for a user whom the system does not know, in a container.
    monkeypatch.setattr("os.path.expanduser", lambda place: place)
    with pytest.raises(InputError, match="this user has no home; name one in WEPDTOF_CACHE_DIR"):
        default_cache()
