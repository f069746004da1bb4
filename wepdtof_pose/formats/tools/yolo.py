"""YOLO pose: `data.yaml`, `images/<split>/` and one `labels/<split>/<image>.txt` an image.

Where file names hold a folder `images` of their own, it is the last one that becomes `labels`.

A line is `class cx cy w h` and then `x y v` of each joint, coordinates over the image's width and
height. As in Ultralytics' own converter, x is divided by the width as it is: no half pixel is
added. Loaders there refuse an image with anything outside 0..1, so boxes are cut to the image and
joints outside it are not labelled on writing, and both are counted. So are crowd regions, which are
left out: the format has none.

`kpt_names` in data.yaml names the joints. Files without it need their keypoint set to be given.
A line of a class and a box alone is of a person without joints.
`names` says which class is people; objects of others are left out and counted. A split is a folder,
a text file with an image a line, or several of either. Of a folder that is given nothing outside is
read; where `path` leads elsewhere, and that is meant, give the path of the YAML itself.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np

from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_text
from wepdtof_pose.formats.categories import require_people
from wepdtof_pose.formats.fields import parse_number, require_file_name, shown, without_commas
from wepdtof_pose.formats.layout import (
    BOXES_ALONE,
    EMPTY_BOXES,
    IMAGE_SUFFIXES,
    RESPELLED,
    TWICE,
    WHOLE,
    Layout,
    Reading,
    add_counts,
    count_in_words,
    files_in,
    image_places,
    not_held,
    people_of_frames,
    split_folder,
    without_crowds,
)
from wepdtof_pose.formats.tools.yolo_images import (
    NoImagesError,
    holds_labels,
    image_folder,
    image_names,
    listed_names,
)
from wepdtof_pose.formats.tools.yolo_yaml import DataFile, read_data_file, yaml_text
from wepdtof_pose.geometry import joint_extents
from wepdtof_pose.images import image_file, image_size, plain_name, require_own_file, spelling
from wepdtof_pose.keypoints import KeypointSet

TOLERANCE = 0.01
"""How far from 0..1 a coordinate may lie: rounding, and half a pixel at most."""

_HELD = (
    "hidden joints (written as visible)",
    "mirror pairs that the names of the joints do not say",
)


def read(
    path: Path,
    *,
    images: Path | None = None,
    keypoint_set: KeypointSet | None = None,
    category: str | None = None,
) -> Reading:
    """Return the people of a `data.yaml`, or of the folder that holds it.

    Args:
        path: the YAML file, or a folder with exactly one.
        images: where the images lie instead: the folder that the YAML's `train`, `val` and `test`
            are relative to, one with a folder for each, or that of the only split.
        keypoint_set: the joints, where the YAML does not name them (or to overrule it).
        category: the name of the class of people, where there are several.

    Raises:
        InputError: a file is missing or not usable, or no image has a label file; labels are named
            by file and line.
    """
    data = read_data_file(path, keypoint_set=keypoint_set, category=category)
    datasets: dict[str, PoseDataset] = {}
    splits, left_out = split_labels(data, images)
    counts = [left_out]
    for split, (folder, labels) in splits.items():
        datasets[split], others = _dataset(folder, labels, data)
        counts.append(others)
    return reading_of_splits(data, datasets, splits, add_counts(*counts))


def reading_of_splits(
    data: DataFile,
    datasets: dict[str, PoseDataset],
    splits: dict[str, tuple[Path, dict[str, Path]]],
    left_out: dict[str, int],
) -> Reading:
    """Return what was read of the splits of a YAML; a lone `train` that is also `val` is all."""
    people = sum(map(len, datasets.values()))
    require_people(people, left_out, source=str(data.file))
    if left_out.get(BOXES_ALONE) == people:
        raise InputError(
            f"{data.file}: states {data.joints} joints ('kpt_shape'), but all lines have 5 "
            "numbers: a class and a box, and no joints"
        )
    files = [file for _, labels in splits.values() for file in labels.values() if file.is_file()]
    if list(datasets) == ["train"] and not data.separate:
        datasets = {WHOLE: datasets["train"]}
    return Reading(datasets, [data.file, *files], left_out)


def split_labels(
    data: DataFile, images: Path | None
) -> tuple[dict[str, tuple[Path, dict[str, Path]]], dict[str, int]]:
    """Return the folder of images of each split and the label file of each image, by its name.

    The second value counts images and label files that are of no use, with the first of them, and a
    test set whose images are not there.

    Raises:
        InputError: a folder of training or validation is missing, no image has a label file, two
            have the same, or one is a link out of the data set or no file.
    """
    splits: dict[str, tuple[Path, dict[str, Path]]] = {}
    counts = add_counts(data.left_out)
    unlabelled: list[Path] = []
    for split, place in data.splits.items():
        folder = data.root / place if images is None else image_folder(images, split, data)
        missing: list[str] = []
        repeated: list[str] = []
        try:
            if split in data.listed:
                names, others, missing, repeated = listed_names(folder, split, data)
            else:
                names, others = image_names(folder)
        except NoImagesError:
            if split != "test" or not splits:
                raise
            # Roboflow's exports name one that they may not have, COCO's one to be downloaded.
            counts["test sets whose images are not there"] = 1
            continue
        for name in names:
            require_file_name(name, f"{folder}: {shown(name)}", key="name")
        home = data.root / place
        if not label_file(home, "x").parent.is_dir():
            home = folder
        labels = {name: label_file(home, name) for name in names}
        pairs = sorted((label, name) for name, label in labels.items())
        for (label, first), (same, second) in pairwise(pairs):
            if label == same:
                raise InputError(f"{folder}: {first} and {second} have one label file, {label}")
        # Who lists images leaves others out on purpose.
        there = set() if split in data.listed else label_files(home)
        without = sorted(there - {label_file(home, name) for name in [*names, *others]})
        alike = _spelled_alike(labels, without)
        labels |= alike
        without = [file for file in without if file not in alike.values()]
        counts = add_counts(counts, {RESPELLED: len(alike)})
        unlabelled += [file for file in labels.values() if not file.is_file()]
        own = label_file(home, "x").parent
        above = own.resolve().is_relative_to(data.root.resolve())
        for file in labels.values():
            require_own_file(file, data.root if above else own, kind="a label")
        splits[split] = folder, labels
        for kind, found in (
            ("images of kinds that are not read", others),
            ("label files without an image", [file.name for file in without]),
            ("lines that name an image once more", repeated),
            ("listed images that are not there", missing),
        ):
            if found:
                kind = f"{kind} ({shown(found[0])} is the first)"
                counts[kind] = counts.get(kind, 0) + len(found)
    if len(unlabelled) == sum(len(labels) for _, labels in splits.values()) > 0:
        raise InputError(
            f"{data.file}: no image has a label file, such as {unlabelled[0]} "
            "(labels lie beside images, or in labels/ where these lie in a folder images/, both in "
            "small letters)"
            + "".join(f"; {count_in_words(count, kind)}" for kind, count in counts.items())
        )
    kind = "images without a label file (taken to have no people)"
    return splits, counts | {kind: len(unlabelled)}


def _spelled_alike(labels: dict[str, Path], spare: list[Path]) -> dict[str, Path]:
    """Return the label files of images that have none by their own name, but one that is spelled
    alike (B.TXT of b.jpg, as Windows and Macs find them), where no other could be meant."""
    files: dict[str, list[Path]] = defaultdict(list)
    names: dict[str, list[str]] = defaultdict(list)
    for file in spare:
        files[spelling(str(file))].append(file)
    for name, file in labels.items() if spare else ():
        if not file.is_file():
            names[spelling(str(file))].append(name)
    return {
        alone[0]: files[key][0]
        for key, alone in names.items()
        if len(alone) == len(files.get(key, ())) == 1
    }


def label_files(folder: Path) -> set[Path]:
    """Return the label files of a folder of images: the text files that hold labels."""
    place = label_file(folder, "x").parent
    own = (file for file in files_in(place, ".txt", deep=True) if file.is_file())
    return {file for file in own if holds_labels(file)}


def label_file(folder: Path, name: str) -> Path:
    """Return where loaders look for an image's labels: its last folder `images` becomes `labels`.

    That folder may be part of the name.
    """
    path = (folder / PurePosixPath(name)).with_suffix(".txt")
    parts = list(path.parts)
    positions = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if positions:
        parts[positions[-1]] = "labels"
    return Path(*parts)


def read_labels(file: Path, *, joints: int, channels: int) -> np.ndarray:
    """Return the numbers of a label file; an empty one, or none, is an image without people."""
    if not file.is_file() or not file.read_bytes().strip():
        return np.zeros((0, 5 + joints * channels))
    return parse_labels(read_text(file), joints=joints, channels=channels, source=str(file))


def of_people(numbers: np.ndarray, data: DataFile) -> tuple[np.ndarray, Counter[str]]:
    """Return the rows of a label file that are of people, and how many of each class are not."""
    kept = np.isin(numbers[:, 0], list(data.classes))
    others = Counter(numbers[~kept, 0].tolist())
    return numbers[kept], Counter(
        {
            f"objects of class {shown(data.class_name(number))}": count
            for number, count in others.items()
        }
    )


def without_repeated(numbers: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the rows of a label file, each once, in order, and how many were there before.

    Loaders elsewhere leave those out, too: nobody is in an image twice.
    """
    _, first = np.unique(np.nan_to_num(numbers, nan=-1), axis=0, return_index=True)
    return numbers[np.sort(first)], len(numbers) - len(first)


