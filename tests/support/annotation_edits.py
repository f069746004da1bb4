"""Edits of the content of an annotation file, each of which makes one defect."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

Edit = Callable[[dict[str, Any]], Any]


def person(number: int = 0, /, **changes: Any) -> Edit:
    return lambda content: content["annotations"][number].update(changes)


def image(number: int = 0, /, **changes: Any) -> Edit:
    return lambda content: content["images"][number].update(changes)


def joint(index: int, value: float, number: int = 0) -> Edit:
    return lambda content: content["annotations"][number]["keypoints"].__setitem__(index, value)


def without(key: str, number: int = 0) -> Edit:
    return lambda content: content["annotations"][number].pop(key)


def exchanged(content: dict) -> None:
    """The hips of all people with their sides exchanged."""
    for row in content["annotations"]:
        k = row["keypoints"]
        k[18:21], k[27:30] = k[27:30], k[18:21]


def copied(content: dict) -> None:
    """The second person of a frame once more, a pixel aside."""
    row = copy.deepcopy(content["annotations"][1])
    row |= {"id": 9999, "track_id": 9999}
    row["bbox"][0] += 1
    content["annotations"].append(row)


def placeholder(content: dict) -> None:
    """A person of the empty category that Roboflow lists first."""
    content["categories"].insert(0, {"id": 0, "name": "objects"})
    content["annotations"][0]["category_id"] = 0


def only_dogs(content: dict) -> None:
    """Nobody, but dogs without joints, on images that are not listed."""
    content["categories"].append({"id": 2, "name": "dog"})
    for row in content["annotations"]:
        del row["keypoints"]
        row |= {"category_id": 2, "image_id": 10**6}


def only_crowds(content: dict) -> None:
    for row in content["annotations"]:
        row["iscrowd"] = 1


def several(content: dict) -> None:
    """Another category of people, with the joints in another order."""
    (first,) = content["categories"]
    content["categories"].append({**first, "id": 2, "keypoints": first["keypoints"][::-1]})
    content["annotations"][0]["category_id"] = 2


def scaled(content: dict, factor: Callable[[float], float], *, boxes: bool = True) -> None:
    """All places multiplied by a factor of the image side, 320 pixels here."""
    for row in content["annotations"]:
        if boxes:
            row["bbox"] = [number * factor(320) for number in row["bbox"]]
            row["area"] *= factor(320) ** 2
            row["rotated_box"] = None
        for at in range(0, 42, 3):
            row["keypoints"][at : at + 2] = [
                number * factor(320) for number in row["keypoints"][at : at + 2]
            ]


def shares(content: dict) -> None:
    scaled(content, lambda side: 1 / side)


def joint_shares(content: dict) -> None:
    scaled(content, lambda side: 1 / side, boxes=False)


def box_per_cent(content: dict) -> None:
    for row in content["annotations"]:
        row["bbox"] = [number * 100 / 320 for number in row["bbox"]]


def all_per_cent(content: dict) -> None:
    scaled(content, lambda side: 100 / side)


def multiplied(content: dict) -> None:
    scaled(content, lambda side: side)
    for row in content["annotations"]:
        row |= {"keypoints": [0] * 42, "num_keypoints": 0}


def corners(content: dict) -> None:
    for row in content["annotations"]:
        x, y, w, h = row["bbox"]
        row["bbox"] = [x, y, x + w, y + h]


def centres(content: dict) -> None:
    for row in content["annotations"]:
        x, y, w, h = row["bbox"]
        row["bbox"] = [x + w / 2, y + h / 2, w, h]


def centres_of_a_pool(content: dict) -> None:
    """Boxes alone, all in the lower right corner of their images."""
    for row in content["annotations"]:
        _, _, w, h = row["bbox"]
        w += row["id"] / 1000
        row |= {"bbox": [318 - w / 2, 318 - h / 2, w, h], "keypoints": [], "num_keypoints": 0}


def rows_first(content: dict) -> None:
    for row in content["annotations"]:
        x, y, w, h = row["bbox"]
        row["bbox"] = [y, x, h, w]


def read_as_centres(content: dict) -> None:
    """What a reader of YOLO's labels makes of x1, y1, x2, y2."""
    for row in content["annotations"]:
        x, y, w, h = row["bbox"]
        row["bbox"] = [x - (x + w) / 2, y - (y + h) / 2, x + w, y + h]


def joints_rows_first(content: dict) -> None:
    for row in content["annotations"]:
        for at in range(0, 42, 3):
            x, y = row["keypoints"][at : at + 2]
            row["keypoints"][at : at + 2] = [y, x]


def joints_of_crops(content: dict) -> None:
    for row in content["annotations"]:
        for at in range(42):
            row["keypoints"][at] -= row["bbox"][at % 3] if at % 3 < 2 else 0


def shares_of_boxes(content: dict) -> None:
    joints_of_crops(content)
    for row in content["annotations"]:
        for at in range(42):
            row["keypoints"][at] /= row["bbox"][2 + at % 3] if at % 3 < 2 else 1


def unsaid(content: dict) -> None:
    for row in content["annotations"]:
        row["keypoints"][2::3] = [0] * 14


def places_in_space(content: dict) -> None:
    """x, y, z, in front of a plane and behind it."""
    for row in content["annotations"]:
        row["keypoints"][2::3] = [7.5 * joint - 40 for joint in range(14)]


def boxes_of_larger_images(content: dict) -> None:
    for row in content["annotations"]:
        row["bbox"] = [2.5 * number for number in row["bbox"]]


def by_corners(content: dict) -> None:
    """Rotated boxes whose first numbers are the corner of the plain box."""
    for row in content["annotations"]:
        row["rotated_box"][:2] = row["bbox"][:2]


def by_own_corners(content: dict) -> None:
    for row in content["annotations"]:
        x, y, w, h, angle = row["rotated_box"]
        row["rotated_box"] = [x - w / 2, y - h / 2, w, h, angle]


def by_two_corners(content: dict) -> None:
    for row in content["annotations"]:
        x, y, w, h, angle = row["rotated_box"]
        row["rotated_box"] = [x - w / 2, y - h / 2, x + w / 2, y + h / 2, angle]


def rotated_shares(content: dict) -> None:
    for row in content["annotations"]:
        row["rotated_box"][:4] = [number / 1000 for number in row["rotated_box"][:4]]


def busts(content: dict) -> None:
    """Pictures that are the boxes of their people, who have joints in the upper part alone."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for row in content["annotations"]:
        (x, y, w, h), (width, height) = row["bbox"], sizes[row["image_id"]]
        joints = row["keypoints"]
        joints[0::3] = [(one - x) / w * width for one in joints[0::3]]
        joints[1::3] = [(one - y) / h * height * 0.45 for one in joints[1::3]]
        row["bbox"] = [0, 0, width, height]
        row["area"] = width * height


def plain_boxes_of_heads(content: dict) -> None:
    """Rotated boxes of the whole people, and plain ones of the joints at one end of them."""
    for row in content["annotations"]:
        x, y, _, h, angle = row["rotated_box"]
        turn = np.deg2rad(angle)
        row["bbox"] = [x + 0.4 * h * np.sin(turn) - 8, y - 0.4 * h * np.cos(turn) - 8, 16, 16]


def radians(content: dict) -> None:
    for row in content["annotations"]:
        row["rotated_box"][4] = np.deg2rad(row["rotated_box"][4])


def detectrons(content: dict) -> None:
    for row in content["annotations"]:
        row["bbox_mode"] = 0


def mirrored(content: dict) -> None:
    for row in content["annotations"]:
        row["rotated_box"][4] *= -1
