"""PATH, the one argument that most commands share: a COCO keypoint file or a data set folder."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.foreign import form_of
from wepdtof_pose.formats.layout import (
    SPLITS,
    WHOLE,
    Layout,
    Reading,
    add_counts,
    counts_in_words,
    files_in,
    image_places,
    split_folder,
)
from wepdtof_pose.keypoints import KeypointSet


def load_dataset(
    path: Path | str, *, keypoint_set: KeypointSet | None = None, category: str | None = None
) -> dict[str, PoseDataset]:
    """Return the data sets under a path, by split name.

    A JSON file, or a folder with one file in `annotations/`, is `{"all": ...}`. A folder with
    several has a split for each, "train", "val" or "test", which the file name must say
    (`person_keypoints_train2017.json`). Where files there have "keypoints" in their names, the
    others (COCO's captions and instances) are not read. Without `annotations/`, the files may lie
    in folders `train`, `valid` and `test` (Roboflow) or in the folder itself (FiftyOne).

    `left_out` of a data set counts what was left out of its file or derived.

    Args:
        path: the file or the folder.
        keypoint_set: the joints, where the files do not name them (or to overrule them).
        category: name of the category of people, where several have joints.

    Raises:
        InputError: there is no such path, no annotation file, a file that says no split or the
            same as another, or the joints of the files differ; or a file is not usable.
    """
    return read_coco(Path(path), images=None, keypoint_set=keypoint_set, category=category).datasets


def read_coco(
    path: Path,
    *,
    images: Path | None,
    keypoint_set: KeypointSet | None = None,
    category: str | None = None,
) -> Reading:
    """Return the people of a COCO keypoint file, or of a folder of them; see `load_dataset`."""
    files = annotation_files(path)
    datasets = {
        split: coco.read(
            file,
            keypoint_set=keypoint_set,
            category=category,
            images=[images / split, images] if images else (),
        )
        for split, file in files.items()
    }
    require_same_joints(datasets, files)
    left_out = add_counts(*(dataset.left_out for dataset in datasets.values()))
    return Reading(datasets, list(files.values()), left_out)


def write_coco(datasets: dict[str, PoseDataset]) -> Layout:
    """Return COCO keypoint files `annotations/person_keypoints[_<split>].json`, and `images/`.

    They hold everything, with fields of their own beside COCO's for track ids, rotated boxes and
    scenes.
    """
    layout = Layout()
    for split, dataset in datasets.items():
        name = "person_keypoints.json" if split == WHOLE else f"person_keypoints_{split}.json"
        layout.files[f"annotations/{name}"] = coco.to_dict(dataset)
        layout.images.update(image_places(dataset, split_folder("images", split)))
        layout.count_lost(coco.hidden_fields(dataset))
    return layout


def require_same_joints(datasets: dict[str, PoseDataset], files: dict[str, Path]) -> None:
    """Refuse data sets of these files where their joints differ."""
    first = next(iter(datasets))
    for name, dataset in datasets.items():
        if dataset.keypoint_set.joints != datasets[first].keypoint_set.joints:
            raise InputError(
                f"{files[first].parent}: the joints of "
                f"{files[first].name} ({datasets[first].keypoint_set.name}) "
                f"and {files[name].name} ({dataset.keypoint_set.name}) differ: "
                "convert them to one keypoint set first"
            )


def usual_split(datasets: Collection[str]) -> str:
    """Return the split that is taken where none is named: "train", else the first."""
    return "train" if "train" in datasets else next(iter(datasets))


def take_split(datasets: dict[str, PoseDataset], name: str, *, path: Path | str) -> PoseDataset:
    """Return the data set of that split; `path` names their origin in the error.

    Raises:
        InputError: no such split; the message lists those there are.
    """
    if name not in datasets:
        raise InputError(f"{path}: has no split {name!r}, only {', '.join(datasets)}")
    return datasets[name]


def read_line(dataset: PoseDataset) -> str:
    """Return what was read of a file, what was left out and what was derived, in one line."""
    people, frames = counted(len(dataset), "person", "people"), len(dataset.frames)
    line = f"read {people} on {counted(frames, 'frame')}"
    counts = counts_in_words(dataset.left_out)
    return f"{line}; {counts}" if counts else line


def annotation_files(path: Path) -> dict[str, Path]:
    """Return the annotation files under a path by split name; rules as in `load_dataset`.

    Raises:
        InputError: there are none, or the path is an archive or missing.
    """
    if path.is_dir():
        return _annotation_files_of_folder(path)
    if path.suffix.lower() == ".zip" and path.is_file():
        raise InputError(f"{path}: is an archive: unpack it first, or wepdtof-pose convert it")
    if path.exists():
        return {WHOLE: path}
    raise InputError(f"{path}: no such file or folder")


def names_of_files(files: dict[str, Path]) -> dict[Path, str]:
    """Return what to call each of these files: with its folder, where others have its name, too."""
    names = [file.name for file in files.values()]
    return {
        file: file.name if names.count(file.name) == 1 else f"{file.parent.name}/{file.name}"
        for file in files.values()
    }


def _annotation_files_of_folder(folder: Path) -> dict[str, Path]:
    annotations = folder / "annotations"
    files = _json_files(annotations)
    if not files and (parts := _files_of_parts(folder)):
        return parts
    if all((folder / name).is_file() for name in _OF_FIFTYONE):
        raise InputError(
            f"{folder}: is a FiftyOneDataset export ({' and '.join(_OF_FIFTYONE)}), which only "
            "FiftyOne reads: export the keypoints from there as COCO (dataset.export(..., "
            "dataset_type=fiftyone.types.COCODetectionDataset, label_field=NAME)), then "
            "wepdtof-pose convert --from coco --source-keypoints SET"
        )
    files = files or _json_files(folder)
    if not files:
        missing = "has no *.json" if annotations.is_dir() else "is missing"
        raise InputError(
            f"{folder}: not a data set folder: {annotations.name}/ {missing} "
            "(expected annotations/*.json and images/, or train/*.json beside its images; data of "
            "another format: wepdtof-pose convert first)"
        )
    if len(files) == 1:
        return {WHOLE: files[0]}
    named: dict[str, Path] = {}
    for file in files:
        split = _split_of(file)
        if split is None:
            _require_own_form(file)
            raise InputError(
                f"{file}: one of {len(files)} annotation files, but its name says neither "
                "train, val nor test: rename it, or give the path of one file"
            )
        if split in named:
            raise InputError(
                f"{folder}: {named[split].name} and {file.name} are both {split!r}: "
                "give the path of one of them"
            )
        named[split] = file
    return {name: named[name] for name in ("train", "val", "test") if name in named}


def _json_files(folder: Path) -> list[Path]:
    """Return the JSON files of a folder that may be annotations of joints."""
    files = [p for p in files_in(folder, ".json") if p.name not in _RECORDS]
    return [p for p in files if "keypoints" in p.name.lower()] or files


def _files_of_parts(folder: Path) -> dict[str, Path]:
    """Return the annotation files beside the images in folders `train`, `valid` and `test`."""
    found: dict[str, Path] = {}
    for part in sorted(p for p in folder.iterdir() if p.name.lower() in SPLITS and p.is_dir()):
        split = SPLITS[part.name.lower()]
        files = _json_files(part)
        if len(files) > 1 or (files and split in found):
            _require_own_form(files[0])
            both = [*files, found[split]] if split in found else files
            raise InputError(
                f"{folder}: has several annotation files of {split!r} "
                f"({', '.join(f'{file.parent.name}/{file.name}' for file in both)}): give the path "
                "of one of them"
            )
        if files:
            found[split] = files[0]
    if len(found) == 1:
        return {WHOLE: next(iter(found.values()))}
    return {split: found[split] for split in ("train", "val", "test") if split in found}


def _require_own_form(file: Path) -> None:
    """Refuse a file of another program: some write one for each image."""
    content = read_json(file)
    coco = isinstance(content, dict) and {"images", "annotations"} <= content.keys()
    if not coco and (form := form_of(content)):
        raise InputError(f"{file}: {form}")


def _split_of(file: Path) -> str | None:
    words = re.findall("[a-z]+", file.stem.lower())
    found = {SPLITS[word] for word in words if word in SPLITS}
    return found.pop() if len(found) == 1 else None


_RECORDS = ("manifest.json", "sides.json", "changes.json")
"""What our commands write beside annotations."""

_OF_FIFTYONE = ("metadata.json", "samples.json")
"""What FiftyOne writes in a format of its own."""