def without_padding(numbers: np.ndarray, data: DataFile, source: str) -> np.ndarray:
    """Return rows without the joints behind those of people, none of which may be labelled.

    Raises:
        InputError: one is: the joints are others.
    """
    if not data.padding or not len(numbers):
        return numbers
    own, more = np.split(numbers, [5 + data.joints * data.channels], axis=1)
    if more[:, 2::3].any() if data.channels == 3 else more.any():
        raise InputError(
            f"{source}: people have {data.joints + data.padding} joints, but "
            f"{shown(data.keypoint_set and data.keypoint_set.name)} has {data.joints}"
        )
    return own


def hint_of_count(line: str, columns: int) -> str:
    """Return what to do with a line that has not so many numbers; "" where nobody knows."""
    words = line.split()
    if words[0].startswith("#"):
        return ": remove the comment"
    if len(words) == 1:
        return without_commas(line)
    return ": the last one, a confidence, is no label" if len(words) == columns + 1 else ""


def parse_labels(text: str, *, joints: int, channels: int, source: str) -> np.ndarray:
    """Return the numbers of a label file, (people, 5 + joints * channels) float64.

    Of a line that has a box alone, as of people nobody has put joints on, the others are NaN.

    Raises:
        InputError: a line has another number of numbers, or a coordinate that is no share of the
            image's sides; the message names the line.
    """
    columns = 5 + joints * channels
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) not in (5, columns):
            raise InputError(
                f"{source}: line {number} has {len(words)} numbers instead of {columns} (a class, "
                f"4 of the box, {channels} each of {joints} joints){hint_of_count(line, columns)}"
            )
        where = f"{source}: line {number}"
        row = [parse_number(word, where) for word in words]
        require_shares(row[1:5], where)
        if min(row[3:5]) < 0:
            raise InputError(f"{where} has a box of {row[3]:g} x {row[4]:g}: a side is below 0")
        for first in range(5, len(row), channels):
            # Where a joint is not labelled its position says nothing.
            if channels == 2 or row[first + 2] > 0:
                require_shares(row[first : first + 2], where)
        rows.append(row + [math.nan] * (columns - len(row)))
    return np.array(rows, dtype=np.float64).reshape(-1, columns)


