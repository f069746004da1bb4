"""Toolkit for people on overhead fisheye frames with keypoints (WEPDTOF-Pose and any COCO file).

What most programs need is here, and imported when it is first used:

>>> import wepdtof_pose
>>> from wepdtof_pose.annotations import sample_folder
>>> dataset = wepdtof_pose.load_dataset(sample_folder())["all"]
>>> len(dataset), dataset.keypoint_set.name
(60, 'wepdtof-pose-14')
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wepdtof_pose.conversion.convert import convert
    from wepdtof_pose.dataset import PoseDataset, concatenate, with_scenes
    from wepdtof_pose.errors import InputError
    from wepdtof_pose.formats.loading import load_dataset
    from wepdtof_pose.images import read_image
    from wepdtof_pose.keypoints import (
        KeypointSet,
        convert_keypoints,
        get_keypoint_set,
        keypoint_set_names,
    )
    from wepdtof_pose.pictures.frames import frame_picture, person_picture
    from wepdtof_pose.splits.hold_out import hold_out
    from wepdtof_pose.splits.label_budgets import choose_people
    from wepdtof_pose.splits.partitions import partition
    from wepdtof_pose.synthetic.generate import generate
    from wepdtof_pose.validation.validate import validate, validate_dataset

__version__ = "0.2.0"

__all__ = [
    "InputError",
    "KeypointSet",
    "PoseDataset",
    "choose_people",
    "concatenate",
    "convert",
    "convert_keypoints",
    "frame_picture",
    "generate",
    "get_keypoint_set",
    "hold_out",
    "keypoint_set_names",
    "load_dataset",
    "partition",
    "person_picture",
    "read_image",
    "validate",
    "validate_dataset",
    "with_scenes",
]

_MODULES = {
    "dataset": ("PoseDataset", "concatenate", "with_scenes"),
    "errors": ("InputError",),
    "conversion.convert": ("convert",),
    "formats.loading": ("load_dataset",),
    "images": ("read_image",),
    "keypoints": ("KeypointSet", "convert_keypoints", "get_keypoint_set", "keypoint_set_names"),
    "pictures.frames": ("frame_picture", "person_picture"),
    "splits.hold_out": ("hold_out",),
    "splits.label_budgets": ("choose_people",),
    "splits.partitions": ("partition",),
    "synthetic.generate": ("generate",),
    "validation.validate": ("validate", "validate_dataset"),
}


def __getattr__(name: str) -> Any:
    """Import what is exported when it is first asked for."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
