"""Data sets of a few people, and faults of every kind to put into them."""

import copy
import math
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

NAN, INF = float("nan"), float("inf")
NAMES = ["nose", "neck", "left_hand", "right_hand"]
SIX = [*NAMES, "left_foot", "right_foot"]
"""As many numbers in pairs x, y as `NAMES` has in triples."""
JOINTS = "joints_of_a_person"
"""A member of the file with the number of joints that it was drawn with, which nobody reads."""
SIZES = {"a.png": (64, 48), "b.png": (64, 48), "c.jpg": (48, 64), "d.jpg": (48, 64)}
"""Width and height of the pictures as they are seen; d.jpg is stored lying on its side."""

Content = dict[str, Any]
Draw = Callable[[Any], Any]
Fault = Callable[[Content, Draw], None]


@st.composite
def contents(draw: Draw) -> Content:
    """One to three images with up to four people of four joints, or of six."""
    joint_names = draw(st.sampled_from([NAMES, SIX]))
    names = draw(st.permutations(list(SIZES)))[: draw(st.integers(1, 3))]
    images = [
        {"id": n, "file_name": name, "width": SIZES[name][0], "height": SIZES[name][1]}
        for n, name in enumerate(names, start=1)
    ]
    people = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        image = draw(st.sampled_from(images))
        x, y = draw(st.integers(2, 12)), draw(st.integers(2, 12))
        w, h = draw(st.integers(12, 30)), draw(st.integers(12, 30))
        joints: list[Any] = []
        for _ in joint_names:
            place = [x + draw(st.integers(1, w - 2)), y + draw(st.integers(1, h - 2))]
            joints += [*place, draw(st.sampled_from([2, 2, 2, 1]))]
        for joint in draw(st.lists(st.integers(0, len(joint_names) - 1), max_size=2)):
            joints[3 * joint : 3 * joint + 3] = [0, 0, 0]
        person: Content = {"id": number, "image_id": image["id"], "category_id": 1}
        person |= {"bbox": [x, y, w, h], "area": 0.6 * w * h, "iscrowd": 0, "keypoints": joints}
        person["num_keypoints"] = sum(v > 0 for v in joints[2::3])
        if draw(st.booleans()):
            person["rotated_box"] = [x + w / 2, y + h / 2, min(w, h), max(w, h), 30.0]
        if draw(st.booleans()):
            person["track_id"] = number
        if draw(st.booleans()):
            person |= {"segmentation": [[x, y, x + w, y, x + w, y + h]], "who": "somebody"}
        people.append(person)
    return {
        "info": {"year": 2026},
        JOINTS: len(joint_names),
        "images": images,
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": joint_names, "skeleton": [[1, 2]]}],
    }


def one(table: str, draw: Draw, content: Content) -> Content:
    """An entry of a list that is still an object."""
    rows = [entry for entry in content[table] if isinstance(entry, dict)]
    return draw(st.sampled_from(rows)) if rows else {}


def field(table: str, name: str, *values: Any) -> Fault:
    """A field of one entry with one of these values."""

    def fault(content: Content, draw: Draw) -> None:
        one(table, draw, content)[name] = copy.deepcopy(draw(st.sampled_from(values)))

    return fault


def without(table: str, *names: str) -> Fault:
    def fault(content: Content, draw: Draw) -> None:
        one(table, draw, content).pop(draw(st.sampled_from(names)), None)

    return fault


def in_list(name: str, *values: Any) -> Fault:
    """One number of a list of a person with one of these values."""

    def fault(content: Content, draw: Draw) -> None:
        numbers = one("annotations", draw, content).get(name)
        if isinstance(numbers, list) and numbers:
            at = draw(st.integers(0, len(numbers) - 1))
            numbers[at] = draw(st.sampled_from(values))

    return fault


def reshaped(change: Callable[[list[Any]], Any], *, everybody: bool) -> Fault:
    """The keypoints of one person, or of everybody, in another form."""

    def fault(content: Content, draw: Draw) -> None:
        rows = [a for a in content["annotations"] if isinstance(a, dict)]
        for row in rows if everybody else rows[:1]:
            if isinstance(row.get("keypoints"), list):
                row["keypoints"] = change(row["keypoints"])

    return fault


