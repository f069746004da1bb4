"""The `data.yaml` of a YOLO data set: folders, the class of people, their joints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_text
from wepdtof_pose.formats.categories import people_labels, says_person
from wepdtof_pose.formats.fields import are_joint_names, shown
from wepdtof_pose.formats.layout import SPLITS, WHOLE, files_in, longest_ends, split_folder
from wepdtof_pose.keypoints import KeypointSet, keypoint_set_from_names, with_flip_pairs
from wepdtof_pose.plain_yaml import parse_yaml

_OWN_SPLITS = "own_splits"
"""Our key in a data.yaml whose `train` is there because loaders insist on one."""


_NO_EXCHANGE = "lists 'flip_idx' without an exchange (names of joints say which are mirrored)"


@dataclass(frozen=True)
class DataFile:
    """What a data.yaml says.

    Attributes:
        file: the YAML file.
        root: folder that those of the splits are relative to.
        splits: folder of images by split name, as the file has it, without one `../` too many; `.`
            for one that is listed.
        listed: text files of image names, or folders, of splits that are not one folder.
        separate: whether `val` or `test` is another folder than `train`.
        classes: the classes that are people, by number.
        names: names of the classes by number, as far as the file says them.
        keypoint_set: the joints; None where a data set of boxes was asked for.
        channels: numbers a joint, 2 or 3; 0 where there are no joints.
        padding: joints that a line has beside people's: CVAT pads those of skeletons with fewer
            joints than another one has.
        left_out: what it says that is not followed.
    """

    file: Path
    root: Path
    splits: dict[str, str]
    listed: dict[str, list[str]]
    separate: bool
    classes: frozenset[int]
    names: dict[int, str]
    keypoint_set: KeypointSet | None
    channels: int
    padding: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def joints(self) -> int:
        """Number of joints."""
        return 0 if self.keypoint_set is None else len(self.keypoint_set)

    def class_name(self, number: float) -> str:
        """Return the name of a class, or its number where the file gives it no name."""
        if number.is_integer() and int(number) in self.names:
            return self.names[int(number)]
        return f"{number:g}"


def read_data_file(
    path: Path,
    *,
    keypoint_set: KeypointSet | None = None,
    category: str | None = None,
    pose: bool = True,
) -> DataFile:
    """Return the content of a `data.yaml`, or of the only YAML file of a folder.

    Args:
        path: the file, or the folder that holds it and all that it names.
        keypoint_set: the joints, where the file does not name them (or to overrule it).
        category: the name of the class of people, where there are several.
        pose: whether it must describe joints.

    Raises:
        InputError: it is missing or not usable, leads out of the folder, nothing names its joints,
            or none of several classes says that it is people.
    """
    file = _yaml_file(path)
    content = parse_yaml(read_text(file), source=str(file))
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected names and values such as 'train: images/train'")
    names = _class_names(content.get("names"), file)
    classes = _classes(names, content.get("kpt_names"), category, file)
    joints, channels, padding = None, 0, 0
    left_out: dict[str, int] = {}
    if pose:
        count, channels = _shape(content.get("kpt_shape"), file)
        joints = keypoint_set or _joints(content, classes, file)
        padding = _padding(count, joints, len(names), file)
        joints, left_out = _with_flip(joints, content.get("flip_idx"), padding, file)
    root, found = _places_on_disk(content, path, file)
    listed = {split: places for split, places in found.items() if _is_listed(places)}
    return DataFile(
        file=file,
        root=root,
        splits={split: _folder(places) for split, places in found.items()},
        listed=listed,
        separate=len(found) > 1,
        classes=classes,
        names=names,
        keypoint_set=joints,
        channels=channels,
        padding=padding,
        left_out=left_out,
    )


def yaml_text(keypoint_set: KeypointSet, splits: Sequence[str]) -> str:
    """Return the data.yaml of a data set with these splits, in the folder that holds it."""
    folders = {split: split_folder("images", split) for split in splits}
    # Loaders insist on both; a missing one is the other.
    first = next(iter(folders.values()))
    folders = {"train": first, "val": first, **{k: v for k, v in folders.items() if k != WHOLE}}
    content = {
        **folders,
        **({} if {WHOLE, "train"} & {*splits} else {_OWN_SPLITS: list(splits)}),
        "names": {0: "person"},
        "kpt_shape": [len(keypoint_set), 3],
        "flip_idx": np.asarray(keypoint_set.flip_permutation).tolist(),
        "kpt_names": {0: list(keypoint_set.joints)},
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None)


def _yaml_file(path: Path) -> Path:
    if path.suffix.lower() in (".json", ".ndjson"):
        raise InputError(f"{path}: is no data.yaml: name that of a YOLO data set, or its folder")
    if not path.is_dir():
        return path
    found = files_in(path, ".yaml", ".yml")
    named = [p for p in found if p.stem.lower() == "data"] or found
    if len(named) == 1:
        return named[0]
    if found:
        listed = ", ".join(p.name for p in found)
        raise InputError(f"{path}: has several YAML files ({listed}): give the path of one")
    if (path / "obj.data").is_file() or (path / "obj.names").is_file():
        raise InputError(
            f"{path}: is CVAT's YOLO 1.1, which has boxes alone: export Ultralytics YOLO Pose, or "
            "COCO Keypoints, from CVAT"
        )
    raise InputError(
        f"{path}: has no YAML file: write a data.yaml that says 'train: images', "
        "'names: {0: person}', 'kpt_shape: [17, 3]' (17 joints of 3 numbers) and "
        "'kpt_names: {0: [...]}', the names of the joints"
    )


def _shape(shape: Any, file: Path) -> tuple[int, int]:
    usable = isinstance(shape, list) and len(shape) == 2
    if not usable or any(type(n) is not int for n in shape) or shape[1] not in (2, 3):
        raise InputError(
            f"{file}: 'kpt_shape' is {shown(shape)}, not [number of joints, 3] (or 2): "
            "is it a pose data set?"
        )
    return shape[0], shape[1]


def _padding(count: int, joints: KeypointSet, classes: int, file: Path) -> int:
    padding = count - len(joints)
    if padding < 0 or (padding and classes < 2):
        raise InputError(
            f"{file}: 'kpt_shape' has {shown(count)} joints, but {joints.name!r} has {len(joints)}"
        )
    return padding


def _class_names(names: Any, file: Path) -> dict[int, str]:
    """Return the names of the classes by number: the file has a list of them or a mapping."""
    if names is None:
        return {}
    pairs = dict(enumerate(names)) if isinstance(names, list) else names
    if isinstance(pairs, dict):
        pairs = {_number(number): name for number, name in pairs.items()}
    usable = isinstance(pairs, dict) and all(type(number) is int for number in pairs)
    found = {number: str(name) for number, name in pairs.items()} if usable else {}
    if not usable or not all(name.isprintable() for name in found.values()):
        raise InputError(f"{file}: 'names' is {shown(names)}, not the names of the classes")
    return found


def _number(key: Any) -> Any:
    """Return the number of a class, which a file may have between quotation marks."""
    return int(key) if isinstance(key, str) and key.isascii() and key.isdecimal() else key


def _classes(
    names: dict[int, str], joints: Any, category: str | None, file: Path
) -> frozenset[int]:
    """Return the numbers of the classes that are people.

    They are those with the name `category`, else those that say person, else the only one with
    names of joints of its own, else the only one.
    """
    if not names:
        if category is not None:
            raise InputError(f"{file}: does not name its classes: no --category")
        return frozenset({0})
    own = [n for n in joints if n in names] if isinstance(joints, dict) else []
    if category is None and len(own) == 1 and not any(map(says_person, names.values())):
        return frozenset(own)
    chosen = people_labels(names.values(), category, source=str(file))
    return frozenset(number for number, name in names.items() if name in chosen)


def _joints(content: dict[Any, Any], classes: frozenset[int], file: Path) -> KeypointSet:
    named = content.get("kpt_names")
    if isinstance(named, dict) and all(isinstance(name, str) for name in named.values()):
        # A name by number, as `names` has those of the classes.
        named = [named[n] for n in range(len(named))] if {*named} == {*range(len(named))} else named
    if isinstance(named, dict) and named:
        own = [names for number, names in named.items() if number in classes]
        if any(names != own[0] for names in own):
            raise InputError(f"{file}: classes of people have different joints: name one of them")
        named = next(iter([*own, *named.values()]))
    if named is None:
        raise InputError(
            f"{file}: does not name its joints: add 'kpt_names', or say which set they are with "
            "--source-keypoints"
        )
    if not are_joint_names(named):
        raise InputError(f"{file}: 'kpt_names' is no list of joint names")
    try:
        return keypoint_set_from_names(named)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _with_flip(
    joints: KeypointSet, flip: Any, padding: int, file: Path
) -> tuple[KeypointSet, dict[str, int]]:
    """Return the joints with the mirror pairs that `flip_idx` states, where it is there.

    Many exports write 0, 1, 2, ... because nobody said which joints are exchanged: there the names
    say it, and the second value counts what is not followed.
    """
    if flip is None:
        return joints, {}
    count = len(joints)
    if isinstance(flip, list) and padding:
        flip = flip[:count]
    numbers = isinstance(flip, list) and all(type(number) is int for number in flip)
    if (
        not numbers
        or sorted(flip) != list(range(count))
        or any(flip[mirrored] != joint for joint, mirrored in enumerate(flip))
    ):
        raise InputError(
            f"{file}: 'flip_idx' is {shown(flip)}, not the numbers that 0 to {count - 1} become "
            "when left and right are exchanged"
        )
    pairs = [(joint, mirrored) for joint, mirrored in enumerate(flip) if joint < mirrored]
    if not pairs and joints.flip_pairs:
        return joints, {_NO_EXCHANGE: 1}
    return with_flip_pairs(joints, pairs, source=f"{file}: 'flip_idx'"), {}


def _places_on_disk(
    content: dict[Any, Any], path: Path, file: Path
) -> tuple[Path, dict[str, list[str]]]:
    """Return the root, and what each split is below it.

    Raises:
        InputError: there is no split, or a folder that was given leads out of itself.
    """
    alone = path.is_dir()
    stated = _root(content.get("path"), file)
    root = file.parent if alone and _leads_out(stated, path) else stated
    found = _found_splits(_stated_splits(content, file), root, file, alone=alone)
    if not found:
        raise InputError(f"{file}: names no folder 'train', 'val' or 'test'")
    below = [root / _folder(places) for places in found.values()]
    outside = [p for p in below if alone and p.exists() and _leads_out(p, path)]
    if root != stated and not any(place.exists() for place in below):
        outside = [stated]
    if outside:
        raise InputError(
            f"{file}: leads out of {path}, to {outside[0]}: give the path of {file.name} itself to "
            "read data that lie elsewhere"
        )
    return root, found


def _is_listed(places: list[str]) -> bool:
    """Return whether a split is text files of image names, or several folders."""
    return len(places) > 1 or places[0].endswith(".txt")


def _folder(places: list[str]) -> str:
    return "." if _is_listed(places) else places[0]


def _root(place: Any, file: Path) -> Path:
    """Return `path` of the YAML where such a folder is there, else the folder of the YAML."""
    if isinstance(place, str) and place.isprintable() and 0 < len(place) < 1024:
        for folder in (file.parent / place, Path(place)):
            if folder.is_dir():
                return folder
    return file.parent


def _stated_splits(content: dict[Any, Any], file: Path) -> dict[str, list[str]]:
    """Return what each split is; `valid` and `validation` are `val`."""
    found: dict[str, list[str]] = {}
    for name, split in SPLITS.items():
        if content.get(name) in (None, ""):
            continue
        places = _places(content[name], name, file)
        if found.setdefault(split, places) != places:
            raise InputError(f"{file}: {split!r} and {name!r} are one split: keep one of them")
    own = content.get(_OWN_SPLITS)
    return {
        split: found[split]
        for split in ("train", "val", "test")
        if split in found and (not isinstance(own, list) or split in own)
    }


def _found_splits(
    stated: dict[str, list[str]], root: Path, file: Path, *, alone: bool
) -> dict[str, list[str]]:
    """Return the splits with the places that are there; those of the same places are one split.

    Raises:
        InputError: two splits have other places, of which the same one is found.
    """
    ends = {_form(p): longest_ends(p)[-1:] for places in stated.values() for p in places}
    names = [end for last in ends.values() for end in last]
    by_name = len(set(names)) == len(ends) and all((root / name).exists() for name in names)
    found: dict[str, list[str]] = {}
    for split, stated_places in stated.items():
        places = [_place(place, root, alone, by_name=by_name) for place in stated_places]
        paths = _paths(places, root)
        first = next((one for one, other in found.items() if _paths(other, root) == paths), None)
        # `./images` and `images/` are one folder, and one split.
        if first is None:
            found[split] = places
        elif [*map(_form, stated[first])] != [*map(_form, stated_places)]:
            raise InputError(
                f"{file}: {first!r} and {split!r} have other places, but of both no more than "
                f"{', '.join(places)} is below {root}: write them as they lie there"
            )
    _require_apart({split: _paths(places, root) for split, places in found.items()}, file)
    return found


def _require_apart(folders: dict[str, list[str]], file: Path) -> None:
    """Refuse a split whose folder lies in that of another: its images would be in both."""
    for inner, outer in permutations(folders, 2):
        for place, around in product(folders[inner], folders[outer]):
            if Path(place).is_dir() and Path(place).is_relative_to(around):
                raise InputError(
                    f"{file}: the images of {inner!r}, in {place}, are among those of {outer!r}, "
                    f"in {around}: give each split a folder of its own"
                )


def _form(place: str) -> str:
    """Return a place with slashes of one kind, without steps that lead nowhere."""
    return os.path.normpath(place.replace("\\", "/").removeprefix("../"))


def _places(value: Any, split: str, file: Path) -> list[str]:
    """Return what a split is: one folder or text file of image names, or several."""
    places = value if isinstance(value, list) else [value]
    for place in places:
        if not isinstance(place, str) or not place.isprintable() or len(place) > 1024:
            raise InputError(
                f"{file}: {split!r} is {shown(value)}, not the name of a folder or of a text file "
                "of image names, nor a list of such names"
            )
    if not places:
        raise InputError(f"{file}: {split!r} is an empty list")
    return places


def _paths(places: list[str], root: Path) -> list[str]:
    return [os.path.realpath(root / place) for place in places]


def _place(place: str, root: Path, alone: bool, *, by_name: bool) -> str:
    """Return a split's folder or list relative to the root, without one `../` too many.

    Exports of Roboflow have it: they are meant for loaders that look from a folder beside theirs.
    Of a place on another machine, with slashes of either kind, the longest end that is there is
    taken. The mere name of it is such an end only where it is a split's, or where all places are
    there by theirs (`by_name`): `images` may be of any. `alone` says that nothing outside the root
    is read.
    """
    inner = place.removeprefix("../")
    if (root / place).exists() and not (alone and (root / inner).exists()):
        return place
    ends = [
        end
        for end in longest_ends(place)
        if "/" in end or by_name or end.lower().removesuffix(".txt") in SPLITS
    ]
    return next((end for end in (inner, *ends) if (root / end).exists()), inner)


def _leads_out(place: Path, folder: Path) -> bool:
    """Return whether a place lies outside a folder both by its name and where links lead."""
    return not any(
        Path(form(place.absolute())).is_relative_to(form(folder.absolute()))
        for form in (os.path.normpath, os.path.realpath)
    )
