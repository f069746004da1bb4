"""The formats by name: two plain dictionaries, READERS and WRITERS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.datasets import (
    ai_challenger,
    crowdpose,
    habbof,
    loaf,
    lsp,
    mpii,
    rapid,
    wepdtof,
    wepdtof_pose,
)
from wepdtof_pose.formats.layout import (
    WHOLE,
    Layout,
    Reading,
    add_counts,
    image_places,
    split_files,
    split_folder,
)
from wepdtof_pose.formats.loading import annotation_files, require_same_joints
from wepdtof_pose.formats.tools import (
    cvat,
    cvat_writer,
    label_studio,
    label_studio_writer,
    voc,
    yolo,
    yolo_obb,
)
from wepdtof_pose.keypoints import KeypointSet


class Reader(Protocol):
    """Reads a path; the folder of the images, the joints and the label of people may be given."""

    def __call__(
        self,
        path: Path,
        images: Path | None,
        joints: KeypointSet | None,
        category: str | None = None,
        /,
    ) -> Reading:
        """Return what is under the path."""


Writer = Callable[[dict[str, PoseDataset]], Layout]


def read_coco(
    path: Path, images: Path | None, joints: KeypointSet | None, category: str | None = None
) -> Reading:
    """A COCO keypoint file, or a folder of them."""
    files = annotation_files(path)
    datasets = {
        split: coco.read(
            file,
            keypoint_set=joints,
            category=category,
            images=[images / split, images] if images else (),
        )
        for split, file in files.items()
    }
    require_same_joints(datasets, files)
    left_out = add_counts(*(dataset.left_out for dataset in datasets.values()))
    return Reading(datasets, list(files.values()), left_out)


def write_coco(datasets: dict[str, PoseDataset]) -> Layout:
    """COCO keypoint files: `annotations/person_keypoints[_<split>].json` and `images/[<split>/]`.

    They hold everything, with fields of their own beside COCO's for track ids, rotated boxes and
    scenes.
    """
    files: dict[str, Any] = {}
    images: dict[str, Path] = {}
    for split, dataset in datasets.items():
        name = "person_keypoints.json" if split == WHOLE else f"person_keypoints_{split}.json"
        files[f"annotations/{name}"] = coco.to_dict(dataset)
        images |= image_places(dataset, split_folder("images", split))
    return Layout(files, images, add_counts(*map(coco.hidden_fields, datasets.values())))


def read_lsp(
    path: Path,
    images: Path | None,
    joints: KeypointSet | None,
    category: str | None = None,
    *,
    variant: lsp.Variant,
) -> Reading:
    """An LSP or LSPET folder."""
    _require_no_category(category, variant)
    _require_own_joints(joints, variant)
    dataset, left_out = lsp.read(path, variant=variant, images=images)
    file = path / "joints.mat" if path.is_dir() else path
    return Reading({WHOLE: dataset}, [file], left_out)


def _with_own_joints(name: str, read: Callable[..., Reading]) -> Reader:
    """A reader of a format that fixes its joints."""

    def read_path(
        path: Path, images: Path | None, joints: KeypointSet | None, category: str | None = None
    ) -> Reading:
        _require_own_joints(joints, name)
        _require_no_category(category, name)
        return read(path, images=images)

    return read_path


def _each_file(read: Callable[..., Reading]) -> Callable[..., Reading]:
    """A reader of a folder of files out of one of single files."""

    def read_path(path: Path, *, images: Path | None) -> Reading:
        readings = {
            split: read(file, images=_folder_of(images, split))
            for split, file in split_files(path, ".json").items()
        }
        return Reading(
            {split: reading.datasets[WHOLE] for split, reading in readings.items()},
            [file for reading in readings.values() for file in reading.files],
            add_counts(*(reading.left_out for reading in readings.values())),
        )

    return read_path


def _folder_of(images: Path | None, split: str) -> Path | None:
    return images / split if images and (images / split).is_dir() else images


def _of_boxes(name: str, read: Callable[..., Reading]) -> Reader:
    """Return a reader of a format whose labelled boxes have no joints."""

    def read_path(
        path: Path, images: Path | None, joints: KeypointSet | None, category: str | None = None
    ) -> Reading:
        _require_own_joints(joints, name)
        return read(path, images=images, category=category)

    return read_path


def _naming_joints(read: Callable[..., Reading]) -> Reader:
    """Return a reader of a format whose files name the joints, or do not."""

    def read_path(
        path: Path, images: Path | None, joints: KeypointSet | None, category: str | None = None
    ) -> Reading:
        return read(path, images=images, keypoint_set=joints, category=category)

    return read_path


def _require_own_joints(joints: KeypointSet | None, name: str) -> None:
    if joints is not None:
        raise InputError(f"format {name!r} says itself which joints it has: no --source-keypoints")


def _require_no_category(category: str | None, name: str) -> None:
    if category is not None:
        raise InputError(f"format {name!r} knows people only: no --category")


READERS: dict[str, Reader] = {
    "coco": read_coco,
    "wepdtof_pose": _with_own_joints("wepdtof_pose", wepdtof_pose.read),
    "wepdtof": _of_boxes("wepdtof", wepdtof.read),
    "loaf": _of_boxes("loaf", loaf.read),
    "habbof": _of_boxes("habbof", habbof.read),
    "rapid": _of_boxes("rapid", rapid.read),
    "voc": _of_boxes("voc", voc.read),
    "ai_challenger": _with_own_joints("ai_challenger", _each_file(ai_challenger.read)),
    "mpii": _with_own_joints("mpii", _each_file(mpii.read)),
    "crowdpose": _with_own_joints("crowdpose", _each_file(crowdpose.read)),
    "lsp": partial(read_lsp, variant="lsp"),
    "lspet": partial(read_lsp, variant="lspet"),
    "yolo": _naming_joints(yolo.read),
    "yolo_obb": _of_boxes("yolo_obb", yolo_obb.read),
    "cvat": _naming_joints(cvat.read),
    "label_studio": _naming_joints(label_studio.read),
}
WRITERS: dict[str, Writer] = {
    "coco": write_coco,
    "wepdtof_pose": wepdtof_pose.write,
    "ai_challenger": ai_challenger.write,
    "mpii": mpii.write,
    "crowdpose": crowdpose.write,
    "yolo": yolo.write,
    "cvat": cvat_writer.write,
    "label_studio": label_studio_writer.write,
}
