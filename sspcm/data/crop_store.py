"""CropStore: decode every frame once, and keep every person's pixels at crop resolution.

A store is one array file (people, height, width, 3), uint8 RGB, in NumPy's own format. A row is one
read at a known offset, processes share the page cache, and memory does not grow with the number of
people. JPEG files of the same regions would take a fifth of the space, but decoding a region again
costs several times the rest of the work on a sample (`sspcm-bench speed` prints both). The store is
named by a hash of its sources (images with size and modification time, boxes, sizes), so a changed
source gets a new store. Views warped from a store have been resampled twice and are slightly
smoother than the published crops (docs/methods/recipes.md has the numbers).
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sspcm.choices import Up
from sspcm.data.crop_places import CropPlaces, places_of
from sspcm.data.pixel_file import PixelFile
from wepdtof_pose.cores import usable_cores
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import make_folder, replacing, require_room, with_home
from wepdtof_pose.geometry import transform_points
from wepdtof_pose.images import frame_image, missing_image
from wepdtof_pose.locks import exclusive


@dataclass(frozen=True)
class CropStore:
    """Pixels and joints of people in windows centred on them.

    Attributes:
        pixels: uint8 (people, height, width, 3) RGB: an array, or a file whose rows are read by
            indexing.
        keypoints: float32 (people, joints, 3) x, y in frame pixels, visibility 0/1/2.
        places: where the crops lie on their frames.
        crop_size: (width, height) of a crop; the window has the same resolution.
    """

    pixels: PixelFile | np.ndarray
    keypoints: np.ndarray
    places: CropPlaces
    crop_size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def window_size(self) -> tuple[int, int]:
        """(width, height) of the stored windows in pixels."""
        return self.pixels.shape[2], self.pixels.shape[1]

    @property
    def size(self) -> int:
        """Bytes of the pixels."""
        return math.prod(self.pixels.shape)

    def joints(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the joints of people, float32 (N, joints, 2) x, y in window pixels, and whether
        each is labelled, (N, joints) of 0 and 1."""
        found = self.keypoints[rows]
        # Only these people: matrices of everybody would stay in memory for the whole run.
        matrices = self.places.select(rows).matrices(self.crop_size, self.window_size)
        moved = transform_points(found[..., :2], matrices)
        return moved.astype(np.float32), (found[..., 2] > 0).astype(np.float32)

    def read_into(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Copy the windows of these rows into a contiguous uint8 array (N, height, width, 3)."""
        if isinstance(self.pixels, PixelFile):
            self.pixels.read_into(rows, out)
        else:
            np.take(self.pixels, rows, axis=0, out=out)

    def warp_into(self, rows: np.ndarray, matrices: np.ndarray, out: np.ndarray) -> None:
        """Warp the windows of these rows into uint8 (N, H, W, 3): bilinear, black outside.

        Args:
            rows: (N,) people.
            matrices: (N, 2, 3) from window to output pixels.
            out: the output array, contiguous.
        """
        window = np.empty((1, *self.pixels.shape[1:]), np.uint8)
        size = (out.shape[2], out.shape[1])
        for index in range(len(rows)):
            self.read_into(rows[index : index + 1], window)
            cv2.warpAffine(window[0], matrices[index], size, dst=out[index], flags=cv2.INTER_LINEAR)


def region_size(
    crop_size: tuple[int, int], *, largest_scale: float, largest_shift: float = 0.0
) -> int:
    """Return the side in pixels of a square that holds every rotation of a crop at that scale.

    With `largest_shift`, also where the crop is moved by up to that share of each of its sides.
    """
    diagonal = float(np.hypot(*crop_size)) * largest_scale * (1 + 2 * largest_shift)
    return 2 * int(np.ceil(diagonal / 2)) + 2


def open_crop_store(
    dataset: PoseDataset,
    *,
    crop_size: tuple[int, int],
    window_size: tuple[int, int],
    folder: Path,
    upright: bool = False,
    up: Up = "radius",
    released: bool = False,
    grown: float = 1.0,
    workers: int | None = None,
) -> CropStore:
    """Return the crop store of all people of a data set, building it if it does not exist.

    Args:
        dataset: the people; all of them must be trainable.
        crop_size: (width, height) of crops in pixels, which sets the resolution.
        window_size: (width, height) kept around each person: the crop size for evaluation, a square
            of `region_size` for augmentation.
        folder: where stores are kept.
        upright: turn each person's crop (fisheye).
        up: the direction that points up in a turned crop; see `sspcm.data.crop_places`.
        released: clip boxes to their frames as the released code does.
        grown: factor on the crops' sides.
        workers: decoding threads; by default one per core.

    Raises:
        InputError: an image is missing or cannot be decoded, the folder cannot be made, or the disk
            has no room for the store.
    """
    places = places_of(dataset, crop_size, upright=upright, up=up, released=released).grown(grown)
    matrices = places.matrices(crop_size, window_size)
    path = folder / f"{_source_hash(dataset, matrices, window_size)}.npy"
    if not path.is_file():
        try:
            make_folder(folder)
            if not os.access(folder, os.W_OK):
                raise InputError(f"{folder}: cannot be written to")
        except InputError as error:
            raise InputError(
                f"{error}: name another place for crops with --set data.cache=FOLDER, or with "
                "WEPDTOF_CACHE_DIR=FOLDER in the environment"
            ) from None
        # If several processes want the same store, one builds it and the others wait.
        with exclusive(path.with_suffix(""), patience=math.inf):
            if not path.is_file():
                _build(dataset, matrices, window_size, path, workers or usable_cores())
    _note_use(path)
    pixels = PixelFile(path)
    shape = (len(dataset), window_size[1], window_size[0], 3)
    if pixels.shape != shape:
        raise InputError(f"{path}: the crop store is {pixels.shape}, not {shape}; delete it")
    return CropStore(
        pixels=pixels,
        keypoints=dataset.keypoints,
        places=places,
        crop_size=crop_size,
    )


def cut_window(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return one window (height, width, 3) uint8 cut from a frame: bilinear, black outside."""
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)


