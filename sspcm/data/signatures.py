"""Signatures of pictures, and which show the same one: encoded anew, resized, mirrored or turned.

A signature is the picture as shown in 64 x 64 grey cells, each the mean of its pixels. Frames of a
ceiling camera differ only where people are, so every single cell counts: two are the same where
they differ by at most 3 grey levels and a tenth of the contrast around them, as encoding and
resizing change most at edges. Where cells would be smaller than 6 pixels of the smaller picture,
they are joined to 32, 16 or 8 a side.

Measured at the worst cell, as the difference beyond 3 levels over the contrast: copies of real and
drawn ceiling frames (JPEG of quality 50 to 95, PNG, half and 1.5 times the size) reach 0.03, those
of photographs of 100 to 640 pixels 0.17, and 0.10 but for one way of resizing to half. Two frames
of a real ceiling camera differ by at least 0.75. On drawn frames of 1,080 pixels a person who moves
by 4 pixels makes 0.10: frames between which nobody moves farther count as the same picture.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.spatial import cKDTree
from tqdm import tqdm

from wepdtof_pose.cores import usable_cores
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import make_folder, replacing
from wepdtof_pose.images import read_image
from wepdtof_pose.locks import exclusive

_CELLS = 64
SIGNATURE = np.dtype([("size", "<i4", (2,)), ("grey", "u1", (_CELLS, _CELLS))])
"""A picture: its width and height in pixels, 0 where it cannot be read, and its cells."""

_BLOCKS = 16
_COARSE = 8
_COARSE_LEVELS = 5.0
"""Grey levels by which a cell of 8 x 8 of two copies may differ; 4.6 was the most measured."""
_LEVELS = 3.0
_OF_CONTRAST = 0.1
_LEAST_PIXELS = 6
"""Side of a cell in pixels of the smaller picture from which cells are compared one by one."""
_KEPT_FROM = 500
"""Fewer signatures than this are made in seconds, and not written to the cache."""
_AT_ONCE = 64


def read_signatures(paths: Sequence[Path], *, cache: Path) -> np.ndarray:
    """Return the signatures (n,) of image files: a decode each, some 10 s for 1,000 of 1,080 px.

    Those of many files are kept in the folder `cache`, beside the crops, until one of them changes.
    """
    if len(paths) < _KEPT_FROM:
        return _decoded(paths)
    file = cache / f"{_source_hash(paths)}.npy"
    if not file.is_file():
        make_folder(cache)
        # Of several processes of a run one decodes and the others wait.
        with exclusive(file.with_suffix(""), patience=math.inf):
            if not file.is_file():
                with replacing(file) as temporary, temporary.open("wb") as stream:
                    np.save(stream, _decoded(paths))
    kept = np.load(file, mmap_mode="r")
    if kept.dtype != SIGNATURE or kept.shape != (len(paths),):
        raise InputError(f"{file}: does not hold the {len(paths)} signatures it should; delete it")
    return kept


def same_pictures(known: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each of `others` the row of a known one that shows the same picture, or -1.

    It may be mirrored or turned by quarters, as copies that augment a data set are.

    Args:
        known: (k,) signatures.
        others: (n,) signatures.
    """
    found = np.full(len(others), -1)
    readable = np.flatnonzero(known["size"].all(axis=1))
    if not len(readable):
        return found
    known = known[readable]
    tree = cKDTree(_joined(known["grey"], _COARSE).reshape(len(known), -1))
    blocks = _joined(known["grey"], _BLOCKS)
    for first in range(0, len(others), _AT_ONCE):
        for some in _views(np.asarray(others[first : first + _AT_ONCE])):
            coarse = _joined(some["grey"], _COARSE).reshape(len(some), -1)
            near = tree.query_ball_point(coarse, _COARSE_LEVELS, p=np.inf)
            for place, rows in enumerate(near):
                if rows and found[first + place] < 0 and some["size"][place].all():
                    row = _first_same(some[place], known, blocks, np.sort(rows))
                    found[first + place] = -1 if row is None else readable[row]
    return found


