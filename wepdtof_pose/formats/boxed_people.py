"""People known by their boxes alone, in sequences of frames: what the box formats share.

The fisheye sets (WEPDTOF, CEPDOF, LOAF, HABBOF), detections and Pascal VOC annotate boxes, rotated
or upright, and no joints. Their readers give `Sequence`s; `reading_of` makes a data set of them:

* A rotated box is kept, and the upright box is its bounds. The area is 0.53 of the box that was
  annotated.
* There are no keypoints: all visibilities are 0. Training takes nobody without any, not even as
  unlabelled, as published: such people are for looking at, and to be labelled.
* The scene of a frame is its sequence.
* What is labelled as something else than people is left out and counted, and so is who is given
  again, the same in all but the id.
* Sizes that a file does not state come from the images, and are 0 where these are not there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import AREA_PER_BOX, PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import require_inside
from wepdtof_pose.formats.categories import people_labels, require_people
from wepdtof_pose.formats.fields import repeated, require_id, require_whole, shown
from wepdtof_pose.formats.layout import (
    IMAGE_SUFFIXES,
    TRACKS_NUMBERED,
    TWICE,
    WHOLE,
    Reading,
    add_counts,
    files_in,
    longest_ends,
)
from wepdtof_pose.geometry import enclosing_boxes
from wepdtof_pose.images import image_file, image_size
from wepdtof_pose.keypoints import get_keypoint_set

JOINTS_UNREAD = "people whose keypoints are not read (their boxes alone are)"


@dataclass(frozen=True)
class Frame:
    """A frame as a file has it.

    Attributes:
        id: its id in the file.
        file_name: its name, or None where the file knows only its `stem`.
        stem: the name without suffix.
        size: width and height in pixels, or None where the file does not say them.
        extra: other fields.
        other_name: another name that the file gives, for an image that is not there by the first.
    """

    id: int | str
    file_name: str | None
    stem: str = ""
    size: tuple[int, int] | None = None
    extra: dict[str, Any] | None = None
    other_name: str | None = None


@dataclass(frozen=True)
class BoxedPerson:
    """A labelled box: rotated, upright, or both.

    Attributes:
        frame: id of the frame in its sequence.
        rotated: cx, cy, w, h in pixels and degrees clockwise, where there is such a box.
        box: x, y, w, h in pixels; where there is none, the bounds of the rotated box are taken.
        label: what the file says it is; None where it says nothing, which means a person.
        id, track: its ids, where there are any; a track may be named by a text.
        extra: other fields.
    """

    frame: int | str
    rotated: tuple[float, ...] | None = None
    box: tuple[float, ...] | None = None
    label: str | None = None
    id: Any = None
    track: int | str | None = None
    iscrowd: int = 0
    extra: dict[str, Any] | None = None


@dataclass(frozen=True)
class Sequence:
    """The frames and boxes of one annotation file or folder, checked.

    Attributes:
        name: the scene of its frames, and a folder that its images may lie in.
        source: names the file in errors.
        frames: its frames, in order; no two of the same id.
        people: its boxes.
        left_out: what of the file was left out on parsing, and how often.
    """

    name: str
    source: str
    frames: list[Frame]
    people: list[BoxedPerson]
    left_out: dict[str, int] = field(default_factory=dict)


def reading_of(
    sequences: Many[Sequence],
    files: list[Path],
    *,
    roots: Many[Path],
    images: Path | None = None,
    source: str,
    category: str | None = None,
    one_each: bool = False,
) -> Reading:
    """Return the data set of sequences as a Reading.

    Args:
        sequences: what the files hold.
        files: the annotation files.
        roots: folders in which the images may lie; the first that has one is taken.
        images: the folder that the user says they lie in, where they are found by the longest end
            of their names.
        source: names the data in errors.
        category: the label of people, where the files label several things.
        one_each: each image has a file of its own: those without one are counted.

    Raises:
        InputError: no label says which boxes are people, or a sequence lists a frame twice.
    """
    kept, others = only_people(sequences, category, source=source)
    counts = [sequence.left_out for sequence in kept]
    people = sum(len(sequence.people) for sequence in kept)
    require_people(people, add_counts(others, *counts), source=source)
    for sequence in kept:
        if twice := repeated(frame.id for frame in sequence.frames):
            raise InputError(f"{sequence.source}: image {shown(twice[0])} is listed twice")
    kept, shared = with_own_ids(kept)
    root, names = find_images(kept, [images] if images else roots, by_end=images is not None)
    dataset = to_dataset(kept, names, root)
    own = [person.id for sequence in kept for person in sequence.people]
    renumbered = sum(
        before not in (None, now) for before, now in zip(own, dataset.people["id"], strict=True)
    )
    left_out = {
        "image ids that several sequences have (written as sequence/id)": shared,
        "person ids (numbered anew)": renumbered,
    }
    if one_each:
        counts.append(images_without_labels(dataset))
    return Reading({WHOLE: dataset}, files, add_counts(others, left_out, *counts))


def track_of(value: Any, what: str) -> int | str | None:
    """Return the number of a track, or its name; None where there is none.

    Raises:
        InputError: it is neither.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        require_whole(value, what)
        return int(value)
    require_id(value, what)
    return int(value) if re.fullmatch(r"-?\d{1,15}", value) else value


