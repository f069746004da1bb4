"""MPII: the JSON in common use, another JSON, and the release's MATLAB file (see `mpii_mat`).

The common JSON is a list of `{image, joints, joints_vis, center, scale}`. The other, of the code of
"Convolutional Pose Machines", is one of `{img_paths, joint_self, objpos, scale_provided}`.

* Coordinates count from 1 there (MATLAB) and from 0 here.
* `joints_vis` says labelled or not, nothing about hidden: 1 becomes 2. In the other JSON a joint at
  0, 0 is not labelled, and one with a 0 behind its position is hidden; so it is in the release.
  In none of them is one at -1, -1 labelled, whatever else is said of it.
* There are no boxes. A person's box is the square that gives the crop of the published loaders:
  sides of 200 x scale pixels around the centre, moved down by 15 x scale. It may leave the image,
  and its area (0.53 of it) is no body's area: MPII is scored by PCKh, not OKS. Where there is no
  scale (-1), it is the extent of the labelled joints.
* Sizes come from the images.
* There are no crowd regions: they are left out on writing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, require_inside
from wepdtof_pose.formats.datasets.mpii_mat import read_release
from wepdtof_pose.formats.fields import (
    other_fields,
    require_file_name,
    require_numbers,
    rows,
    shown,
)
from wepdtof_pose.formats.layout import (
    ANNOTATION_FOLDERS,
    BOXES_OF_JOINTS,
    EMPTY_FRAMES,
    SEARCHED,
    WHOLE,
    Layout,
    Reading,
    add_counts,
    decimal,
    first_root,
    image_places,
    names_below,
    not_held,
    of_each_file,
    split_folder,
    without_crowds,
)
from wepdtof_pose.geometry import PIXEL_STD, joint_extents
from wepdtof_pose.images import image_file, image_size
from wepdtof_pose.keypoints import get_keypoint_set

CENTER_SHIFT = 15.0
"""How far the published loaders move a centre down, in pixels a unit of scale."""

_FIELDS = frozenset({"image", "joints", "joints_vis", "visibility", "scene"})
_CROP = frozenset({"center", "scale"})
_OTHER_FIELDS = frozenset({"img_paths", "joint_self", "objpos", "scale_provided"})


@of_each_file
def read(path: Path, *, images: Path | None = None) -> Reading:
    """Return the people of an MPII file; images lie in `images/` beside it or its folder.

    That folder may be `annotations` or `annot`.

    Raises:
        InputError: the file is not usable, has no labels (the test list), or an image is missing.
    """
    source = str(path)
    left_out: dict[str, int] = {}
    if path.suffix.lower() == ".mat":
        entries, left_out = read_release(path)
        if not entries:
            raise InputError(f"{source}: has no people with joints")
    else:
        entries = rows(read_json(path), source, "people with joints, joints_vis, center and scale")
        for position, entry in enumerate(entries):
            where = f"{source}: [{position}]"
            if "image" not in entry and "img_paths" in entry:
                entries[position] = entry = _common(entry, where)
            _check(entry, where)
    names = list(dict.fromkeys(entry["image"] for entry in entries))
    if images:
        _, there = names_below(names, [images])
        entries = [{**entry, "image": there[entry["image"]]} for entry in entries]
        names = list(there.values())
    require_inside(names, source)
    base = path.parent.parent if path.parent.name in ANNOTATION_FOLDERS else path.parent
    places = [base / "images" / path.stem, base / "images", base, path.parent]
    root = images or first_root(places, names, base / "images")
    if names and not any((root / name).is_file() for name in names[:SEARCHED]):
        raise InputError(f"{root / names[0]}: no such image: say where they lie with --images")
    sizes = [image_size(image_file(root, name)) for name in names]
    dataset = from_entries(entries, names, sizes, root=root)
    without = int(np.sum(_unplaced(*_crops_of(entries))))
    counts = add_counts(left_out, dataset.left_out, {BOXES_OF_JOINTS: without})
    return Reading({WHOLE: dataset}, [path], counts)


def from_entries(
    entries: list[dict[str, Any]], names: list[str], sizes: list[tuple[int, int]], *, root: Path
) -> PoseDataset:
    """Return the data set of checked entries on images with these names and sizes.

    An entry may have `visibility` (0, 1 or 2 of each joint) instead of `joints_vis`, and a `scene`.
    """
    number = {name: position for position, name in enumerate(names, start=1)}
    points = np.array([entry["joints"] for entry in entries], dtype=np.float64).reshape(-1, 16, 2)
    seen = np.array(
        [
            entry["visibility"] if "visibility" in entry else [2 * v for v in entry["joints_vis"]]
            for entry in entries
        ],
        dtype=np.float64,
    ).reshape(-1, 16, 1)
    nowhere = (points == -1).all(axis=2) & (seen[..., 0] > 0)
    seen[nowhere] = 0
    keypoints = np.concatenate([np.where(seen > 0, points - 1, 0), seen], axis=-1)
    centers, scales = _crops_of(entries)
    boxes = crop_boxes(centers, scales)
    unplaced = _unplaced(centers, scales)
    boxes[unplaced] = joint_extents(keypoints[unplaced])
    scenes = {entry["image"]: entry.get("scene") for entry in entries}
    return PoseDataset(
        frames=make_frames(
            id=np.arange(len(names)) + 1,
            file_name=names,
            sizes=sizes,
            scene=[scenes[name] for name in names],
        ),
        people=make_people(
            id=np.arange(len(entries)) + 1,
            frame_id=[number[entry["image"]] for entry in entries],
            boxes=boxes,
            extra=[other_fields(entry, _FIELDS) for entry in entries],
        ),
        keypoints=keypoints.astype(np.float32),
        keypoint_set=get_keypoint_set("mpii-16"),
        root=root,
        left_out=add_counts({"labelled joints at -1, -1, which is no place": int(nowhere.sum())}),
    )


def crop_boxes(center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return boxes (people, 4) of centres (people, 2), counted from 1, and scales (people,)."""
    side = PIXEL_STD * scale[:, None]
    middle = center - 1 + np.stack([np.zeros_like(scale), CENTER_SHIFT * scale], axis=1)
    return np.concatenate([middle - side / 2, side, side], axis=1)


