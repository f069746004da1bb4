"""The content of a small COCO file, and reading it."""

from pathlib import Path
from typing import Any

from wepdtof_pose.formats import coco

JOINTS = ["nose", "Left Eye", "right_eye"]
DOGS = "annotations of category 'dog'"


def make_content(
    *, image: dict | None = None, person: dict | None = None, category: dict | None = None
) -> dict[str, Any]:
    """One person with three joints; a field given as ... is left out."""
    content = {
        "info": {"year": 2017, "名": "ä"},
        "images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48, "license": 3}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 1,
                "bbox": [1.5, 2, 30, 40.25],
                "area": 600.5,
                "iscrowd": 0,
                "keypoints": [3, 4.25, 2, 0, 0, 0, 5.125, 6, 1],
                "num_keypoints": 2,
                "segmentation": [[1, 2, 3, 4, 5, 6]],
            }
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": JOINTS, "skeleton": [[1, 2]]}],
    }
    rows = (content["images"][0], content["annotations"][0], content["categories"][0])
    for row, change in zip(rows, (image, person, category), strict=True):
        row.update(change or {})
        for key in [key for key, value in row.items() if value is ...]:
            del row[key]
    return content


def parse(content: Any, **arguments: Any) -> Any:
    return coco.from_dict(content, source="x.json", root=Path(), **arguments)