def scaled(factor: Callable[[int], float], *names: str) -> Fault:
    """Places of everybody multiplied by a function of the image's side."""

    def fault(content: Content, draw: Draw) -> None:
        for row in content["annotations"]:
            for name in names:
                values = row.get(name) if isinstance(row, dict) else None
                if not isinstance(values, list):
                    continue
                for at, value in enumerate(values):
                    side = (64, 48)[(at % 3 if name == "keypoints" else at) % 2]
                    if name == "keypoints" and at % 3 == 2:
                        continue
                    if isinstance(value, (int, float)) and not isinstance(value, bool):
                        values[at] = value * factor(side)

    return fault


def entry(table: str, *values: Any) -> Fault:
    def fault(content: Content, draw: Draw) -> None:
        at = draw(st.integers(0, len(content[table])))
        content[table].insert(at, copy.deepcopy(draw(st.sampled_from(values))))

    return fault


def copied(table: str, **changes: Any) -> Fault:
    def fault(content: Content, draw: Draw) -> None:
        content[table].append({**copy.deepcopy(one(table, draw, content)), **changes})

    return fault


def everybody(**changes: Any) -> Fault:
    def fault(content: Content, draw: Draw) -> None:
        for row in content["annotations"]:
            if isinstance(row, dict):
                row.update(copy.deepcopy(changes))

    return fault


def category(**changes: Any) -> Fault:
    def fault(content: Content, draw: Draw) -> None:
        if isinstance(content.get("categories"), list):
            content["categories"][0].update(copy.deepcopy(changes))

    return fault


def corners(content: Content, draw: Draw) -> None:
    for row in content["annotations"]:
        box = row.get("bbox") if isinstance(row, dict) else None
        if isinstance(box, list) and len(box) == 4 and all(type(n) is int for n in box):
            row["bbox"] = [box[0], box[1], box[0] + box[2], box[1] + box[3]]


def other_sizes(content: Content, draw: Draw) -> None:
    """The file says sizes before all pictures were resized, with its labels or without."""
    factor = draw(st.sampled_from([2, 0.5, 4]))
    for image in content["images"]:
        if isinstance(image, dict):
            for name in ("width", "height"):
                if type(image.get(name)) is int:
                    image[name] = int(image[name] * factor)
    if draw(st.booleans()):
        scaled(lambda side: factor, "bbox", "keypoints", "rotated_box")(content, draw)


def turned_sizes(content: Content, draw: Draw) -> None:
    image = one("images", draw, content)
    if {"width", "height"} <= set(image):
        image["width"], image["height"] = image["height"], image["width"]


def placeholder(content: Content, draw: Draw) -> None:
    if isinstance(content.get("categories"), list):
        content["categories"].insert(0, {"id": 0, "name": "objects"})
        one("annotations", draw, content)["category_id"] = 0


def second_category(content: Content, draw: Draw) -> None:
    if isinstance(content.get("categories"), list):
        content["categories"].append({"id": 2, "name": "dog", "keypoints": ["snout", "tail"]})
        row = {"id": 90, "image_id": 1, "category_id": 2, "bbox": [1, 2, 9, 9]}
        content["annotations"].append({**row, "keypoints": [3, 4, 2, 5, 6, 2], "num_keypoints": 2})


def no_sizes(content: Content, draw: Draw) -> None:
    for image in content["images"]:
        if isinstance(image, dict):
            image.pop("width", None)


def texts_of_ids(content: Content, draw: Draw) -> None:
    """All ids of images as texts, in one list or in both."""
    for row in content["images"]:
        if isinstance(row, dict) and "id" in row:
            row["id"] = str(row["id"])
    for row in content["annotations"] if draw(st.booleans()) else []:
        if isinstance(row, dict) and "image_id" in row:
            row["image_id"] = str(row["image_id"])


def other_names(content: Content, draw: Draw) -> None:
    """All file names as another machine has them."""
    form = draw(
        st.sampled_from(["C:\\data\\{}", "/home/x/{}", "https://x.y/{}", "images/{}", "./{}"])
    )
    for row in content["images"]:
        if isinstance(row, dict) and isinstance(row.get("file_name"), str):
            row["file_name"] = form.format(row["file_name"])


def unused_category(content: Content, draw: Draw) -> None:
    if isinstance(content.get("categories"), list):
        content["categories"].append({"id": 3, "name": "hand", "keypoints": ["wrist", "thumb"]})


def category_twice(content: Content, draw: Draw) -> None:
    if isinstance(content.get("categories"), list):
        content["categories"].append(copy.deepcopy(content["categories"][0]))


