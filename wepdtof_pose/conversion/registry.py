"""The formats by name: two plain dictionaries, READERS and WRITERS."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Protocol

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


def _read_coco(
    path: Path, *, images: Path | None, keypoint_set: KeypointSet | None, category: str | None
) -> Reading:
    """A COCO keypoint file, or a folder of them."""
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
    """COCO keypoint files: `annotations/person_keypoints[_<split>].json` and `images/[<split>/]`.

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


def _read_lsp(path: Path, *, images: Path | None, variant: lsp.Variant) -> Reading:
    """An LSP or LSPET folder."""
    dataset, left_out = lsp.read(path, variant=variant, images=images)
    file = path / "joints.mat" if path.is_dir() else path
    return Reading({WHOLE: dataset}, [file], left_out)


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


def _reader(name: str, read: Callable[..., Reading], takes: Collection[str]) -> Reader:
    """Return the reader of a format; `takes` says what of it can be given."""

    def read_path(
        path: Path, images: Path | None, joints: KeypointSet | None, category: str | None = None
    ) -> Reading:
        if joints is not None and "keypoint_set" not in takes:
            raise InputError(
                f"format {name!r} says itself which joints it has: no --source-keypoints"
            )
        if category is not None and "category" not in takes:
            raise InputError(f"format {name!r} knows people only: no --category")
        given = {"keypoint_set": joints, "category": category}
        return read(path, images=images, **{key: given[key] for key in takes})

    return read_path


_BOXES = ("category",)
"""What readers of formats take whose labelled boxes have no joints."""
_OPEN = ("keypoint_set", "category")
"""What readers of formats take whose files name the joints, or do not."""
_READERS: dict[str, tuple[Callable[..., Reading], Collection[str]]] = {
    "coco": (_read_coco, _OPEN),
    "wepdtof_pose": (wepdtof_pose.read, ()),
    "wepdtof": (wepdtof.read, _BOXES),
    "loaf": (loaf.read, _BOXES),
    "habbof": (habbof.read, _BOXES),
    "rapid": (rapid.read, _BOXES),
    "voc": (voc.read, _BOXES),
    "ai_challenger": (_each_file(ai_challenger.read), ()),
    "mpii": (_each_file(mpii.read), ()),
    "crowdpose": (_each_file(crowdpose.read), ()),
    "lsp": (partial(_read_lsp, variant="lsp"), ()),
    "lspet": (partial(_read_lsp, variant="lspet"), ()),
    "yolo": (yolo.read, _OPEN),
    "yolo_obb": (yolo_obb.read, _BOXES),
    "cvat": (cvat.read, _OPEN),
    "label_studio": (label_studio.read, _OPEN),
}
READERS: dict[str, Reader] = {
    name: _reader(name, read, takes) for name, (read, takes) in _READERS.items()
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
OF_SHARES = frozenset({"yolo", "label_studio"})
"""Formats to write whose places are shares of the picture: of one of another size all are wrong."""
