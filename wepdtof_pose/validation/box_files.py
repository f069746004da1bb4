"""Annotation files of rotated boxes without joints, as WEPDTOF and CEPDOF have them, unread."""

from __future__ import annotations

from collections import Counter
from typing import Any

from wepdtof_pose.errors import InputError
from wepdtof_pose.validation.schema import annotation_schema


def has_rotated_bboxes(content: dict[str, Any]) -> bool:
    """Whether this is a file of rotated boxes: most boxes have 5 numbers and nobody has joints."""
    sample = [a for a in content["annotations"][:1000] if isinstance(a, dict)]
    lengths = Counter(len(a["bbox"]) for a in sample if isinstance(a.get("bbox"), list))
    return lengths[5] > len(sample) / 2 and not any("keypoints" in a for a in sample)


def schema_of_box_files() -> dict[str, Any]:
    """The schema with 5 numbers a box, and image sizes that may be missing."""
    schema = dict(annotation_schema())
    definitions = dict(schema["$defs"])
    person, image = dict(definitions["annotation"]), dict(definitions["image"])
    five = {"type": "array", "items": {"type": "number"}, "minItems": 5, "maxItems": 5}
    person["properties"] = {**person["properties"], "bbox": five}
    image["required"] = ["id", "file_name"]
    return {**schema, "$defs": {**definitions, "annotation": person, "image": image}}


def from_list_of_frames(frames: list[Any], source: str) -> dict[str, Any]:
    """The COCO-like content of a list of frames with `img_name`, `bboxes` and `id`.

    Raises:
        InputError: an entry is no such frame.
    """
    images, annotations = [], []
    for position, frame in enumerate(frames):
        if not isinstance(frame, dict) or not {"img_name", "bboxes", "id"} <= set(frame):
            raise InputError(
                f"{source}: is a list, and entry {position} is no frame with 'img_name', 'bboxes' "
                "and 'id': expected an object with 'images' and 'annotations' (a list of scored "
                "predictions is not an annotation file)"
            )
        name, boxes, tracks = frame["img_name"], frame["bboxes"], frame["id"]
        images.append({"id": name, "file_name": name})
        if not (isinstance(boxes, list) and isinstance(tracks, list) and len(boxes) == len(tracks)):
            raise InputError(f"{source}: entry {position} has not one id for each of its boxes")
        annotations += [
            {"image_id": name, "bbox": box, "person_id": track}
            for box, track in zip(boxes, tracks, strict=True)
        ]
    return {"images": images, "annotations": annotations}
