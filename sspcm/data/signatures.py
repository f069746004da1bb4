"""Signatures of pictures, and which show the same one: encoded anew, resized, turned or relit.

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

Copies in another light, whose brightness and contrast a program changed, lie within the 3 levels
(half as large: up to 0.06 in small photographs) once the change is told. Two frames of the real
camera differ by at least 0.45 then, drawn ones 0.08 seconds apart by 0.11. Of 555 real pictures and
of 177 people cut out of pictures none is taken for another.

What changes the curve or the colours is not recognised: copies whose gamma is undone differ by up
to 0.32, real neighbours by 0.41 then, drawn ones by less; of another hue, copies differ by more
than neighbours. Nor are parts of pictures, except those that the boxes of people cut out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

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
SIGNATURE = np.dtype(
    [("size", "<i4", (2,)), *((name, "u1", (_CELLS, _CELLS)) for name in ("grey", "least", "most"))]
)
"""A picture: its width and height in pixels, 0 where it cannot be read, its cells, and the least
and the largest value of a channel in each."""

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
_ALIKE = 0.9
"""Least correlation of 16 x 16 cells of copies of other brightness, most of which may be white."""
_OF_CONTRAST_RELIT = 0.05
_GAIN = 2.5
"""Largest change of contrast that is looked for, and its inverse."""
_CLIPPED = 6
"""Values so near to 0 or 255 that they may have been cut there."""
_LEAST_SPREAD = 6
"""Standard deviation of cells below which pictures are too even to tell a change of light."""
_LEAST_KEPT = 0.1
"""Share of the cells from which brightness and contrast are told: none of their values is cut."""


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

    It may be mirrored or turned by quarters, as copies that augment a data set are, stretched, and
    of another brightness and contrast.

    Args:
        known: (k,) signatures.
        others: (n,) signatures.
    """
    found = same_in_light(known, others)
    readable = np.flatnonzero(known["size"].all(axis=1))
    if not len(readable):
        return found
    known = known[readable]
    blocks = _joined(known["grey"], _BLOCKS)
    shapes, joined = _shapes(blocks), _cells(known, _BLOCKS)
    rest = np.flatnonzero((found < 0) & others["size"].all(axis=1))
    for first in range(0, len(rest), _AT_ONCE):
        places = rest[first : first + _AT_ONCE]
        for some in _views(np.asarray(others[places])):
            alike = shapes @ _shapes(_joined(some["grey"], _BLOCKS)).T >= _ALIKE
            rows = np.flatnonzero(alike.any(axis=1))
            if not len(rows):
                continue
            light = _light_changes(joined.of(rows), _cells(some, _BLOCKS))
            for number, place in enumerate(places.tolist()):
                of = alike[rows, number]
                if found[place] < 0 and of.any():
                    change = _Change(*(part[of, number] for part in light))
                    row = _first_relit(some[number], known, joined, rows[of], change)
                    found[place] = -1 if row is None else readable[row]
    return found


