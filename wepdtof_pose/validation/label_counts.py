"""How many labels a file holds, however they are written: a repair may not lose one."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection
from typing import Any, NamedTuple

from wepdtof_pose.errors import counted
from wepdtof_pose.formats.fields import LARGEST
from wepdtof_pose.validation.raw_file import joints_of_file, split_by_category


class LabelCounts(NamedTuple):
    """Labels of a file, or of an entry.

    >>> LabelCounts(2, 3, 3, 42) - LabelCounts(0, 1, 1, 14)
    LabelCounts(frames=2, people=2, boxes=2, joints=28)
    """

    frames: int = 0
    people: int = 0
    boxes: int = 0
    joints: int = 0

    def __add__(self, other: Any) -> LabelCounts:
        return LabelCounts(*(a + b for a, b in zip(self, other, strict=True)))

    def __sub__(self, other: LabelCounts) -> LabelCounts:
        return LabelCounts(*(a - b for a, b in zip(self, other, strict=True)))

    def __str__(self) -> str:
        people = counted(self.people, "person", "people")
        boxes = counted(self.boxes, "box", "boxes")
        joints = counted(self.joints, "labelled joint")
        return f"{counted(self.frames, 'frame')}, {people}, {boxes}, {joints}"


def count_labels(
    content: dict[str, Any], *, in_pairs: Collection[int] = frozenset()
) -> LabelCounts:
    """Count the labels of a parsed file.

    A frame that is listed twice with all its fields is one frame, and one without a field is none.
    A box has four finite numbers and a positive width and height. A joint is labelled where its
    position is finite and its visibility above 0.

    Args:
        content: the file; its lists may hold anything.
        in_pairs: positions of the annotations that hold x, y of each joint without visibility (see
            `rows_of_pairs`).
    """
    entries = enumerate(content["annotations"])
    people = (count_person(person, in_pairs=row in in_pairs) for row, person in entries)
    total = LabelCounts(frames=count_frames(content["images"]))
    for counts, times in Counter(people).items():
        total += LabelCounts(*(times * n for n in counts))
    return total


def count_frames(images: list[Any]) -> int:
    """Count the frames of a list of images, of entries that are the same one."""
    held = [image for image in images if isinstance(image, dict) and image]
    return len({repr(sorted(image.items(), key=_by_name)) for image in held})


def count_person(person: Any, *, in_pairs: bool = False) -> LabelCounts:
    """Count the labels of an annotation.

    A list of joints that holds no whole number of triples is counted as pairs if it can be.

    >>> count_person({"keypoints": [11, 23, 0, 0, 0, 0, 20, 12]}).joints
    2
    """
    if not isinstance(person, dict) or not person:
        return LabelCounts()
    keypoints = person.get("keypoints")
    joints = 0
    if isinstance(keypoints, list):
        numbers = len(keypoints)
        pairs = in_pairs or (numbers % 3 != 0 and numbers % 2 == 0)
        joints = sum(map(is_labelled, joints_in(keypoints, pairs=pairs)))
    return LabelCounts(people=1, boxes=int(is_box(person.get("bbox"))), joints=joints)


def rows_of_pairs(content: dict[str, Any], name: str | None = None) -> frozenset[int]:
    """Return the positions of the annotations that hold x, y of each joint without visibility.

    All people do, in flat lists, or nobody. Those of a category that names no joints are taken
    along where they have as many numbers: once their category is mended they are read like the
    others. People whose joints are in no list, which nobody can read, say nothing about the others.
    """
    category, joints = joints_of_file(content, name)
    if not joints:
        return frozenset()
    own, others = split_by_category(content, category, name)
    people = [person for _, person in own if in_a_list(person)]
    lists: list[Any] = [person["keypoints"] for person in people]
    if not lists or any(not is_flat(values, 2 * joints) for values in lists):
        return frozenset()
    # 42 numbers may be 21 pairs or 14 triples.
    triples = joints % 3 == 0 and all(set(values[2::3]) <= {0, 1, 2} for values in lists)
    if triples or any(sees_apart(person, joints) for person in people):
        return frozenset()
    named = {c["id"] for c in content["categories"] if c.get("keypoints")}
    entries = ((row, content["annotations"][row]) for row in others)
    nameless = {
        row
        for row, one in entries
        if one["category_id"] not in named and is_flat(one.get("keypoints"), 2 * joints)
    }
    return frozenset(nameless).union(row for row, person in own if in_a_list(person))


def is_flat(keypoints: Any, numbers: int) -> bool:
    """Return whether it is a list of so many values, none of which is a list or an object."""
    held = keypoints if isinstance(keypoints, list) else []
    return len(held) == numbers and not any(isinstance(value, (list, dict)) for value in held)


def in_a_list(person: Any) -> bool:
    """Return whether a person's joints are in a list that is not empty."""
    keypoints = person.get("keypoints") if isinstance(person, dict) else None
    return isinstance(keypoints, list) and bool(keypoints)


def joints_in(keypoints: list[Any], *, pairs: bool) -> list[list[Any]]:
    """Return the joints of a flat or a nested list, as they are written.

    Three lists longer than a joint are all x, all y and all visibilities.

    >>> joints_in([[1, 2, 3, 4], [5, 6, 7, 8], [2, 2, 1, 0]], pairs=False)
    [[1, 5, 2], [2, 6, 2], [3, 7, 1], [4, 8, 0]]
    """
    if keypoints and all(isinstance(joint, list) for joint in keypoints):
        return (
            list(map(list, zip(*keypoints, strict=True))) if _are_columns(keypoints) else keypoints
        )
    step = 2 if pairs else 3
    return [keypoints[at : at + step] for at in range(0, len(keypoints) - step + 1, step)]