def usable(value: Any) -> bool:
    if not isinstance(value, (int, float, str)):
        return False
    try:
        return math.isfinite(float(value)) and abs(float(value)) < 3e38
    except (ValueError, OverflowError):
        return False


def visibilities(change: Callable[[float], Any]) -> Fault:
    """The visibility of every joint in another form, where it is a number."""

    def changed(numbers: list[Any]) -> list[Any]:
        return [
            change(value) if at % 3 == 2 and usable(value) and not isinstance(value, str) else value
            for at, value in enumerate(numbers)
        ]

    return reshaped(changed, everybody=True)


def nested(numbers: list[Any]) -> list[list[Any]]:
    return [numbers[at : at + 3] for at in range(0, len(numbers), 3)]


FAULTS: dict[str, Fault] = {
    "no size": without("images", "width", "height"),
    "odd size": field(
        "images", "width", None, 0, -3, 64.0, "64", "48.0", 63.5, NAN, True, [], "wide", 10**12
    ),
    "other size": field("images", "height", 7, 48, 96, 64, 1000),
    "sizes before resizing": other_sizes,
    "sizes turned": turned_sizes,
    "odd image id": field(
        "images", "id", 1.0, "1", None, True, 1.5, [], {}, "\ud800", "a", 2, 10**400
    ),
    "no image id": without("images", "id"),
    "odd file name": field(
        "images", "file_name", None, "", 3, "../x.png", "nowhere.png", "a\nb", []
    ),
    "odd scene": field("images", "scene", 3.5, [], {}, True, "\ud800", "hall", 3),
    "odd lens": field("images", "fisheye", 3, {}, {"model": "x"}, None),
    "no image": entry("images", None, 7, "x", {}, [], [1]),
    "image twice": copied("images"),
    "image id twice": copied("images", file_name="b.png"),
    "odd person id": field("annotations", "id", 1.0, "1", None, True, 1.5, [], {}, 0, 2, "\ud800"),
    "no person id": without("annotations", "id"),
    "odd image of a person": field(
        "annotations", "image_id", "1", 1.0, "2", 2.0, None, True, 77, [], {}, "a", NAN
    ),
    "no image of a person": without("annotations", "image_id"),
    "odd category": field("annotations", "category_id", "1", 1.0, None, True, 7, [], {}, "person"),
    "no category": without("annotations", "category_id"),
    "odd box": field(
        "annotations", "bbox", None, [], "x", {}, [1, 2, 3], [1, 2, 3, 4, 5], [NAN] * 4, [0] * 4
    ),
    "box out of place": field(
        "annotations", "bbox", [30, 30, -9, -9], [900, 900, 5, 5], [-90, 3, 9, 9], [3, 3, 500, 500]
    ),
    "odd number in a box": in_list("bbox", None, "12", "a", NAN, INF, -1, 0, True, 1e300, 10**400),
    "odd area": field("annotations", "area", None, "50", "wide", NAN, INF, 0, -4, [], True, 1e9),
    "odd crowd flag": field(
        "annotations", "iscrowd", None, "0", "1", "false", "yes", True, 2.5, NAN, []
    ),
    "crowds": field("annotations", "iscrowd", 1, True),
    "no COCO field": without(
        "annotations", "iscrowd", "area", "num_keypoints", "keypoints", "bbox"
    ),
    "odd joints": field("annotations", "keypoints", None, [], {}, "x", 3, [0] * 12, [[]], [1]),
    "odd number in joints": in_list(
        "keypoints", None, "12", "a", NAN, INF, -1, 3, 0.5, True, False, 10**400, [], {}
    ),
    "joint outside": in_list("keypoints", 900, -900, -1.5, 65, 49),
    "nested joints": reshaped(nested, everybody=False),
    "joints nested for all": reshaped(nested, everybody=True),
    "pairs": reshaped(lambda k: [v for i, v in enumerate(k) if i % 3 < 2], everybody=False),
    "pairs for all": reshaped(lambda k: [v for i, v in enumerate(k) if i % 3 < 2], everybody=True),
    "nested pairs": reshaped(lambda k: [k[i : i + 2] for i in range(0, len(k), 3)], everybody=True),
    "a list too short": reshaped(lambda k: k[:-1], everybody=False),
    "a list too long": reshaped(lambda k: [*k, 1, 2, 2], everybody=False),
    "other joints for all": reshaped(lambda k: [*k, 1, 2, 2], everybody=True),
    "texts for all": reshaped(lambda k: [str(v) for v in k], everybody=True),
    "wrong count": field("annotations", "num_keypoints", 0, 9, "4", None, NAN, -1, 2.5, [], "many"),
    "odd track": field("annotations", "track_id", "A3", "3", 3.5, [], True, NAN, 10**30, 1),
    "odd rotated box": field(
        "annotations", "rotated_box", [1, 2, 3], [NAN] * 5, [20, 20, 30, 10, 0], {}, "x", [],
        ["20", 20, 9, 10, 500], [20, 20, 0, 4, 3],
    ),
    "odd area_from_box": field("annotations", "area_from_box", "yes", [], 7, None),
    "no person": entry("annotations", None, 7, "x", {}, [], [1, 2]),
    "person twice": copied("annotations"),
    "person copied": copied("annotations", id=50),
    "shares": scaled(lambda side: 1 / side, "bbox", "keypoints"),
    "shares of joints": scaled(lambda side: 1 / side, "keypoints"),
    "multiplied": scaled(lambda side: float(side), "bbox", "keypoints"),
    "corners": corners,
    "nobody has a size": no_sizes,
    "odd skeleton": category(skeleton=[["nose", "neck"]]),
    "odd skeletons": category(skeleton=[[]]),
    "edges that are none": category(skeleton="x"),
    "a category id that is a text": category(id="1"),
    "a category id that is a float": category(id=1.0),
    "no joint names": category(keypoints=None),
    "odd joint names": category(keypoints=["nose", "nose", "a", "b"]),
    "fewer joint names": category(keypoints=["nose", "neck"]),
    "odd mirror pairs": category(flip_pairs=[[1, 2]]),
    "no categories": lambda content, draw: content.pop("categories", None) and None,
    "placeholder": placeholder,
    "second category": second_category,
    "everybody in an unknown category": everybody(category_id=9),
    "everybody on a text": everybody(image_id="1"),
    "nobody has a box": everybody(bbox=None),
    "nobody has joints": everybody(keypoints=[], num_keypoints=0),
    "ids of images are texts": texts_of_ids,
    "names of another machine": other_names,
    "a category that nobody has": unused_category,
    "category twice": category_twice,
    "more joint names": category(keypoints=[*NAMES, "tail"]),
    "names of joints in another spelling": category(keypoints=["Nose", "Neck", "LHand", "hand_r"]),
    "nobody has an id": everybody(id=None),
    "one id for all": everybody(id=1),
    "everybody is a crowd": everybody(iscrowd=1),
    "turned boxes for all": scaled(lambda side: -1, "bbox"),
    "box with an angle for all": lambda content, draw: everybody(bbox=[20, 20, 9, 12, 0.4])(
        content, draw
    ),
    "visibility true for all": visibilities(lambda v: v > 0),
    "confidences for all": visibilities(lambda v: 0.4 * v),
    "visibility missing for one joint": reshaped(lambda k: k[:2] + k[3:], everybody=False),
    "joints by name": reshaped(lambda k: {"nose": k[:3], "neck": k[3:6]}, everybody=False),
    "joints in a text": reshaped(str, everybody=False),
    "joints as objects": reshaped(
        lambda k: [dict(zip("xyv", k[i : i + 3], strict=False)) for i in range(0, len(k), 3)],
        everybody=True,
    ),
    "numbers in a text": reshaped(lambda k: " ".join(map(str, k)), everybody=True),
    "box in another form": field(
        "annotations", "bbox", "9 9 20 20", "[9, 9, 20, 20]", {"x": 9, "y": 9, "w": 20, "h": 20},
        {"left": 9, "top": 9, "width": 20, "height": 20}, {"x1": 9, "y1": 9}, "9;9", {"x": 9},
    ),
    "people name the file": field("annotations", "image_id", *SIZES),
    "turned box as an object": everybody(
        rotated_box={"cx": 20, "cy": 20, "w": 9, "h": 20, "angle": 0}
    ),
    "odd segmentation": field("annotations", "segmentation", None, [], {"counts": "x"}, [[NAN]]),
    "no info": lambda content, draw: content.update(info=NAN, licenses=None),
    "other fields": field("annotations", "more", [1, 2, 3], {"x": NAN}, "\ud800"),
}  # fmt: skip
