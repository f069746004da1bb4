"""What a reader gives and what a writer wants: the two ends that every format shares."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import AREA_PER_BOX, COPY, WITHOUT_SCENE, PoseDataset, rows_of_groups
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import require_inside
from wepdtof_pose.images import plain_name, spelled_alike
from wepdtof_pose.keypoints import keypoint_set_from_names

WHOLE = "all"
"""Name of the only split of a data set that is not divided."""

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Names of splits by the words that files and folders have for them."""

ASIDE = frozenset({"__MACOSX", "@eaDir"})
"""Folders that a Mac's archives have, and a Synology server, beside the data."""

ANNOTATION_FOLDERS = ("annotations", "annot")
SEARCHED = 20
"""Images that are looked for before a folder is taken for the wrong one: some may be missing."""
FILE_NAME_READ = "file_name_read"
"""Other field of an image that was found by the end of its name: the name that its file has."""
UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded image."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Reading:
    """What a reader found.

    Attributes:
        datasets: by split name; WHOLE where there is only one.
        files: the annotation files read.
        left_out: what was left out or changed on reading, and how often.
        renamed: where an image lies, for those that do not lie at root / file_name.
    """

    datasets: dict[str, PoseDataset]
    files: list[Path]
    left_out: dict[str, int] = field(default_factory=dict)
    renamed: dict[Path, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """A folder that a writer wants; nothing is written yet.

    Attributes:
        files: content by path in the folder: a text as it is, anything else as JSON.
        images: image file by path in the folder.
        not_held: what the format cannot hold, and how often.
    """

    files: dict[str, Any] = field(default_factory=dict)
    images: dict[str, Path] = field(default_factory=dict)
    not_held: dict[str, int] = field(default_factory=dict)

    def count_lost(self, *counts: dict[str, int]) -> None:
        """Add to the counts of what is not held."""
        self.not_held.update(add_counts(self.not_held, *counts))


def image_places(dataset: PoseDataset, folder: str) -> dict[str, Path]:
    """Return the images of a data set by their path under `folder`.

    Raises:
        InputError: a file name would lead out of the folder.
    """
    names = list(dict.fromkeys(dataset.frames["file_name"]))
    require_inside(names, dataset.root)
    if not all(PurePosixPath(name).parts for name in names):
        raise InputError(f"{dataset.root}: an image has no file name")
    return {f"{folder}/{PurePosixPath(name)}": dataset.root / name for name in names}


def split_folder(folder: str, split: str) -> str:
    """Return `folder/split`, or `folder` for the only split."""
    return folder if split == WHOLE else f"{folder}/{split}"


def name_forms(name: str) -> tuple[str, ...]:
    """Return the names that an image may have: its own, and with / where that has \\ of Windows."""
    return (name, name.replace("\\", "/")) if "\\" in name else (name,)


def source_picture(name: str) -> str:
    """Return what all copies of one picture have in common; of one that has none its plain name.

    Roboflow writes several of each, mirrored, cropped or turned, into folders for the splits, and
    calls them `NAME_png.rf.HASH.jpg`.

    >>> source_picture("train/images/hall_png.rf.0a1b2c.jpg")
    'hall_png'
    >>> source_picture("train/images/hall.jpg")
    'train/images/hall.jpg'
    """
    path = PurePosixPath(plain_name(name))
    if not COPY.search(path.stem):
        return str(path)
    folders = [part for part in path.parts[:-1] if part.lower() not in (*SPLITS, "images")]
    return str(PurePosixPath(*folders, path.stem[: path.stem.rindex(".rf.")]))


def first_root(
    places: Sequence[Path],
    names: Sequence[str],
    default: Path,
    *,
    forms: Callable[[str], Iterable[str]] = name_forms,
) -> Path:
    """Return the first of these folders that has one of these images, else the default.

    The first image that is found decides; SEARCHED of them are looked for. `forms` gives the names
    under which an image may lie.
    """
    for name in names[:SEARCHED]:
        tried = list(forms(name))
        for place in places:
            if any((place / form).is_file() for form in tried):
                return place
    return default


def renamed_images(
    root: Path, names: Iterable[str], *, forms: Callable[[str], Sequence[str]] = name_forms
) -> dict[Path, Path]:
    """Return where images lie that are not at `root / name`, but under another form of it."""
    found = {}
    for name in names:
        own, *others = (root / form for form in forms(name))
        if others and not own.is_file():
            there = next((other for other in others if other.is_file()), None)
            if there is not None:
                found[own] = there
    return found


def with_images(
    dataset: PoseDataset,
    images: Path | None,
    split: str = WHOLE,
    *,
    forms: Callable[[str], Iterable[str]] = name_forms,
) -> PoseDataset:
    """Return the data set with its images under a given folder (or its folder `split`)."""
    if images is None:
        return dataset
    names = dataset.frames["file_name"].tolist()
    return replace(dataset, root=first_root([images / split, images], names, images, forms=forms))


def by_longest_end(dataset: PoseDataset, places: Sequence[Path]) -> PoseDataset:
    """Return the data set with its images below the first of these folders that has some.

    An image that is not there by its name gets the longest end of the name, between slashes of
    either kind, that is. Where none is, one file that is spelled alike will do (in upper or lower
    case, with %20 for a space), or has the digits of an upload to Label Studio more or less, or the
    only picture of the same name but for its suffix. What was so changed is counted in `left_out`,
    and the name that the file has is kept in the frame's `extra`, as `FILE_NAME_READ`.

    Raises:
        InputError: two images end alike.
    """
    root, found = names_below(list(dict.fromkeys(dataset.frames["file_name"])), places)
    read = dataset.frames["file_name"].tolist()
    frames = dataset.frames.assign(file_name=[found[name] for name in read])
    other = [name != found[name] for name in read]
    if not any(other):
        return replace(dataset, root=root)
    frames["extra"] = pd.Series(
        [
            {**(extra or {}), FILE_NAME_READ: name} if changed else extra
            for extra, name, changed in zip(frames["extra"], read, other, strict=True)
        ],
        dtype=object,
    )
    folders = sum(found[name] in longest_ends(name) for name in read if name != found[name])
    counts = add_counts(
        dataset.left_out,
        {
            "leading folders of image names": folders,
            SPELLED: sum(other) - folders,
        },
    )
    return replace(dataset, frames=frames, root=root, left_out=counts)


def names_below(names: Sequence[str], places: Sequence[Path]) -> tuple[Path, dict[str, str]]:
    """Return the first folder that has some of these images, and the name that each has below it.

    That is its own name, or the longest end of it; see `by_longest_end`.

    Raises:
        InputError: two images end alike.
    """
    root = first_root(places, names, places[-1], forms=_own_forms)
    if not any((root / form).is_file() for name in names[:SEARCHED] for form in _own_forms(name)):
        root = first_root(places, names, places[-1], forms=longest_ends)
    found = {name: _name_below(root, name) for name in names}
    taken: dict[str, str] = {}
    for name, there in found.items():
        if there in taken:
            raise InputError(
                f"{root}: {taken[there]!r} and {name!r} would both be {there}: give each image a "
                "name of its own"
            )
        taken[there] = name
    return root, found


def _name_below(root: Path, name: str) -> str:
    """Return the name by which an image lies below the folder; its own if it does not."""
    if any((root / form).is_file() for form in _own_forms(name)):
        return name
    ends = longest_ends(name)
    exact = next((end for end in ends if (root / end).is_file()), None)
    if exact is not None:
        return exact
    # Then names that are spelled in another way, and at last pictures that were stored anew.
    for alike in (spelled_alike, _same_upload, _same_stem):
        for end in ends:
            parent = (root / end).parent
            beside = list(parent.iterdir()) if parent.is_dir() else []
            same = [p for p in beside if alike(p.name, PurePosixPath(end).name) and p.is_file()]
            if len(same) == 1:
                return same[0].relative_to(root).as_posix()
    return name


def _same_upload(there: str, name: str) -> bool:
    """Whether only one of two names has the 8 digits that Label Studio puts before an upload's."""
    return name == UPLOAD.sub("", there) or there == UPLOAD.sub("", name)


def _same_stem(there: str, name: str) -> bool:
    path, other = PurePosixPath(there), PurePosixPath(name)
    suffixes = (*IMAGE_SUFFIXES, "")
    return path.stem == other.stem and {path.suffix.lower(), other.suffix.lower()} <= {*suffixes}


def _own_forms(name: str) -> tuple[str, ...]:
    """Return the names under which an image may lie; none if they lead out of the folder."""
    try:
        require_inside([name], "")
    except InputError:
        return ()
    return name_forms(name)


def longest_ends(name: str) -> list[str]:
    """Return the ends of a path, or of that of a URL, from the longest to the mere file name."""
    path = unquote(urlsplit(name).path) if "://" in name else re.sub(r"^[A-Za-z]:", "", name)
    parts = [part for part in re.split(r"[/\\]+", path) if part not in ("", ".")]
    after = max(
        (n for n, part in enumerate(parts, 1) if part == ".." or part[1:] == ":"), default=0
    )
    return ["/".join(parts[first:]) for first in range(after, len(parts))]


def files_in(folder: Path, *suffixes: str, deep: bool = False) -> list[Path]:
    """Return the files of a folder with one of these suffixes, in order; none where it is missing.

    Suffixes are given in lower case, with their point, and stand for both cases; `deep` looks into
    folders inside, too. What is no data is left out; see `is_aside`.
    """
    found = folder.rglob("*") if deep else folder.glob("*")
    return sorted(
        path
        for path in found
        if path.suffix.lower() in suffixes
        and not any(map(is_aside, path.relative_to(folder).parts))
        and not path.is_dir()
    )


def is_aside(name: str) -> bool:
    """Return whether a file or folder of this name is none of the user's data: it is hidden, as the
    `._name` beside each file of a Mac's archive, or one of `ASIDE`."""
    return name.startswith(".") or name in ASIDE


def split_files(path: Path, suffix: str) -> dict[str, Path]:
    """Return the annotation files of a suffix under a path by split: a file, or those of a folder.

    They lie in the folder's `annotations/` or `annot/` where it has one. The only file is WHOLE; of
    several each must end in train, val (or valid, validation) or test.

    Raises:
        InputError: there is none, or the names do not say the splits.
    """
    if not path.is_dir():
        return {WHOLE: path}
    inner = [path / name for name in ANNOTATION_FOLDERS if (path / name).is_dir()]
    folder = inner[0] if inner else path
    files = [file for file in files_in(folder, suffix) if file.name != "manifest.json"]
    if not files:
        below = files_in(path, suffix, deep=True)[:1]
        other = "".join(f", but {file} is below it: name one of those" for file in below)
        raise InputError(f"{path}: has no annotation files *{suffix}{other}")
    if len(files) == 1:
        return {WHOLE: files[0]}
    named = {SPLITS.get(file.stem.split("_")[-1], ""): file for file in files}
    if len(named) < len(files) or "" in named:
        listed = ", ".join(file.name for file in files)
        raise InputError(f"{path}: has several annotation files ({listed}): give one of them")
    return {split: named[split] for split in ("train", "val", "test") if split in named}


def of_each_file(read: Callable[..., Reading]) -> Callable[..., Reading]:
    """Decorate a reader of one JSON file, so that it reads the folder of a data set as well."""

    @wraps(read)
    def read_path(path: Path, *, images: Path | None = None) -> Reading:
        readings = {
            split: read(
                file, images=images / split if images and (images / split).is_dir() else images
            )
            for split, file in split_files(path, ".json").items()
        }
        return Reading(
            {split: reading.datasets[WHOLE] for split, reading in readings.items()},
            [file for reading in readings.values() for file in reading.files],
            add_counts(*(reading.left_out for reading in readings.values())),
        )

    return read_path


def people_of_frames(dataset: PoseDataset) -> list[np.ndarray]:
    """Return the rows of the people of each frame, in file order."""
    people, nobody = rows_of_groups(dataset.frame_rows), np.arange(0)
    return [people.get(row, nobody) for row in range(len(dataset.frames))]


def add_counts(*counts: dict[str, int]) -> dict[str, int]:
    """Return the sums of counts under the same name, without zeros."""
    total: dict[str, int] = {}
    for part in counts:
        for name, count in part.items():
            if count:
                total[name] = total.get(name, 0) + int(count)
    return total


BOXES_OF_JOINTS = "boxes that are the extent of the joints"
CATEGORY_UNLISTED = "category ids that are not listed (taken for the only one that is)"
NUMBERED_ANEW = "ids of images and people (numbered anew: some are missing or not unique)"
TRACKS_NUMBERED = "track ids (numbered anew: some are no whole numbers)"
SPELLED = "image names (of files that are spelled in another way)"
RESPELLED = "label files that are spelled in another way than their images"
TWICE = "people who are given twice, with the same numbers (used once)"
BOXES_ALONE = "people with a box and no joints"
DERIVED = frozenset(
    {BOXES_ALONE, BOXES_OF_JOINTS, CATEGORY_UNLISTED, NUMBERED_ANEW, TRACKS_NUMBERED, SPELLED}
    | {RESPELLED, WITHOUT_SCENE}
)
"""Counts of a reader that say what it put in place of something missing: nothing is lost there."""


def counts_in_words(counts: Mapping[str, int]) -> str:
    """Return what a reader left out and what it derived, in a line; "" for neither.

    >>> counts_in_words({"boxes of 'car'": 2, "boxes that are the extent of the joints": 1})
    "left out: 2 boxes of 'car'; derived: 1 box that is the extent of the joints"
    """
    parts: dict[str, list[str]] = {"left out": [], "derived": []}
    for what, count in counts.items():
        if count:
            parts["derived" if what in DERIVED else "left out"].append(count_in_words(count, what))
    return "; ".join(f"{words}: {', '.join(listed)}" for words, listed in parts.items() if listed)


def count_in_words(count: int, what: str) -> str:
    """Return a count with what it counts, which begins with a noun in the plural.

    >>> [count_in_words(1, what) for what in ("people who are left", ".xls files")]
    ['1 person who is left', '1 .xls file']
    """
    if count == 1:
        what = re.sub(r"people|boxes|(?<![.\w])\w+s\b", _singular, what, count=1)
        what = re.sub(_NOUN_AND_VERB, lambda match: f"{match[1]} {_VERBS[match[2]]}", what)
    return f"{count} {what}"


def _singular(noun: re.Match[str]) -> str:
    singular = {"people": "person", "boxes": "box", "categories": "category"}
    return singular.get(noun[0], noun[0].removesuffix("s"))


_VERBS = {"are": "is", "were": "was", "say": "says", "name": "names", "hold": "holds"}
_NOUN_AND_VERB = re.compile(rf"^(\w+(?: \w+)?(?: of the \w+)? (?:that|who)) ({'|'.join(_VERBS)})\b")


CROWDS = "crowd regions (left out)"
EMPTY_BOXES = "people whose box is empty in the image (left out)"
EMPTY_FRAMES = "images without people"
"""What a writer says of people and of images that its format cannot hold at all."""


def require_somebody(people: int, layout: Layout, target: str) -> None:
    """Refuse a layout that holds nobody because all people or images were left out.

    Args:
        people: how many people there were to write.
        layout: what a writer made of them; images without people may be what is wanted.
        target: the format, for the message.
    """
    gone = {what: layout.not_held.get(what, 0) for what in (CROWDS, EMPTY_BOXES, EMPTY_FRAMES)}
    if not any(gone.values()) or people > gone[CROWDS] + gone[EMPTY_BOXES]:
        return
    counts = ", ".join(count_in_words(count, what) for what, count in gone.items() if count)
    raise InputError(f"nobody is left that {target} can hold: {counts}; --to coco holds them all")


def without_crowds(dataset: PoseDataset) -> tuple[PoseDataset, dict[str, int]]:
    """Return all frames with single people alone, for formats that would make people of crowds.

    The second value counts the regions left out.
    """
    single = (dataset.people["iscrowd"] == 0).to_numpy()
    people = dataset.people[single].reset_index(drop=True)
    kept = replace(dataset, people=people, keypoints=dataset.keypoints[single])
    return kept, {CROWDS: int((~single).sum())}


def not_held(
    dataset: PoseDataset, held: Collection[str] = (), *, fields: Collection[str] = ()
) -> dict[str, int]:
    """Return how often a data set has what a format cannot hold.

    Every format holds file names, sizes, boxes and labelled joints; crowd regions it holds, or
    `without_crowds` counts them. `held` names what else this one does, out of the keys below;
    `fields` are the other fields of people that it has a place for.
    """
    people, frames, points = dataset.people, dataset.frames, dataset.keypoints
    own, named = dataset.keypoint_set, keypoint_set_from_names(dataset.keypoint_set.joints)
    unlabelled = points[..., 2] == 0
    counts = {
        "image ids": _differing(frames["id"].tolist()),
        "person ids": _differing(people["id"].tolist()),
        "scenes": int(frames["scene"].notna().sum()),
        "areas": int((~area_follows_from_box(people)).sum()),
        "track ids": int(people["track_id"].notna().sum()),
        "rotated boxes": int(people["rotated_cx"].notna().sum()),
        "hidden joints (written as visible)": int((points[..., 2] == 1).sum()),
        "positions of joints that are not labelled": int(
            (unlabelled & (points[..., :2] != 0).any(axis=-1)).sum()
        ),
        "other fields of images": int(frames["extra"].notna().sum()),
        "other fields of people": sum(
            bool(extra and set(extra) - set(fields)) for extra in people["extra"]
        ),
        "name, sigmas or skeleton of the keypoint set": int(
            replace(named, flip_pairs=own.flip_pairs) != own
        ),
        "mirror pairs that the names of the joints do not say": int(
            named.flip_pairs != own.flip_pairs
        ),
        "fields of the file": len([key for key, value in dataset.meta.items() if value]),
    }
    unknown = set(held) - set(counts)
    assert not unknown, unknown
    return {name: count for name, count in counts.items() if name not in held and count}


def area_follows_from_box(people: Mapping[Any, Any] | pd.DataFrame) -> np.ndarray:
    """Return whether a reader of the upright box alone gives the same area, (people,) bool.

    It does not where the area is annotated, nor where it is that of a rotated box. `people` is a
    people table, or one row of it.
    """
    of_box = AREA_PER_BOX * people["w"] * people["h"]
    same = np.isclose(people["area"], of_box, rtol=1e-9, atol=0)
    return same & np.asarray(people["area_from_box"], dtype=bool)


def decimal(value: float | np.float32) -> float | int:
    """Return a number as it belongs in a file: shortest decimal, whole numbers without a point."""
    number = float(str(value)) if isinstance(value, np.float32) else float(value)
    return int(number) if number == int(number) else number


def _differing(ids: list[Any]) -> int:
    """Return the ids that are not their position, counted from 1, as readers give them."""
    return sum(value != position for position, value in enumerate(ids, start=1))
