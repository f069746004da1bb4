"""YOLO pose: `data.yaml`, `images/<split>/` and one `labels/<split>/<image>.txt` an image.

Where file names hold a folder `images` of their own, it is the last one that becomes `labels`.

A line is `class cx cy w h` and then `x y v` of each joint, coordinates over the image's width and
height. As in Ultralytics' own converter, x is divided by the width as it is: no half pixel is
added. Loaders there refuse an image with anything outside 0..1, so boxes are cut to the image and
joints outside it are not labelled on writing, and both are counted. So are crowd regions, which are
left out: the format has none.

`kpt_names` in data.yaml names the joints. Files without it need their keypoint set to be given.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_text
from wepdtof_pose.formats.fields import parse_number
from wepdtof_pose.formats.image_size import image_size
from wepdtof_pose.formats.layout import (
    IMAGE_SUFFIXES,
    WHOLE,
    Layout,
    Reading,
    add_counts,
    image_places,
    not_held,
    people_of_frames,
    split_folder,
    without_crowds,
)
from wepdtof_pose.formats.tools.yolo_yaml import DataFile, read_data_file, yaml_text
from wepdtof_pose.keypoints import KeypointSet

_HELD = (
    "hidden joints (written as visible)",
    "mirror pairs that the names of the joints do not say",
)


def read(
    path: Path, *, images: Path | None = None, keypoint_set: KeypointSet | None = None
) -> Reading:
    """The people of a `data.yaml`, or of the folder that holds it.

    Args:
        path: the YAML file, or a folder with exactly one.
        images: where the images lie instead: the folder that the YAML's `train`, `val` and `test`
            are relative to, one with a folder for each, or that of the only split.
        keypoint_set: the joints, where the YAML does not name them (or to overrule it).

    Raises:
        InputError: a file is missing or not usable, or no image has a label file; labels are named
            by file and line.
    """
    data = read_data_file(path, keypoint_set=keypoint_set)
    datasets: dict[str, PoseDataset] = {}
    files, others = [data.file], 0
    unlabelled: list[Path] = []
    for split, place in data.splits.items():
        folder = data.root / place if images is None else image_folder(images, split, data)
        names = image_names(folder)
        labels = [label_file(data.root / place, name) for name in names]
        for (label, first), (same, second) in pairwise(sorted(zip(labels, names, strict=True))):
            if label == same:
                raise InputError(f"{folder}: {first} and {second} have one label file, {label}")
        there = [file for file in labels if file.is_file()]
        datasets[split], other = _dataset(folder, names, labels, data)
        others += other
        unlabelled += [] if there else labels
        files += there
    if unlabelled and len(files) == 1:
        raise InputError(f"{data.file}: no image has a label file, such as {unlabelled[0]}")
    if list(datasets) == ["train"] and not data.separate:
        datasets = {WHOLE: datasets["train"]}
    left_out = {
        "objects of other classes than 0": others,
        "images of splits without label files (taken to have no people)": len(unlabelled),
    }
    return Reading(datasets, files, add_counts(left_out))


def image_folder(images: Path, split: str, data: DataFile) -> Path:
    """The images of a split, where they lie under `images` and not where the YAML says."""
    places = [images / data.splits[split].lstrip("/"), images / split]
    alone = [] if data.separate else [images]
    return next((place for place in (*places, *alone) if place.is_dir()), places[0])


def image_names(folder: Path) -> list[str]:
    """The images under a folder, relative to it, in order."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of images (data.yaml names it)")
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def label_file(folder: Path, name: str) -> Path:
    """Where loaders look for the labels of an image: its last folder `images` becomes `labels`.

    That folder may be part of the name.
    """
    path = (folder / PurePosixPath(name)).with_suffix(".txt")
    parts = list(path.parts)
    positions = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if positions:
        parts[positions[-1]] = "labels"
    return Path(*parts)


def parse_labels(text: str, *, joints: int, channels: int, source: str) -> np.ndarray:
    """The numbers of a label file, (people, 5 + joints * channels) float64."""
    columns = 5 + joints * channels
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != columns:
            raise InputError(
                f"{source}: line {number} has {len(words)} numbers instead of {columns} "
                f"(a class, 4 of the box, {channels} each of {joints} joints)"
            )
        rows.append([parse_number(word, f"{source}: line {number}") for word in words])
    return np.array(rows, dtype=np.float64).reshape(-1, columns)