def to_entries(dataset: PoseDataset) -> list[dict[str, Any]]:
    """Return the JSON of a data set; centre and scale are as read, or those of the box."""
    names = dataset.frames["file_name"].to_numpy()[dataset.frame_rows]
    entries = []
    for row, person in enumerate(dataset.people.to_dict("records")):
        scale = max(person["w"], person["h"]) / PIXEL_STD
        x, y = (person[a] + person[b] / 2 + 1 for a, b in ("xw", "yh"))
        entries.append(
            {
                "joints_vis": (dataset.keypoints[row, :, 2] > 0).astype(int).tolist(),
                "joints": [
                    [round(decimal(p[0]) + 1, 6), round(decimal(p[1]) + 1, 6)]
                    if p[2] > 0
                    else [-1.0, -1.0]
                    for p in dataset.keypoints[row]
                ],
                "image": names[row],
                "scale": scale,
                "center": [x, y - CENTER_SHIFT * scale],
                **(_crop_as_read(person) or {}),
            }
        )
    return entries


def write(datasets: dict[str, PoseDataset]) -> Layout:
    """Return the folder of JSON files of data sets with MPII's joints.

    Raises:
        InputError: the joints are others.
    """
    layout = Layout()
    for split, everybody in datasets.items():
        dataset, crowds = without_crowds(everybody)
        if dataset.keypoint_set.joints != get_keypoint_set("mpii-16").joints:
            raise InputError("mpii holds its 16 joints only: add --keypoints mpii-16")
        empty = ~dataset.frames["id"].isin(dataset.people["frame_id"])
        oblong = dataset.people["w"] != dataset.people["h"]
        layout.files[f"annotations/{'mpii' if split == WHOLE else split}.json"] = to_entries(
            dataset
        )
        layout.images.update(image_places(dataset, split_folder("images", split)))
        foreign = [
            not _CROP.isdisjoint(person["extra"] or {}) and _crop_as_read(person) is None
            for person in dataset.people.to_dict("records")
        ]
        layout.count_lost(crowds, not_held(dataset, fields=_CROP))
        layout.count_lost({"center and scale that do not give the box": sum(foreign)})
        layout.count_lost({EMPTY_FRAMES: int(empty.sum())})
        layout.count_lost({"sides of boxes (a square is kept)": int(oblong.sum())})
    return layout


