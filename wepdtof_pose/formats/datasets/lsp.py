"""Leeds Sports Pose (LSP) and its extended training set (LSPET): reader of `joints.mat`.

Both are one person an image and 14 joints. The third number of a joint differs: in LSPET 1 means
labelled, in LSP 1 means hidden (inferred from the published evaluation code, not documented).

* LSPET keeps a position for joints that are not labelled too; it lies outside the image nearly
  always, and is set to 0.
* Neither has boxes. A person's box is the extent of the labelled joints grown by 1.2 about its
  middle, cut to the image: a body reaches beyond its joints (feet, hands, flesh), and annotated
  boxes of people with 13 labelled joints or more measure 1.19 to 1.24 times their joints' extent
  (square root of the areas, medians: CrowdPose 1.19, AI Challenger 1.24 and COCO 1.24 in a handful
  of samples, 1.22 in 1,000 procedural people, whose boxes are exact). The area is 0.53 of the box.
* A labelled joint more than 2 pixels outside the image cannot be meant: it becomes not labelled.
  Nearer ones are kept as annotated (in the 3,000 LSPET images looked at, two joints, by under 1
  pixel).
* Coordinates are kept as they are. Whether they count from 0 or from 1 is not documented.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets.matlab import read_array
from wepdtof_pose.formats.fields import LARGEST
from wepdtof_pose.formats.layout import WHOLE, Reading, files_in
from wepdtof_pose.geometry import joint_extents
from wepdtof_pose.images import image_file, image_size
from wepdtof_pose.keypoints import get_keypoint_set

Variant = Literal["lsp", "lspet"]

BODY_PER_JOINTS = 1.2
"""Sides of a body's box over those of its joints' extent."""

BORDER = 2.0
"""How far outside the image, in pixels, a labelled joint is still taken as annotated."""

_SHAPES = {"lsp": (3, 14), "lspet": (14, 3)}
_TITLES = {"lsp": "Leeds Sports Pose", "lspet": "Leeds Sports Pose Extended"}


def read_lsp(path: Path, *, images: Path | None = None) -> Reading:
    """Return the people of LSP; see `read`."""
    return read(path, variant="lsp", images=images)


def read_lspet(path: Path, *, images: Path | None = None) -> Reading:
    """Return the people of LSPET; see `read`."""
    return read(path, variant="lspet", images=images)


def read(path: Path, *, variant: Variant, images: Path | None = None) -> Reading:
    """Return the people of `joints.mat`, or of the folder that holds it and `images/`.

    People whose image is not there are left out, and so are those with fewer than 2 labelled joints
    or an empty box.

    Args:
        path: `joints.mat`, or the folder that holds it; the images lie in `images/` beside it.
        variant: which of the two it is; they differ in layout and in meaning.
        images: folder of the images, where it is not `images/`.

    Raises:
        InputError: the file is not such a file, or none of its images is there.
    """
    file = path / "joints.mat" if path.is_dir() else path
    keypoints = _keypoints(_joint_matrix(file), file, variant)
    if not len(keypoints):
        raise InputError(f"{file}: 'joints' has no people")
    images = images or file.parent / "images"
    digits = 5 if variant == "lspet" else 4
    names = [f"im{number:0{digits}d}.jpg" for number in range(1, len(keypoints) + 1)]
    there = np.array([(images / name).is_file() for name in names], dtype=bool)
    if not there.any():
        raise InputError(f"{images}: none of the {len(names)} images ({names[0]}, ...) is there")
    numbers = np.flatnonzero(there)
    sizes = np.array([image_size(image_file(images, names[n])) for n in numbers])
    keypoints, outside = unlabel_outside(keypoints[there], sizes)
    boxes = joint_boxes(keypoints, sizes)
    few = (keypoints[..., 2] > 0).sum(axis=1) < 2
    empty = ~few & ~(boxes[:, 2:] > 0).all(axis=1)
    kept = ~few & ~empty
    numbers = numbers[kept]
    dataset = PoseDataset(
        frames=make_frames(
            id=numbers + 1,
            file_name=[names[n] for n in numbers],
            sizes=sizes[kept],
        ),
        people=make_people(
            id=numbers + 1,
            frame_id=numbers + 1,
            boxes=boxes[kept],
        ),
        keypoints=keypoints[kept],
        keypoint_set=get_keypoint_set("lsp-14"),
        root=images,
        meta={"info": {"description": _TITLES[variant]}},
    )
    left_out = {
        "people without an image": int((~there).sum()),
        "people with fewer than 2 labelled joints": int(few.sum()),
        "people with an empty box": int(empty.sum()),
        "labels of joints outside the image": outside,
        "images without labels": len({p.name for p in files_in(images, ".jpg")} - set(names)),
    }
    return Reading({WHOLE: dataset}, [file], left_out)


def unlabel_outside(keypoints: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, int]:
    """Return keypoints (people, joints, 3) without labels far outside the image, and their number.

    `sizes` is (people, 2), width and height in pixels. "Far" is more than BORDER from the nearest
    pixel. Joints that are not labelled come out as 0, 0, 0.
    """
    beyond = np.maximum(-0.5 - keypoints[..., :2], keypoints[..., :2] - sizes[:, None] + 0.5)
    labelled = keypoints[..., 2] > 0
    far = labelled & (beyond.max(axis=-1) > BORDER)
    return np.where((labelled & ~far)[..., None], keypoints, np.float32(0)), int(far.sum())


def joint_boxes(keypoints: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return boxes (people, 4) in pixels: extents of labelled joints, grown and cut to the image.

    A person without labelled joints gets 0, 0, 0, 0.
    """
    near, sides = np.split(joint_extents(keypoints), 2, axis=1)
    margin = sides * (BODY_PER_JOINTS - 1) / 2
    limit = np.asarray(sizes, dtype=np.float64) - 1
    near, far = (near - margin).clip(0, limit), (near + sides + margin).clip(0, limit)
    return np.concatenate([near, far - near], axis=1)


def _joint_matrix(file: Path) -> np.ndarray:
    if not file.is_file():
        raise InputError(f"{file}: no such file (expected joints.mat beside images/)")
    joints = read_array(file, "joints")
    if joints.ndim != 3:
        raise InputError(f"{file}: 'joints' has {joints.ndim} dimensions instead of 3")
    return joints.astype(np.float64)


def _keypoints(joints: np.ndarray, file: Path, variant: Variant) -> np.ndarray:
    """Return keypoints (people, 14, 3) float32 with visibilities 0, 1, 2."""
    if joints.shape[:2] != _SHAPES[variant]:
        known = [name for name, shape in _SHAPES.items() if shape == joints.shape[:2]]
        hint = f": it has the layout of {known[0]!r}" if known else ""
        expected = (*_SHAPES[variant], "people")
        raise InputError(f"{file}: 'joints' is {joints.shape}, {variant!r} has {expected}{hint}")
    keypoints = joints.transpose((2, 0, 1) if variant == "lspet" else (2, 1, 0))
    flags = keypoints[..., 2]
    if not np.isin(flags, (0, 1)).all() or not (np.abs(keypoints) < LARGEST).all():
        raise InputError(f"{file}: 'joints' has flags that are not 0 or 1, or no finite numbers")
    visibility = 2 * flags if variant == "lspet" else 2 - flags
    return np.concatenate([keypoints[..., :2], visibility[..., None]], axis=-1).astype(np.float32)