def same_in_light(known: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return what `same_pictures` does, but find no copies of another brightness and contrast."""
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


def read_cuts(path: Path, boxes: np.ndarray) -> np.ndarray:
    """Return the signatures (n,) of the parts of an image that boxes (people, 4) cut out.

    Sides that lie between two pixels are rounded in all the ways that programs do. An image that
    cannot be read has none.
    """
    try:
        image = read_image(path)
    except InputError:  # whoever learns from it says so
        return np.zeros(0, SIGNATURE)
    first, sides = boxes[:, :2], boxes[:, 2:]
    last = first + sides
    corners = np.concatenate(
        [
            np.hstack([np.round(first), np.round(last)]),
            np.hstack([np.trunc(first), np.trunc(last)]),
            np.hstack([np.trunc(first), np.trunc(first) + np.trunc(sides)]),
            np.hstack([np.floor(first), np.ceil(last)]),
        ]
    )
    corners = np.clip(corners, 0, np.tile(image.shape[1::-1], 2)).astype(np.int64)
    corners = np.unique(corners, axis=0)
    wide, high = (corners[:, 2:] - corners[:, :2]).T
    corners = corners[(wide >= _COARSE) & (high >= _COARSE)]
    cuts = np.zeros(len(corners), SIGNATURE)
    for row, (left, top, right, bottom) in enumerate(corners.tolist()):
        cuts[row] = _signature(image[top:bottom, left:right])
    return cuts


def _views(signatures: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the signatures as they are, then of the pictures mirrored and turned by quarters."""
    for quarters in range(4):
        for step in (1, -1):
            view = signatures.copy()
            for name in ("grey", "least", "most"):
                view[name] = np.rot90(signatures[name], quarters, axes=(1, 2))[:, :, ::step]
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
        signatures[row] = _signature(image)

    with (
        ThreadPoolExecutor(usable_cores()) as pool,
        tqdm(total=len(paths), desc="pictures to compare", disable=None, leave=False) as bar,
    ):
        for _ in pool.map(decode, range(len(paths))):
            bar.update()
    return signatures


def _signature(image: np.ndarray) -> tuple[Any, ...]:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    cells = cv2.resize(grey, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return (image.shape[1::-1], cells, *_extremes(image))


class _Cells(NamedTuple):
    """Mean, least and largest value of the cells (n, cells, cells) float32."""

    grey: np.ndarray
    least: np.ndarray
    most: np.ndarray

    def of(self, rows: np.ndarray) -> _Cells:
        """Return those of some of the pictures."""
        return _Cells(*(part[rows] for part in self))

    def at(self, cells: np.ndarray) -> _Cells:
        """Return one cell (n, 1, 1) of each picture, or of the only one, by their numbers (n,)."""
        rows = np.arange(len(cells)) if len(self.grey) > 1 else 0
        return _Cells(*(part.reshape(len(part), -1)[rows, cells, None, None] for part in self))


def _extremes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest value of a channel in each cell of an image (h, w, 3)."""
    starts = [np.arange(_CELLS) * side // _CELLS for side in image.shape[:2]]
    ends = np.maximum(np.append(starts[0][1:], len(image)), starts[0] + 1)
    found = []
    for both, limit in ((cv2.min, np.minimum), (cv2.max, np.maximum)):
        grey = both(both(image[..., 0], image[..., 1]), image[..., 2])
        strips = [limit.reduce(grey[a:b]) for a, b in zip(starts[0], ends, strict=True)]
        found.append(limit.reduceat(np.stack(strips), starts[1], axis=1))
    return found[0], found[1]


class _Change(NamedTuple):
    """k and m by which light changes values x to k x + m, and whether enough cells tell them."""

    gain: np.ndarray
    shift: np.ndarray
    told: np.ndarray


def _first_relit(
    one: np.ndarray, known: np.ndarray, coarse: _Cells, rows: np.ndarray, light: _Change
) -> int | None:
    """Return the first of these rows that shows the same picture in another light; None if none.

    `coarse` has the cells of all that are known, joined to 16 a side, as is seen much sooner, and
    `light` the change of light of each row in these cells.
    """

    @cache
    def own(count: int) -> tuple[_Cells, np.ndarray]:
        cells = _cells(one[None], count)
        return cells, _contrast(cells.grey)

    for first in range(0, len(rows), _AT_ONCE):
        of = np.arange(first, min(first + _AT_ONCE, len(rows)))
        change = _Change(*(part[of] for part in light))
        same = _in_its_light(coarse.of(rows[of]), *own(_BLOCKS), change)
        some = rows[of][same | ~change.told]
        counts = _cells_for(np.minimum(known["size"][some].min(axis=1), one["size"].min()))
        found = np.zeros(len(some), dtype=bool)
        for count in np.unique(counts).tolist():
            those = np.flatnonzero(counts == count)
            theirs = _cells(known[some[those]], count)
            change = _Change(*(part[:, 0] for part in _light_changes(theirs, own(count)[0])))
            found[those] = _in_its_light(theirs, *own(count), change) & change.told
        if found.any():
            return int(some[found.argmax()])
    return None


def _light_changes(theirs: _Cells, others: _Cells) -> _Change:
    """Return the changes of light (n, others) from pictures (n,) to others.

    They are told from the cells in which nothing was cut at 0 or 255.
    """
    whole = []
    for cells in (theirs, others):
        uncut = (cells.least > _CLIPPED) & (cells.most < 255 - _CLIPPED)
        kept, grey = (
            part.reshape(len(part), -1).astype(np.float64) for part in (uncut, cells.grey)
        )
        whole.append((kept, kept * grey, kept * grey * grey))
    (mine, *my_sums), (yours, *your_sums) = whole
    counts = mine @ yours.T
    sums = [part @ yours.T for part in my_sums], [mine @ part.T for part in your_sums]
    least = np.maximum(counts, 1)
    means = [first / least for first, _ in sums]
    spreads = [
        np.sqrt(np.maximum(second / least - mean**2, 0)) + 1e-6
        for (_, second), mean in zip(sums, means, strict=True)
    ]
    gain = spreads[1] / spreads[0]
    told = (counts >= _LEAST_KEPT * mine.shape[1]) & (np.minimum(*spreads) > _LEAST_SPREAD)
    told &= (gain < _GAIN) & (gain > 1 / _GAIN)
    gain = np.where(told, gain, 1)
    shift = means[1] - gain * means[0]
    return _Change(gain.astype(np.float32), shift.astype(np.float32), told)


def _in_its_light(
    theirs: _Cells, own: _Cells, own_contrast: np.ndarray, change: _Change
) -> np.ndarray:
    """Return which pictures (n,) are the same as one once their light is changed to its.

    k and m have to give every single cell of the other picture, cut at 0 and 255.
    """
    k, m, _ = change
    # The cell that fits worst tells nearly all other pictures apart, much sooner than all cells do.
    off = np.abs(k[:, None, None] * theirs.grey + m[:, None, None] - own.grey)
    worst = off.reshape(len(k), own.grey.size).argmax(axis=1)
    at_most = own_contrast.reshape(-1)[worst, None, None]
    apart = _apart(theirs.at(worst), own.at(worst), k, m, (np.inf, at_most))
    rows = np.flatnonzero(apart <= _OF_CONTRAST_RELIT)
    same = np.zeros(len(k), dtype=bool)
    if len(rows):
        theirs = theirs.of(rows)
        contrasts = _contrast(theirs.grey), own_contrast
        same[rows] = _apart(theirs, own, k[rows], m[rows], contrasts) <= _OF_CONTRAST_RELIT
    return same


def _apart(
    theirs: _Cells, own: _Cells, k: np.ndarray, m: np.ndarray, contrasts: tuple[Any, np.ndarray]
) -> np.ndarray:
    """Return how far pictures (n,) are at the worst cell, as a share of the contrast there.

    k and m are of the change from them to the picture's own light, or back: the better way counts.
    """
    there = _off(theirs, own, k, m, *contrasts)
    back = _off(own, theirs, 1 / k, -m / k, *contrasts[::-1])
    return np.asarray(np.minimum(there, back))


def _off(
    one: _Cells,
    other: _Cells,
    gain: np.ndarray,
    shift: np.ndarray,
    one_contrast: np.ndarray | float,
    other_contrast: np.ndarray | float,
) -> np.ndarray:
    """Return the worst difference of cells from what a change of light may make of others.

    The mean of values that are cut at 0 is at least the cut mean, and at most what two values, the
    least and the largest, with that mean would have; where they are cut at 255 it is vice versa.
    """
    k, m = gain[:, None, None], shift[:, None, None]
    share = (one.grey - one.least) / np.maximum(one.most - one.least, 1)
    plain, least, most = k * one.grey + m, k * one.least + m, k * one.most + m
    dark = np.maximum(least, 0) + share * (np.maximum(most, 0) - np.maximum(least, 0))
    bright = np.minimum(least, 255) + share * (np.minimum(most, 255) - np.minimum(least, 255))
    low = np.maximum(plain, 0) + bright - plain
    high = dark + np.minimum(plain, 255) - plain
    beyond = np.maximum(low - other.grey, other.grey - high) - _LEVELS * np.maximum(k, 1)
    contrast = np.maximum(np.minimum(k * one_contrast, other_contrast), 1)
    return np.asarray((beyond / contrast).max(axis=(1, 2)))


def _cells(signatures: np.ndarray, count: int) -> _Cells:
    step = _CELLS // count
    shape = (len(signatures), count, step, count, step)
    least = signatures["least"].reshape(shape).min(axis=4).min(axis=2).astype(np.float32)
    most = signatures["most"].reshape(shape).max(axis=4).max(axis=2).astype(np.float32)
    return _Cells(_joined(signatures["grey"], count), least, most)


def _shapes(blocks: np.ndarray) -> np.ndarray:
    """Return cells (n, side, side) as vectors (n, side * side) of mean 0 and length 1."""
    flat = blocks.reshape(len(blocks), -1) - blocks.mean(axis=(1, 2))[:, None]
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))


def _first_same(
    one: np.ndarray, known: np.ndarray, blocks: np.ndarray, rows: np.ndarray
) -> int | None:
    """Return the first of these rows that shows the same picture; None if none does."""
    cells = _cells_for(np.minimum(known["size"][rows].min(axis=1), one["size"].min()))
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
    digest = hashlib.sha256(b"signatures 2\0")
    for path in paths:
        try:
            stat = path.stat()
            stated = f"{stat.st_size}\0{stat.st_mtime_ns}"
        except OSError:
            stated = "not there"
        digest.update(f"{path.resolve()}\0{stated}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:24]