def images_without_labels(dataset: PoseDataset) -> dict[str, int]:
    """Count the images beside those of a data set that has a file of labels for each of its own."""
    own = {dataset.root / name for name in dataset.frames["file_name"]}
    folders = sorted({path.parent for path in own if path.is_file()})
    others = [p for folder in folders for p in files_in(folder, *IMAGE_SUFFIXES) if p not in own]
    if not others:
        return {}
    return {f"images without a file of labels ({shown(others[0].name)} is the first)": len(others)}


def only_people(
    sequences: Many[Sequence], category: str | None, *, source: str
) -> tuple[list[Sequence], dict[str, int]]:
    """Return the sequences with their people alone, each once, and how much else there was.

    Their tracks are numbered 1, 2, ... where one is no number.
    """
    labels = Counter(p.label for s in sequences for p in s.people if p.label is not None)
    if category is not None and not labels:
        raise InputError(f"{source}: its boxes have no labels: no --category")
    chosen = people_labels(labels, category, source=source, alone=False)
    others = {f"objects labelled {shown(n)}": c for n, c in labels.items() if n not in chosen}
    kept = []
    for sequence in sequences:
        people = (p for p in sequence.people if p.label is None or p.label in chosen)
        once, again = each_once(people)
        others = add_counts(others, again)
        kept.append(replace(sequence, people=once))
    tracks = [p.track for s in kept for p in s.people if p.track is not None]
    if any(isinstance(track, str) for track in tracks):
        numbers: dict[Any, int] = {}
        for track in tracks:
            numbers.setdefault(track, len(numbers) + 1)
        kept = [
            replace(s, people=[replace(p, track=numbers.get(p.track)) for p in s.people])
            for s in kept
        ]
        others = add_counts(others, {TRACKS_NUMBERED: len(tracks)})
    return kept, others


def each_once(people: Iterable[BoxedPerson]) -> tuple[list[BoxedPerson], dict[str, int]]:
    """Return the people of a file, where who is there again, the same in all but the id, is no
    second person.

    The second value counts those.
    """
    given = list(people)
    once: dict[str, BoxedPerson] = {}
    for person in given:
        once.setdefault(repr(replace(person, id=None)), person)
    return list(once.values()), {TWICE: len(given) - len(once)}


def with_own_ids(sequences: list[Sequence]) -> tuple[list[Sequence], int]:
    """Return the sequences with ids that no two share, and the number of frames renamed.

    Where two sequences number their frames alike, all frames become `sequence/id`.

    Raises:
        InputError: two sequences of the same name have a frame of the same id.
    """
    ids = Counter(frame.id for sequence in sequences for frame in sequence.frames)
    shared = sum(count for count in ids.values() if count > 1)
    if not shared:
        return sequences, 0
    renamed = [
        replace(
            sequence,
            frames=[replace(f, id=f"{sequence.name}/{f.id}") for f in sequence.frames],
            people=[replace(p, frame=f"{sequence.name}/{p.frame}") for p in sequence.people],
        )
        for sequence in sequences
    ]
    if twice := repeated(frame.id for sequence in renamed for frame in sequence.frames):
        raise InputError(
            f"{sequences[0].source}: two sequences have a frame of id {shown(twice[0])}: "
            "give them folders of different names"
        )
    return renamed, shared


def find_images(
    sequences: Many[Sequence], roots: Many[Path], *, by_end: bool = False
) -> tuple[Path, dict[int | str, str]]:
    """Return the folder of the images, and each image's name under it, by frame id.

    Under a root they lie in a folder of their sequence's name, or in the root itself. With `by_end`
    the longest end of a name that is there will do.

    Raises:
        InputError: a name leads out of the folder, or two images end alike.
    """
    listings = _Listings()
    found: dict[int | str, str] = {}
    used = None
    for sequence in sequences:
        if not by_end:
            require_inside((f.file_name or f.stem for f in sequence.frames), sequence.source)
        for frame in sequence.frames:
            name = None
            for root in [used] if used else roots:
                name = _name_under(root, sequence.name, frame, listings, by_end=by_end)
                if name is not None:
                    used = root
                    break
            found[frame.id] = name or f"{sequence.name}/{next(_names(frame, by_end=by_end))}"
    if by_end and (twice := repeated(found.values())):
        raise InputError(
            f"{used or roots[0]}: several images would be {twice[0]}: give each a name of its own"
        )
    return used or roots[0], found