def _crops_of(entries: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres (people, 2) and scales (people,) of entries."""
    centers = np.array([entry["center"] for entry in entries], dtype=np.float64).reshape(-1, 2)
    return centers, np.array([entry["scale"] for entry in entries], dtype=np.float64)


def _unplaced(centers: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return the mask of people without a crop: -1, -1 stands for no centre."""
    return np.asarray((scales <= 0) | (centers == -1).all(axis=1))


def _crop_as_read(person: dict[Any, Any]) -> dict[str, Any] | None:
    """Return the centre and scale that the person came with, where they give the box."""
    crop = {key: value for key, value in (person["extra"] or {}).items() if key in _CROP}
    try:
        require_numbers(crop.get("center"), 2, "center")
        require_numbers([crop.get("scale")], 1, "scale")
    except InputError:
        return None
    box = crop_boxes(np.array([crop["center"]], dtype=float), np.array([crop["scale"]], float))[0]
    return crop if np.allclose(box, [person[key] for key in "xywh"], rtol=1e-9, atol=1e-6) else None


def _common(entry: dict[str, Any], where: str) -> dict[str, Any]:
    """Return an entry of the other JSON in the form of the common one, with visibilities."""
    joints = entry.get("joint_self")
    if not isinstance(joints, list) or len(joints) != 16:
        raise InputError(f"{where}: 'joint_self' is {shown(joints)}, not a list of 16 joints")
    for joint in joints:
        require_numbers(joint, 3, f"{where}: 'joint_self'")
    labelled = [joint[:2] != [0, 0] for joint in joints]
    seen = [2 if joint[2] > 0 else 1 for joint in joints]
    return {
        "image": entry["img_paths"],
        "joints": [joint[:2] for joint in joints],
        "joints_vis": [int(flag) for flag in labelled],
        "visibility": [v if flag else 0 for v, flag in zip(seen, labelled, strict=True)],
        "center": entry.get("objpos"),
        "scale": entry.get("scale_provided"),
        **(other_fields(entry, _OTHER_FIELDS) or {}),
    }


def _check(entry: dict[str, Any], where: str) -> None:
    require_file_name(entry.get("image"), where, key="image")
    where = f"{where} ({entry['image']})"
    if "joints" not in entry:
        raise InputError(f"{where}: has no 'joints' (the test list has no labels)")
    joints = entry["joints"]
    if not isinstance(joints, list) or len(joints) != 16:
        raise InputError(f"{where}: 'joints' is {shown(joints)}, not a list of 16 points")
    for point in joints:
        require_numbers(point, 2, f"{where}: 'joints'")
    flags = entry.get("joints_vis")
    if isinstance(flags, list):
        entry["joints_vis"] = [int(flag) if isinstance(flag, bool) else flag for flag in flags]
    require_numbers(entry.get("joints_vis"), 16, f"{where}: 'joints_vis'")
    if not set(entry["joints_vis"]) <= {0, 1}:
        raise InputError(f"{where}: 'joints_vis' are not all 0 or 1")
    require_numbers(entry.get("center"), 2, f"{where}: 'center'")
    require_numbers([entry.get("scale")], 1, f"{where}: 'scale'")