def require_shares(values: Iterable[float], where: str, *, tolerance: float = TOLERANCE) -> None:
    """Refuse coordinates that are no shares of the image's sides, but for a tolerance."""
    for value in values:
        if not -tolerance <= value <= 1 + tolerance:
            hint = ": are these pixels?" if value > 1 else ""
            raise InputError(
                f"{where} has the coordinate {value:g}, which is not relative to the image's size "
                f"(0 to 1){hint}"
            )


def to_pixels(
    labels: np.ndarray, size: tuple[int, int], *, channels: int, source: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (people, 4) in pixels and keypoints (people, joints, 3) of a file's numbers.

    With two channels a joint is labelled unless it is at 0, 0.

    Raises:
        InputError: a visibility is not 0, 1 or 2.
    """
    scale = np.array(size, dtype=np.float64)
    boxes = labels[:, 1:5] * np.tile(scale, 2)
    boxes[:, :2] -= boxes[:, 2:] / 2
    joints = labels[:, 5:].reshape(len(labels), (labels.shape[1] - 5) // channels, channels)
    if channels == 2:
        seen = 2.0 * (joints != 0).any(axis=-1, keepdims=True)
    else:
        seen = joints[..., 2:]
        odd = ~np.isin(seen, (0, 1, 2))
        if odd.any():
            wrong, line = seen[odd][0], labels[odd.any(axis=(1, 2))][0, :3]
            hint = ": confidences of predictions are no labels" if 0 < wrong < 1 else ""
            raise InputError(
                f"{source}: visibilities are not all 0, 1 or 2 (one is {wrong:g}, in the line that "
                f"begins with {' '.join(f'{number:g}' for number in line)}){hint}"
            )
    return boxes, np.concatenate([joints[..., :2] * scale, seen], axis=-1).astype(np.float32)


def to_lines(boxes: np.ndarray, keypoints: np.ndarray, size: tuple[int, int]) -> list[str]:
    """Return the lines of a label file; boxes and joints lie in the image."""
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
    """Cut boxes to their images, unlabel joints outside, and return both and what that changed.

    Who has an empty box then gets the extent of the labelled joints.
    """
    near = boxes[:, :2].clip(0, sizes)
    far = (boxes[:, :2] + boxes[:, 2:]).clip(0, sizes)
    cut = (boxes[:, :2] < 0) | (boxes[:, :2] + boxes[:, 2:] > sizes)
    points = keypoints[..., :2]
    labelled = keypoints[..., 2] > 0
    outside = ((points < 0) | (points > sizes[:, None])).any(axis=-1)
    kept = np.where((labelled & ~outside)[..., None], keypoints, np.float32(0))
    boxes = np.where(cut.any(axis=1)[:, None], np.concatenate([near, far - near], axis=1), boxes)
    extents = joint_extents(kept)
    found = (boxes[:, 2:] <= 0).any(axis=1) & (extents[:, 2:] > 0).all(axis=1)
    boxes[found] = extents[found]
    counts = {
        "empty boxes (the extent of the joints is written)": int(found.sum()),
        "parts of boxes outside the image (cut off)": int(cut.any(axis=1).sum()),
        "labels of joints outside the image": int((labelled & outside).sum()),
    }
    return boxes, kept, counts


def write(datasets: dict[str, PoseDataset]) -> Layout:
    """Return the folder of data sets; one without splits is both `train` and `val` of the YAML.

    People of a file that is listed as several images of a split come together in its labels.

    Raises:
        InputError: a split has no images, an image has a suffix that is not read, or two images
            differ only in their suffix, so that their labels would collide.
    """
    names_of_labels: dict[str, str] = {}
    layout = Layout()
    for split, everybody in datasets.items():
        dataset, crowds = without_crowds(everybody)
        frames = dataset.frames
        if not len(frames):
            raise InputError(f"split {split!r} has no images, and yolo needs a folder of them")
        sizes = frames[["width", "height"]].to_numpy(dtype=np.float64)[dataset.frame_rows]
        boxes, keypoints, changed = inside(dataset.boxes, dataset.keypoints, sizes)
        usable = np.asarray((boxes[:, 2:] > 0).all(axis=1))
        layout.images.update(image_places(dataset, split_folder("images", split)))
        whole = zip(frames["width"], frames["height"], strict=True)
        rows = people_of_frames(dataset)
        for name, size, people in zip(frames["file_name"], whole, rows, strict=True):
            if not name.lower().endswith(IMAGE_SUFFIXES):
                raise InputError(
                    f"{name!r}: yolo finds images by their suffixes ({', '.join(IMAGE_SUFFIXES)}), "
                    "of which this is none: store it as one of these"
                )
            people = people[usable[people]]
            lines = to_lines(boxes[people], keypoints[people], size)
            label = label_file(Path(split_folder("images", split)), name).as_posix()
            other = names_of_labels.setdefault(label, name)
            if plain_name(other) != plain_name(name):
                raise InputError(
                    f"{name!r}: {other!r} has the same name but for the suffix, and yolo keeps the "
                    f"labels of both in {label}: rename one of them"
                )
            layout.files[label] = layout.files.get(label, "") + "".join(
                f"{line}\n" for line in lines
            )
        order = sorted(frames["file_name"]) != frames["file_name"].tolist()
        layout.count_lost(
            crowds, changed, not_held(dataset, _HELD), {"order of the images": int(order)}
        )
        again = len(frames) - frames["file_name"].map(plain_name).nunique()
        layout.count_lost({EMPTY_BOXES: int((~usable).sum()), "images listed again": int(again)})
    joints = next(iter(datasets.values())).keypoint_set
    layout.files["data.yaml"] = yaml_text(joints, list(datasets))
    return layout


def _dataset(
    folder: Path, files: dict[str, Path], data: DataFile
) -> tuple[PoseDataset, dict[str, int]]:
    """Return the data set of a split, and how many objects of each other class were left out."""
    assert data.keypoint_set is not None
    boxes, keypoints, owners, sizes = [], [], [], []
    others: Counter[str] = Counter()
    for row, (name, file) in enumerate(files.items()):
        size = image_size(image_file(folder, name))
        sizes.append(size)
        columns = data.joints + data.padding
        numbers = read_labels(file, joints=columns, channels=data.channels)
        numbers, left_out = of_people(numbers, data)
        others.update(left_out)
        numbers, again = without_repeated(numbers)
        others[TWICE] += again
        alone = np.isnan(numbers).any(axis=1)
        others[BOXES_ALONE] += int(alone.sum())
        numbers[alone, 5:] = 0
        numbers = without_padding(numbers, data, str(file))
        box, points = to_pixels(numbers, size, channels=data.channels, source=str(file))
        boxes.append(box)
        keypoints.append(points)
        owners += [row + 1] * len(box)
    dataset = PoseDataset(
        frames=make_frames(
            id=np.arange(len(files)) + 1,
            file_name=np.array(list(files), dtype=object),
            sizes=sizes,
        ),
        people=make_people(
            id=np.arange(len(owners)) + 1,
            frame_id=np.array(owners, dtype=np.int64),
            boxes=np.concatenate([np.zeros((0, 4)), *boxes]),
        ),
        keypoints=np.concatenate([np.zeros((0, data.joints, 3), dtype=np.float32), *keypoints]),
        keypoint_set=data.keypoint_set,
        root=folder,
    )
    return dataset, dict(others)