def to_dataset(sequences: Many[Sequence], names: dict[int | str, str], root: Path) -> PoseDataset:
    """Return the data set of sequences whose images, by frame id, have these names under `root`.

    Raises:
        InputError: a box has a side below 0.
    """
    frames = [(frame, sequence.name) for sequence in sequences for frame in sequence.frames]
    people = [person for sequence in sequences for person in sequence.people]
    for sequence in sequences:
        _require_sides(sequence)
    nothing = (np.nan,) * 5
    rotated = np.array([p.rotated or nothing for p in people], dtype=np.float64).reshape(-1, 5)
    boxes = enclosing_boxes(rotated)
    stated = [row for row, person in enumerate(people) if person.box is not None]
    boxes[stated] = np.array([people[row].box for row in stated], dtype=np.float64).reshape(-1, 4)
    sides = np.where(np.isnan(rotated[:, 2:4]), boxes[:, 2:], rotated[:, 2:4])
    sizes = [frame.size or _size_of(root, names[frame.id]) for frame, _ in frames]
    joints = get_keypoint_set("wepdtof-pose-14")
    return PoseDataset(
        frames=make_frames(
            id=np.array([frame.id for frame, _ in frames], dtype=object),
            file_name=[names[frame.id] for frame, _ in frames],
            sizes=sizes,
            scene=[scene for _, scene in frames],
            extra=[frame.extra for frame, _ in frames],
        ),
        people=make_people(
            id=_ids(people),
            frame_id=np.array([person.frame for person in people], dtype=object),
            boxes=boxes,
            area=AREA_PER_BOX * sides[:, 0] * sides[:, 1],
            area_from_box=np.ones(len(people), dtype=bool),
            iscrowd=[person.iscrowd for person in people],
            track_id=[person.track for person in people],
            rotated=rotated,
            extra=[person.extra for person in people],
        ),
        keypoints=np.zeros((len(people), len(joints), 3), dtype=np.float32),
        keypoint_set=joints,
        root=root,
    )


def scenes_by_folder(names: Iterable[str]) -> pd.Series:
    """Return the folder in the name of each image as its scene; None for names without one."""
    folders = (PurePosixPath(name).parent.as_posix() for name in names)
    return pd.Series([None if folder == "." else folder for folder in folders], dtype=object)


def upright(w: float, h: float, degrees: float) -> tuple[float, float, float]:
    """Return sides and angle of the same rectangle with w <= h and an angle in [-90, 90).

    >>> upright(30, 20, 10)
    (20, 30, -80.0)
    """
    if w > h:
        w, h, degrees = h, w, degrees + 90
    return w, h, (degrees + 90) % 180 - 90.0


def _require_sides(sequence: Sequence) -> None:
    """Refuse sides below 0: nobody can say which box is meant, and areas would be negative."""
    for person in sequence.people:
        for box in (person.rotated, person.box):
            if box is not None and min(box[2:4]) < 0:
                raise InputError(
                    f"{sequence.source}: a box on image {shown(person.frame)} has the sides "
                    f"{box[2]:g} x {box[3]:g}: give width and height, which are not below 0"
                )


class _Listings:
    """The names in each folder, listed once: a sequence has thousands of frames."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], frozenset[str]] = {}

    def has(self, root: Path, folder: str, name: str) -> bool:
        if "/" in name:
            return (root / folder / name).is_file()
        key = (str(root), folder)
        if key not in self._names:
            place = root / folder
            there = place.iterdir() if place.is_dir() else ()
            self._names[key] = frozenset(entry.name for entry in there)
        return name in self._names[key]


def _name_under(
    root: Path, sequence: str, frame: Frame, listings: _Listings, *, by_end: bool
) -> str | None:
    for name in _names(frame, by_end=by_end):
        for folder in (f"{sequence}/", ""):
            if listings.has(root, folder, name):
                return folder + name
    return None


def _names(frame: Frame, *, by_end: bool) -> Iterator[str]:
    """Yield the names that a frame's image may have; a name without a suffix stands for several."""
    name = frame.stem if frame.file_name is None else frame.file_name
    forms = longest_ends(name) if by_end else [name]
    suffixed = name.lower().endswith(IMAGE_SUFFIXES)
    if suffixed or frame.file_name is not None:
        yield from forms
    if not suffixed:
        suffixes = (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES))
        yield from (form + suffix for form in forms for suffix in suffixes)
    if frame.other_name is not None:
        yield frame.other_name


def _size_of(root: Path, name: str) -> tuple[int, int]:
    return image_size(image_file(root, name)) if (root / name).is_file() else (0, 0)


def _ids(people: list[BoxedPerson]) -> list[Any]:
    """Return the own ids where everybody has a whole one and no two the same, else 1, 2, ..."""
    ids = [person.id for person in people]
    whole = all(type(value) is int for value in ids)
    return ids if whole and len(set(ids)) == len(ids) else list(range(1, len(people) + 1))
