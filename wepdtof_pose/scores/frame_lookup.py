"""Which frame of a data set a box or pose of another file is on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from wepdtof_pose.errors import InputError

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".mjpeg", ".mjpg"),
        *(".wmv", ".flv", ".ts", ".mts", ".m2ts", ".3gp", ".ogv"),
    }
)
"""Names of videos, which say nothing about the frame."""


def find_frames(
    frames: pd.DataFrame,
    image_ids: Sequence[Any],
    file_names: Sequence[str | None],
    *,
    source: str,
) -> np.ndarray:
    """Return the rows (n,) int64 of `frames`, -1 where it has no such frame.

    A file name goes before an id: ids of files made without the annotations are guesses from
    names. A name is that of the frame with the same path, else of the only one with the same last
    part; where several frames have it, or there is none, the id says which. A text that is no
    frame's id may be the file name of one, with or without its suffix, as detectors and WEPDTOF
    name frames, or its id in digits; where these name different frames, it is of none. Where one of
    several paths that end alike is the frame's own, the others are of none.

    Args:
        frames: with columns `id` and `file_name`.
        image_ids: (n,) ids; None where only a name is known.
        file_names: (n,) names; None where only an id is known.
        source: of ids and names, in errors.

    Raises:
        InputError: several paths end in the name of one frame, so that one cannot tell which is it.
    """
    row_of = {frame_id: row for row, frame_id in enumerate(frames["id"])}
    by_digits = {str(frame_id): row for frame_id, row in row_of.items()}
    by_name = _rows_of_names(frames["file_name"])
    by_last_part = _rows_of_names([Path(name).name for name in frames["file_name"]])
    by_stem = _rows_of_names([str(Path(name).with_suffix("")) for name in frames["file_name"]])
    by_last_stem = _rows_of_names([Path(name).stem for name in frames["file_name"]])

    def named(text: str) -> int:
        last = Path(text.replace("\\", "/")).name
        found = set(by_name.get(text) or by_last_part.get(last) or ())
        found |= set(by_stem.get(text) or by_last_stem.get(last) or ())
        found |= {by_digits[text]} if text in by_digits else set()
        return found.pop() if len(found) == 1 else -1

    rows = np.full(len(image_ids), -1, dtype=np.int64)
    row_by_name: dict[str, int] = {}
    pairs = list(zip(image_ids, file_names, strict=True))
    for position, (image_id, name) in enumerate(pairs):
        by_id = row_of.get(image_id, -1) if type(image_id) in (int, str) else -1
        if by_id < 0 and isinstance(image_id, str):
            by_id = named(image_id)
            if by_id >= 0 and image_id not in by_digits:
                row_by_name[image_id] = by_id
        if name is None or Path(name).suffix.lower() in VIDEO_SUFFIXES:
            rows[position] = by_id
            continue
        found = by_name.get(name) or by_last_part.get(Path(name.replace("\\", "/")).name) or []
        if len(found) == 1:
            rows[position] = row_by_name[name] = found[0]
        elif by_id in found:
            rows[position] = by_id
    elsewhere = _of_other_frames(row_by_name, frames["file_name"], source)
    for position, pair in enumerate(pairs if elsewhere else ()):
        if not elsewhere.isdisjoint(text for text in pair if isinstance(text, str)):
            rows[position] = -1
    return rows


def images_of_paths(
    names: Iterable[tuple[Any, str]], texts: Collection[str]
) -> dict[str, set[Any]]:
    """Return the ids of the images whose files texts may name, with or without suffix.

    A text is the path of the file, or else its end, or ends in it. Where several end in that of one
    image and contradict each other, as cam1/7.jpg and cam2/7.jpg do of 7.jpg, it is none of them.

    Args:
        names: id and file name of each image.
        texts: paths.

    >>> found = images_of_paths([(1, "cam1/7.jpg"), (2, "8.jpg")], ["7", "cam2/7.jpg", "all/8.jpg"])
    >>> found["7"], found["cam2/7.jpg"], found["all/8.jpg"]
    ({1}, set(), {2})
    """
    whole: dict[tuple[str, ...], set[Any]] = defaultdict(set)
    ends: dict[tuple[str, ...], set[Any]] = defaultdict(set)
    for image, name in names if texts else ():
        path = PurePosixPath(name.replace("\\", "/"))
        for last in (path.name, path.stem):
            parts = (*path.parts[:-1], last)
            whole[parts].add(image)
            for end in _ends(parts):
                ends[end].add(image)
    found: dict[str, set[Any]] = {}
    longer: dict[Any, list[tuple[str, ...]]] = {}
    for text in texts:
        path = PurePosixPath(text.replace("\\", "/"))
        found[text] = whole.get(path.parts) or ends.get(path.parts, set()).union(
            *(whole.get(end, set()) for end in _ends(path.parts))
        )
        for image in found[text] if len(path.parts) > 1 else ():
            longer.setdefault(image, []).append((*path.parts[:-1], path.stem))
    unclear = set()
    for image, paths in longer.items():
        longest = max(paths, key=len)
        if not all(_one_ends_the_other(path, longest) for path in paths):
            unclear.add(image)
    return {text: images - unclear for text, images in found.items()}


def _of_other_frames(row_by_name: dict[str, int], own: pd.Series, source: str) -> set[str]:
    """Return the names that cannot be of the frame they were found for, as its own path is there.

    So it is with the frames of several cameras, which have the same names in different folders.
    """
    names_by_row: dict[int, list[str]] = {}
    for name, row in row_by_name.items():
        names_by_row.setdefault(row, []).append(name)
    others: set[str] = set()
    for row, names in names_by_row.items():
        if len(names) == 1:
            continue
        path = _parts(own.iloc[row])
        if any(_parts(name) == path for name in names):
            others |= {name for name in names if not _one_ends_the_other(_parts(name), path)}
            continue
        for first, second in combinations(names, 2):
            if not _one_ends_the_other(_parts(first), _parts(second)):
                raise InputError(
                    f"{source}: {first} and {second} would both be frame {own.iloc[row]}: leave "
                    "out the one that is another image"
                )
    return others


def _ends(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [parts[first:] for first in range(len(parts))]


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).with_suffix("").parts


def _one_ends_the_other(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    length = min(len(first), len(second))
    return first[-length:] == second[-length:]


def _rows_of_names(names: Sequence[str] | pd.Series) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return rows
