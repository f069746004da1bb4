"""What is recorded of each frame, and the data set made of all records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.fisheye.lenses import KannalaBrandtLens, Lens
from wepdtof_pose.formats import coco
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.synthetic.scenes import SceneFrame


def frame_record(file_name: str, scene: str, frame: SceneFrame) -> dict[str, Any]:
    """The image and the people of one frame, as fields of a COCO keypoint file without ids."""
    size = frame.camera.size
    people = [
        {
            "bbox": list(label.box),
            "area": label.area,
            "iscrowd": 0,
            # To 1/100 of a pixel: what float32 and a reader of the file can make use of.
            "keypoints": [round(float(value), 2) for value in label.keypoints.ravel()],
            "track_id": label.track,
            "rotated_box": list(label.rotated_box),
        }
        for label in frame.labels
    ]
    image = {"file_name": file_name, "width": size, "height": size, "scene": scene}
    fisheye = _fisheye(frame.camera.lens) | {"height_m": round(float(frame.camera.position[2]), 6)}
    return {"image": {**image, "fisheye": fisheye}, "people": people}


def join_records(
    scenes: Iterable[list[dict[str, Any]]], *, root: Path, info: dict[str, Any]
) -> PoseDataset:
    """The data set of all scenes' records, with ids from 1 on and tracks unique over scenes."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    first_track = 0
    for frames in scenes:
        last_track = 0
        for record in frames:
            images.append({"id": len(images) + 1, **record["image"]})
            for person in record["people"]:
                last_track = max(last_track, person["track_id"])
                annotations.append(
                    {
                        **person,
                        "id": len(annotations) + 1,
                        "image_id": len(images),
                        "category_id": 1,
                        "track_id": first_track + person["track_id"],
                    }
                )
        first_track += last_track
    content = {
        "info": {"description": "Procedural overhead-fisheye people", **info},
        "images": images,
        "annotations": annotations,
    }
    keypoints = get_keypoint_set("wepdtof-pose-14")
    return coco.from_dict(content, source=str(root), keypoint_set=keypoints, root=root)


def _fisheye(lens: Lens) -> dict[str, Any]:
    values = {"cx": lens.cx, "cy": lens.cy, "radius": lens.radius, "focal": lens.focal}
    model = "equidistant"
    if isinstance(lens, KannalaBrandtLens):
        model = "kannala-brandt"
        values |= {"k1": lens.k1, "k2": lens.k2, "k3": lens.k3, "k4": lens.k4}
    values["max_angle"] = lens.max_angle
    return {"model": model} | {key: round(float(value), 9) for key, value in values.items()}
