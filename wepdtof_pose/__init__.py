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
    from wepdtof_pose.conversion.convert import convert as convert
    from wepdtof_pose.dataset import PoseDataset as PoseDataset
    from wepdtof_pose.dataset import concatenate as concatenate
    from wepdtof_pose.dataset import with_scenes as with_scenes
    from wepdtof_pose.errors import InputError as InputError
    from wepdtof_pose.formats.loading import load_dataset as load_dataset
    from wepdtof_pose.images import read_image as read_image
    from wepdtof_pose.keypoints import KeypointSet as KeypointSet
    from wepdtof_pose.keypoints import convert_keypoints as convert_keypoints
    from wepdtof_pose.keypoints import get_keypoint_set as get_keypoint_set
    from wepdtof_pose.keypoints import keypoint_set_names as keypoint_set_names
    from wepdtof_pose.pictures.frames import frame_picture as frame_picture
    from wepdtof_pose.pictures.frames import person_picture as person_picture
    from wepdtof_pose.splits.hold_out import hold_out as hold_out
    from wepdtof_pose.splits.label_budgets import choose_people as choose_people
    from wepdtof_pose.splits.partitions import partition as partition
    from wepdtof_pose.synthetic.generate import generate as generate
    from wepdtof_pose.validation.validate import validate as validate
    from wepdtof_pose.validation.validate import validate_dataset as validate_dataset

__version__ = "0.2.0"

_PLACES = {
    "PoseDataset": "dataset",
    "concatenate": "dataset",
    "with_scenes": "dataset",
    "InputError": "errors",
    "convert": "conversion.convert",
    "load_dataset": "formats.loading",
    "read_image": "images",
    "KeypointSet": "keypoints",
    "convert_keypoints": "keypoints",
    "get_keypoint_set": "keypoints",
    "keypoint_set_names": "keypoints",
    "frame_picture": "pictures.frames",
    "person_picture": "pictures.frames",
    "hold_out": "splits.hold_out",
    "choose_people": "splits.label_budgets",
    "partition": "splits.partitions",
    "generate": "synthetic.generate",
    "validate": "validation.validate",
    "validate_dataset": "validation.validate",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    """Import what is exported when it is first asked for."""
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