def cache_folder(named: str | None) -> Path:
    """Return the folder that the configuration names for crops, or the default one."""
    return Path(named) if named else default_cache()


def default_cache() -> Path:
    """Return the folder of cached crops: $WEPDTOF_CACHE_DIR, or one in the user's cache.

    Raises:
        InputError: the user has no home, as a number that a container runs under.
    """
    named = os.environ.get("WEPDTOF_CACHE_DIR")
    if named:
        return Path(named) / "crops"
    base = os.environ.get("XDG_CACHE_HOME") or with_home("~/.cache")
    if base.startswith("~"):
        raise InputError(
            "no folder for decoded crops: this user has no home; name one in WEPDTOF_CACHE_DIR"
        )
    return Path(base) / "wepdtof-pose" / "crops"


def _note_use(store: Path) -> None:
    """Set a store's access time to now; some file systems do not record reads."""
    # A cache owned by somebody else can still be read.
    with contextlib.suppress(OSError):
        os.utime(store, ns=(time.time_ns(), store.stat().st_mtime_ns))


def _build(
    dataset: PoseDataset,
    matrices: np.ndarray,
    window: tuple[int, int],
    path: Path,
    workers: int,
) -> None:
    frames, people_of_frame = _by_frame(dataset.frame_rows)
    shape = (len(dataset), window[1], window[0], 3)

    def cut_people(number: int) -> None:
        image = frame_image(dataset, int(frames[number]))
        for person in people_of_frame(number):
            cut = cut_window(image, matrices[person], window)
            pixels.write(person, cv2.cvtColor(cut, cv2.COLOR_BGR2RGB))

    what, advice = f"the crops of {len(dataset)} people", "name another folder as data.cache"
    require_room(path.parent, math.prod(shape), what=what, advice=advice)
    with replacing(path) as temporary, ThreadPoolExecutor(workers) as pool:
        pixels = PixelFile.create(temporary, shape)
        with tqdm(total=len(frames), desc="crops", disable=None) as bar:
            for first in range(0, len(frames), _QUEUED_FRAMES):
                queued = range(first, min(first + _QUEUED_FRAMES, len(frames)))
                for _ in pool.map(cut_people, queued):
                    bar.update()
        pixels.flush()


def _by_frame(frame_rows: np.ndarray) -> tuple[np.ndarray, Callable[[int], np.ndarray]]:
    """Return the frames with people, ascending, and a function from n to the people on the n-th."""
    order = np.argsort(frame_rows, kind="stable")
    frames, starts = np.unique(frame_rows[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    return frames, lambda number: order[starts[number] : ends[number]]


def _source_hash(dataset: PoseDataset, matrices: np.ndarray, window: tuple[int, int]) -> str:
    # Version 2: images as shown (EXIF applied), of the stated size.
    digest = hashlib.sha256(f"2 {window!r}".encode())
    digest.update(np.ascontiguousarray(matrices).tobytes())
    digest.update(np.ascontiguousarray(dataset.frame_rows).tobytes())
    for name in dataset.frames["file_name"]:
        path = dataset.root / name
        try:
            stat = path.stat()
        except OSError:
            raise InputError(missing_image(path)) from None
        digest.update(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:24]


_QUEUED_FRAMES = 1024