def _views(signatures: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the signatures as they are, then of the pictures mirrored and turned by quarters."""
    for quarters in range(4):
        for step in (1, -1):
            view = signatures.copy()
            view["grey"] = np.rot90(signatures["grey"], quarters, axes=(1, 2))[:, :, ::step]
            if quarters % 2:
                view["size"] = signatures["size"][:, ::-1]
            yield view


def _decoded(paths: Sequence[Path]) -> np.ndarray:
    signatures = np.zeros(len(paths), SIGNATURE)

    def decode(row: int) -> None:
        try:
            image = read_image(paths[row])
        except InputError:  # whoever learns from it says so
            return
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        cells = cv2.resize(grey, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
        signatures[row] = image.shape[1::-1], cells

    with (
        ThreadPoolExecutor(usable_cores()) as pool,
        tqdm(total=len(paths), desc="pictures to compare", disable=None, leave=False) as bar,
    ):
        for _ in pool.map(decode, range(len(paths))):
            bar.update()
    return signatures


def _first_same(
    one: np.ndarray, known: np.ndarray, blocks: np.ndarray, rows: np.ndarray
) -> int | None:
    """Return the first of these rows that shows the same picture; None if none does."""
    width, height = one["size"].astype(np.int64)
    sizes = known["size"][rows].astype(np.int64)
    # A resized side is right to a pixel.
    uneven = np.abs(width * sizes[:, 1] - height * sizes[:, 0])
    even = uneven <= np.maximum(sizes.max(axis=1), max(width, height))
    rows = rows[even]
    cells = _cells_for(np.minimum(sizes[even].min(axis=1), min(width, height)))
    same = np.zeros(len(rows), dtype=bool)
    for count in np.unique(cells).tolist():
        of = np.flatnonzero(cells == count)
        own = _joined(one["grey"][None], count)
        allowed = _LEVELS + _OF_CONTRAST * _contrast(own)
        if count > _BLOCKS:
            # Where all cells are the same, so are their means: that is seen much sooner.
            apart = np.abs(blocks[rows[of]] - _joined(own, _BLOCKS))
            of = of[(apart <= _joined(allowed, _BLOCKS)).all(axis=(1, 2))]
        for first in range(0, len(of), _AT_ONCE):
            some = of[first : first + _AT_ONCE]
            theirs = _joined(known["grey"][rows[some]], count)
            apart = np.abs(theirs - own)
            alike = (apart <= allowed).all(axis=(1, 2))
            # The contrast of both counts: a person who is on one of them only brings their own.
            contrast = _contrast(theirs[alike])
            alike[alike] = (apart[alike] <= _LEVELS + _OF_CONTRAST * contrast).all(axis=(1, 2))
            same[some] = alike
            if alike.any():
                break
    return int(rows[same.argmax()]) if same.any() else None


def _cells_for(sides: np.ndarray) -> np.ndarray:
    """Return the cells a side that the shorter sides (n,) of pictures in pixels allow."""
    steps = np.array([_BLOCKS, 32, _CELLS])
    return np.array([_COARSE, *steps])[(sides[:, None] >= _LEAST_PIXELS * steps).sum(axis=1)]


def _joined(grey: np.ndarray, cells: int) -> np.ndarray:
    """Return the means (n, cells, cells) float32 of cells (n, side, side)."""
    step = grey.shape[1] // cells
    if step == 1:
        return grey.astype(np.float32)
    parts = grey.reshape(len(grey), cells, step, cells, step)
    return np.asarray(parts.mean(axis=(2, 4), dtype=np.float32))


def _contrast(cells: np.ndarray) -> np.ndarray:
    """Brightest less darkest of each cell and its eight neighbours."""
    around = (1, 3, 3)
    return np.asarray(maximum_filter(cells, around) - minimum_filter(cells, around))


def _source_hash(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256(b"signatures 1\0")
    for path in paths:
        try:
            stat = path.stat()
            stated = f"{stat.st_size}\0{stat.st_mtime_ns}"
        except OSError:
            stated = "not there"
        digest.update(f"{path.resolve()}\0{stated}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:24]
