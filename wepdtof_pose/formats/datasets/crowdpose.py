"""CrowdPose: COCO keypoint JSON with 14 joints, whose `head` is the top of the head.

The category's skeleton is COCO's with 17 joints and is not used. `crowdIndex` of an image travels
in its `extra`. The annotations carry no area: each person gets 0.53 of the box.
"""

from __future__ import annotations

from pathlib import Path

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.coco_category import keypoint_category, require_joints
from wepdtof_pose.formats.layout import (
    WHOLE,
    Layout,
    Reading,
    image_places,
    of_each_file,
    split_folder,
)
from wepdtof_pose.keypoints import get_keypoint_set

JOINT_NAMES = ("head", "neck")
"""How the released files call the last two joints; some copies say `top_head`."""


@of_each_file
def read(path: Path, *, images: Path | None = None) -> Reading:
    """Return the people of a CrowdPose JSON file.

    Raises:
        InputError: the file is not usable, or its joints are not CrowdPose's.
    """
    content, source = read_json(path), str(path)
    target = get_keypoint_set("crowdpose-14")
    category = keypoint_category(content, source, required=False)
    if category is not None:
        require_joints(category, source, target, aliases={"head": "head_top"})
    dataset = coco.of_file(content, path, keypoint_set=target, images=images)
    return Reading({WHOLE: dataset}, [path], dataset.left_out)


def write(datasets: dict[str, PoseDataset]) -> Layout:
    """Return the folder of CrowdPose files of data sets with CrowdPose's joints.

    Raises:
        InputError: the joints are others.
    """
    target = get_keypoint_set("crowdpose-14")
    layout = Layout()
    for split, dataset in datasets.items():
        if dataset.keypoint_set.joints != target.joints:
            raise InputError("crowdpose holds its 14 joints only: add --keypoints crowdpose-14")
        content = coco.to_dict(dataset)
        joints = [*target.joints[:-2], *JOINT_NAMES]
        content["categories"] = [{**content["categories"][0], "keypoints": joints}]
        content["categories"][0].pop("keypoint_set", None)
        name = "crowdpose.json" if split == WHOLE else f"crowdpose_{split}.json"
        layout.files[f"annotations/{name}"] = content
        layout.images.update(image_places(dataset, split_folder("images", split)))
        layout.count_lost(coco.hidden_fields(dataset))
    own = [dataset.keypoint_set != target for dataset in datasets.values()]
    layout.count_lost({"name, sigmas or skeleton of the keypoint set": sum(own)})
    return layout