def is_labelled(joint: list[Any]) -> bool:
    """Whether a joint x, y, visibility (or x, y) as it is written has a place and is labelled."""
    if len(joint) not in (2, 3):
        return False
    place = [number_in(value) for value in joint[:2]]
    if any(n is None or not abs(n) < LARGEST for n in place):
        return False
    if len(joint) == 2:
        return any(place)
    visibility = visibility_in(joint[2], placed=any(place))
    if visibility is None or not 0 < visibility < LARGEST:
        return False
    # At 0, 0 another number, such as AI Challenger's 3, says that the joint is absent.
    return visibility in (1, 2) or any(place)


def extent_of_joints(keypoints: Any) -> list[float] | None:
    """Return the box x, y, w, h around the labelled joints of a flat list; None where it is empty.

    >>> extent_of_joints([10, 20, 2, 30, 50, 1, 0, 0, 0])
    [10, 20, 20, 30]
    """
    if not isinstance(keypoints, list):
        return None
    joints = [joint for joint in joints_in(keypoints, pairs=False) if is_labelled(joint)]
    if not joints or any(len(joint) != 3 for joint in joints):
        return None
    (left, top), (right, bottom) = (
        [limit(joint[axis] for joint in joints) for axis in (0, 1)] for limit in (min, max)
    )
    return [left, top, right - left, bottom - top] if right > left and bottom > top else None


def is_box(box: Any) -> bool:
    """Return whether a value as it is written is a box with a width and a height.

    >>> is_box([10, "20", 30, 40.5]), is_box([True, 20, 30, 40])
    (True, False)
    """
    if not isinstance(box, list) or len(box) != 4 or any(isinstance(n, bool) for n in box):
        return False
    numbers = [n for n in map(number_in, box) if n is not None and abs(n) < LARGEST]
    return len(numbers) == 4 and min(numbers[2:]) > 0


def listed(value: Any) -> Any:
    """Return the list that a text or an object stands for; the value itself where it is neither.

    >>> listed("5, 5, 40, 40"), listed({"x": 5, "y": 5, "w": 40, "h": 40}), listed("wide")
    ([5, 5, 40, 40], [5, 5, 40, 40], 'wide')
    """
    if isinstance(value, dict):
        keys = next((keys for keys in _NAMED_NUMBERS if set(keys) == set(value)), None)
        return value if keys is None else [value[key] for key in keys]
    if not isinstance(value, str):
        return value
    if value.startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            pass
    numbers = [number_in(part) for part in re.split(r"[\s,;]+", value.strip("[]() \t\n"))]
    return value if None in numbers else numbers


def number_in(value: Any) -> float | None:
    """Return the number that a value is or that a text spells; None where it is neither.

    >>> [number_in(value) for value in (3, "160", "1.5", True, "a", None)]
    [3, 160, 1.5, 1, None, None]
    """
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    # float() would take "nan", "1_0" and " 1 ", too.
    if not isinstance(value, str) or not value.isascii() or set(value) - set("+-.0123456789eE"):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    whole = abs(number) < 2**53 and number == int(number)
    return int(number) if whole else number


def sees_apart(person: dict[str, Any], joints: int | None) -> bool:
    """Return whether another field says which joints are seen: one value of each, called so."""
    return any(
        "vis" in name.lower() and isinstance(value, list) and len(value) == joints
        for name, value in person.items()
    )


def visibility_in(value: Any, *, placed: bool) -> float | None:
    """Return the visibility that a number, a word or true and false stand for; None for others.

    False says that a joint is not seen. Where it has a place all the same, somebody labelled it.

    >>> [visibility_in(value, placed=True) for value in ("2", "Visible", "occluded", True, False)]
    [2, 2, 1, 2, 1]
    >>> [visibility_in(value, placed=False) for value in (False, "not labeled", "perhaps")]
    [0, 0, None]
    """
    if isinstance(value, bool):
        return 2 if value else int(placed)
    if isinstance(value, str):
        return _WORDS.get(re.sub(r"[\s_-]", "", value.lower()), number_in(value))
    return number_in(value)


def _are_columns(lists: list[list[Any]]) -> bool:
    if len(lists) != 3 or len(lists[0]) <= 3 or len({len(column) for column in lists}) > 1:
        return False
    return all(visibility_in(seen, placed=True) in (0, 1, 2) for seen in lists[2])


def _by_name(item: tuple[Any, Any]) -> str:
    return str(item[0])


_NAMED_NUMBERS = (
    *(("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height")),
    *(("cx", "cy", "w", "h", "angle"), ("cx", "cy", "width", "height", "angle")),
    *(("x", "y", "v"), ("x", "y", "visibility"), ("x", "y", "visible"), ("x", "y")),
)
"""Keys of objects that stand for a box, a rotated box or a joint, in the order of the list."""

_WORDS = {
    "visible": 2,
    **dict.fromkeys(("occluded", "hidden"), 1),
    **dict.fromkeys(("notlabeled", "notlabelled", "unlabeled", "unlabelled"), 0),
}
"""Words for the visibility of a joint, without spaces and hyphens.

What is "invisible" or "outside" may be hidden or not labelled.
"""
