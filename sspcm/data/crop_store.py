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
from collections.abc import Callable, Iterator, Mapping, Sequence
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


def open_crop_stores(
    dataset: PoseDataset,
    *,
    crop_size: tuple[int, int],
    window_size: tuple[int, int],
    folder: Path,
    upright: bool = False,
    up: Up = "radius",
    released: bool = False,
    sizes: Sequence[float] = (1.0,),
    workers: int | None = None,
) -> list[CropStore]:
    """Return crop stores of all people of a data set, one for each size of their crops.

    Those that do not exist are built together, so that every frame is decoded once.

    Args:
        dataset: the people; all of them must be trainable.
        crop_size: (width, height) of crops in pixels, which sets the resolution.
        window_size: (width, height) kept around each person: the crop size for evaluation, a square
            of `region_size` for augmentation.
        folder: where stores are kept.
        upright: turn each person's crop (fisheye).
        up: the direction that points up in a turned crop; see `sspcm.data.crop_places`.
        released: clip boxes to their frames as the released code does.
        sizes: the crops' sides over those of the plain crop.
        workers: decoding threads; by default one per core.

    Raises:
        InputError: an image is missing or cannot be decoded, the folder cannot be made, or the disk
            has no room for the stores.
    """
    plain = places_of(dataset, crop_size, upright=upright, up=up, released=released)
    places = [plain.grown(size) for size in sizes]
    matrices = [place.matrices(crop_size, window_size) for place in places]
    paths = [folder / f"{name}.npy" for name in _source_hashes(dataset, matrices, window_size)]
    wanted = dict(zip(paths, matrices, strict=True))
    if not all(path.is_file() for path in wanted):
        try:
            make_folder(folder)
            if not os.access(folder, os.W_OK):
                raise InputError(f"{folder}: cannot be written to")
        except InputError as error:
            raise InputError(
                f"{error}: name another place for crops with --set data.cache=FOLDER, or with "
                "WEPDTOF_CACHE_DIR=FOLDER in the environment"
            ) from None
        with contextlib.ExitStack() as locks:
            # If several processes want the same stores, one builds them and the others wait; all
            # take the locks in one order, or two would wait for each other.
            for path in sorted(wanted):
                if not path.is_file():
                    locks.enter_context(exclusive(path.with_suffix(""), patience=math.inf))
            missing = {path: of for path, of in wanted.items() if not path.is_file()}
            if missing:
                _build(dataset, missing, window_size, workers or usable_cores())
    return [
        CropStore(
            pixels=_opened(path, (len(dataset), window_size[1], window_size[0], 3)),
            keypoints=dataset.keypoints,
            places=place,
            crop_size=crop_size,
        )
        for path, place in zip(paths, places, strict=True)
    ]


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


def _opened(path: Path, shape: tuple[int, int, int, int]) -> PixelFile:
    # Its access time is set to now, as some file systems do not record reads. A cache owned by
    # somebody else can still be read.
    with contextlib.suppress(OSError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    pixels = PixelFile(path)
    if pixels.shape != shape:
        raise InputError(f"{path}: the crop store is {pixels.shape}, not {shape}; delete it")
    return pixels


def _build(
    dataset: PoseDataset,
    matrices: Mapping[Path, np.ndarray],
    window: tuple[int, int],
    workers: int,
) -> None:
    """Write stores: file -> matrices (people, 2, 3) from frame pixels to its windows."""
    frames, people_of_frame = _by_frame(dataset.frame_rows)
    shape = (len(dataset), window[1], window[0], 3)

    def cut_people(number: int) -> None:
        image = frame_image(dataset, int(frames[number]))
        for person in people_of_frame(number):
            for path, pixels in files.items():
                cut = cut_window(image, matrices[path][person], window)
                pixels.write(person, cv2.cvtColor(cut, cv2.COLOR_BGR2RGB))

    what, advice = f"the crops of {len(dataset)} people", "name another folder as data.cache"
    needed = math.prod(shape) * len(matrices)
    require_room(next(iter(matrices)).parent, needed, what=what, advice=advice)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(workers) as pool:
        files = {
            path: PixelFile.create(stack.enter_context(replacing(path)), shape) for path in matrices
        }
        with tqdm(total=len(frames), desc="crops", disable=None) as bar:
            for first in range(0, len(frames), _QUEUED_FRAMES):
                queued = range(first, min(first + _QUEUED_FRAMES, len(frames)))
                for _ in pool.map(cut_people, queued):
                    bar.update()
        for pixels in files.values():
            pixels.flush()


def _by_frame(frame_rows: np.ndarray) -> tuple[np.ndarray, Callable[[int], np.ndarray]]:
    """Return the frames with people, ascending, and a function from n to the people on the n-th."""
    order = np.argsort(frame_rows, kind="stable")
    frames, starts = np.unique(frame_rows[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    return frames, lambda number: order[starts[number] : ends[number]]


def _source_hashes(
    dataset: PoseDataset, matrices: Sequence[np.ndarray], window: tuple[int, int]
) -> Iterator[str]:
    """Yield what names the store of each of the matrices."""
    images = []
    for name in dataset.frames["file_name"]:
        path = dataset.root / name
        try:
            stat = path.stat()
        except OSError:
            raise InputError(missing_image(path)) from None
        images.append(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}\0")
    for of_people in matrices:
        # Version 2: images as shown (EXIF applied), of the stated size.
        digest = hashlib.sha256(f"2 {window!r}".encode())
        digest.update(np.ascontiguousarray(of_people).tobytes())
        digest.update(np.ascontiguousarray(dataset.frame_rows).tobytes())
        digest.update("".join(images).encode(errors="surrogateescape"))
        yield digest.hexdigest()[:24]


_QUEUED_FRAMES = 1024