def to_pixels(
    labels: np.ndarray, size: tuple[int, int], *, channels: int, source: str
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (people, 4) in pixels and keypoints (people, joints, 3) of the numbers of a file.

    With two channels a joint is labelled unless it is at 0, 0.
    """
    scale = np.array(size, dtype=np.float64)
    boxes = labels[:, 1:5] * np.tile(scale, 2)
    boxes[:, :2] -= boxes[:, 2:] / 2
    joints = labels[:, 5:].reshape(len(labels), (labels.shape[1] - 5) // channels, channels)
    if channels == 2:
        seen = 2.0 * (joints != 0).any(axis=-1, keepdims=True)
    else:
        seen = joints[..., 2:]
        if not np.isin(seen, (0, 1, 2)).all():
            raise InputError(f"{source}: visibilities are not all 0, 1 or 2")
    points = joints[..., :2] * scale
    if not (np.abs(boxes) < 1e9).all() or not (np.abs(points) < 1e9).all():
        raise InputError(f"{source}: coordinates are not relative to the image's size")
    return boxes, np.concatenate([points, seen], axis=-1).astype(np.float32)


def to_lines(boxes: np.ndarray, keypoints: np.ndarray, size: tuple[int, int]) -> list[str]:
    """The lines of a label file; boxes and joints lie in the image."""
    scale = np.array(size, dtype=np.float64)
    middle = (boxes[:, :2] + boxes[:, 2:] / 2) / scale
    sides = boxes[:, 2:] / scale
    points = keypoints[..., :2].astype(np.float64) / scale
    lines = []
    for row in range(len(boxes)):
        words = ["0", *(f"{value:.12g}" for value in (*middle[row], *sides[row]))]
        for (x, y), seen in zip(points[row], keypoints[row, :, 2], strict=True):
            words += [f"{x:.9g}", f"{y:.9g}", str(int(seen))]
        lines.append(" ".join(words))
    return lines


def inside(
    boxes: np.ndarray, keypoints: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Boxes cut to their images, keypoints without labels outside them, and what that changed."""
    near = boxes[:, :2].clip(0, sizes)
    far = (boxes[:, :2] + boxes[:, 2:]).clip(0, sizes)
    cut = (boxes[:, :2] < 0) | (boxes[:, :2] + boxes[:, 2:] > sizes)
    points = keypoints[..., :2]
    labelled = keypoints[..., 2] > 0
    outside = ((points < 0) | (points > sizes[:, None])).any(axis=-1)
    kept = np.where((labelled & ~outside)[..., None], keypoints, np.float32(0))
    boxes = np.where(cut.any(axis=1)[:, None], np.concatenate([near, far - near], axis=1), boxes)
    counts = {
        "parts of boxes outside the image (cut off)": int(cut.any(axis=1).sum()),
        "labels of joints outside the image": int((labelled & outside).sum()),
    }
    return boxes, kept, counts


def write(datasets: dict[str, PoseDataset]) -> Layout:
    """The folder of data sets; a data set without splits is both `train` and `val` of the YAML.

    Raises:
        InputError: two images differ only in their suffix, so that their labels would collide.
    """
    files: dict[str, Any] = {}
    images: dict[str, Path] = {}
    lost: list[dict[str, int]] = []
    for split, everybody in datasets.items():
        dataset, crowds = without_crowds(everybody)
        frames = dataset.frames
        sizes = frames[["width", "height"]].to_numpy(dtype=np.float64)[dataset.frame_rows]
        boxes, keypoints, changed = inside(dataset.boxes, dataset.keypoints, sizes)
        images |= image_places(dataset, split_folder("images", split))
        whole = zip(frames["width"], frames["height"], strict=True)
        rows = people_of_frames(dataset)
        for name, size, people in zip(frames["file_name"], whole, rows, strict=True):
            lines = to_lines(boxes[people], keypoints[people], size)
            label = label_file(Path(split_folder("images", split)), name).as_posix()
            if label in files:
                raise InputError(f"{name!r}: another image has the same name but for the suffix")
            files[label] = "".join(f"{line}\n" for line in lines)
        order = sorted(frames["file_name"]) != frames["file_name"].tolist()
        lost += [crowds, changed, not_held(dataset, _HELD), {"order of the images": int(order)}]
    joints = next(iter(datasets.values())).keypoint_set
    files["data.yaml"] = yaml_text(joints, list(datasets))
    return Layout(files, images, add_counts(*lost))


def _dataset(
    folder: Path, names: list[str], labels: list[Path], data: DataFile
) -> tuple[PoseDataset, int]:
    """The data set of a split, and how many objects were of other classes."""
    boxes, keypoints, owners, sizes, others = [], [], [], [], 0
    for row, (name, file) in enumerate(zip(names, labels, strict=True)):
        size = image_size(folder / name)
        sizes.append(size)
        # An empty label file, or none, is an image without people.
        if not file.is_file() or not file.read_bytes().strip():
            continue
        numbers = parse_labels(
            read_text(file),
            joints=len(data.keypoint_set),
            channels=data.channels,
            source=str(file),
        )
        others += int((numbers[:, 0] != 0).sum())
        numbers = numbers[numbers[:, 0] == 0]
        box, points = to_pixels(numbers, size, channels=data.channels, source=str(file))
        boxes.append(box)
        keypoints.append(points)
        owners += [row + 1] * len(box)
    x, y, w, h = np.concatenate([np.zeros((0, 4)), *boxes]).T
    joints = len(data.keypoint_set)
    dataset = PoseDataset(
        frames=make_frames(
            id=np.arange(len(names)) + 1,
            file_name=np.array(names, dtype=object),
            width=[size[0] for size in sizes],
            height=[size[1] for size in sizes],
        ),
        people=make_people(
            id=np.arange(len(owners)) + 1,
            frame_id=np.array(owners, dtype=np.int64),
            x=x,
            y=y,
            w=w,
            h=h,
        ),
        keypoints=np.concatenate([np.zeros((0, joints, 3), dtype=np.float32), *keypoints]),
        keypoint_set=data.keypoint_set,
        root=folder,
    )
    return dataset, others
