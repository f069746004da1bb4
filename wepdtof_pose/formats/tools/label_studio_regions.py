"""The regions of one Label Studio task as people: percent to pixels, keypoints to rectangles."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets.wepdtof import bounds
from wepdtof_pose.formats.fields import require_id, require_numbers, require_size, shown
from wepdtof_pose.formats.tools.grouping import only_box_around
from wepdtof_pose.formats.tools.tool_records import PERSON_LABEL, ROTATED_LABEL, Person
from wepdtof_pose.keypoints import canonical_joint_name

HIDDEN = "hidden"
"""Choice at a keypoint for a joint that is labelled but not seen."""


def frame_size(
    results: list[dict[str, Any]], data: dict[str, Any], where: str
) -> tuple[int, int] | None:
    """Width and height as the regions or the data say; None where they do not."""
    sizes = {
        (str(r["original_width"]), str(r["original_height"])): r
        for r in results
        if "original_width" in r and "original_height" in r
    }
    if len(sizes) > 1:
        raise InputError(f"{where}: its regions say different image sizes")
    row, keys = data, ("width", "height")
    if sizes:
        row, keys = next(iter(sizes.values())), ("original_width", "original_height")
    if not all(key in row for key in keys):
        return None
    for key in keys:
        require_size(row[key], f"{where}: {key!r}")
    return row[keys[0]], row[keys[1]]


def person_labels(regions: Iterable[dict[str, Any]], source: str) -> set[str]:
    """The labels of rectangles that are people: the only one, else those that say `person`.

    Raises:
        InputError: neither labels nor parents of keypoints say which rectangles are people.
    """
    labels: set[str] = set()
    parents = False
    for region in regions:
        kind = region.get("type")
        label = _label(region.get("value"), kind)
        if kind == "rectanglelabels" and label not in (None, ROTATED_LABEL):
            labels.add(str(label))
        parents |= kind == "keypointlabels" and _parent(region, source) is not None
    if len(labels) < 2:
        return labels
    found = {label for label in labels if label.lower() == PERSON_LABEL}
    if not found and not parents:
        listed = ", ".join(shown(label) for label in sorted(labels))
        raise InputError(
            f"{source}: its rectangles are labelled {listed}: label people {PERSON_LABEL!r}, "
            "or make them parents of their keypoints"
        )
    return found


def people_of(
    results: list[dict[str, Any]],
    labels: Collection[str],
    frame: int,
    size: tuple[int, int],
    where: str,
) -> tuple[list[Person], dict[str, int]]:
    """The people of a task's regions, and what is left out.

    People are the rectangles with one of these labels, and those that have joints or a rotated box.
    """
    places = [f"{where}: region {number}" for number in range(1, len(results) + 1)]
    parents = {
        _parent(region, place)
        for region, place in zip(results, places, strict=True)
        if region.get("type") == "keypointlabels"
        or _label(region.get("value"), region.get("type")) == ROTATED_LABEL
    }
    people: dict[Any, Person] = {}
    keypoints: list[tuple[Any, Any, str, float, float]] = []
    rotated: list[tuple[Any, list[float]]] = []
    hidden: set[Any] = set()
    others = 0
    for number, (region, place) in enumerate(zip(results, places, strict=True), start=1):
        kind, value = region.get("type"), region.get("value") or {}
        identity = region.get("id", f"region {number}")
        require_id(identity, f"{place}: 'id'")
        label = _label(value, kind)
        if kind == "choices" and isinstance(value, dict):
            if value.get("choices") == [HIDDEN]:
                hidden.add(identity)
        elif kind == "keypointlabels" and label is not None:
            x, y = _percent(value, ("x", "y"), size, place)
            keypoints.append((identity, _parent(region, place), label, x, y))
        elif kind == "rectanglelabels" and label == ROTATED_LABEL:
            rotated.append((_parent(region, place), _rotated_box(value, size, place)))
        elif (
            kind == "rectanglelabels"
            and label is not None
            and (label in labels or identity in parents)
        ):
            if identity in people:
                raise InputError(f"{place}: another rectangle has its id {shown(identity)}")
            people[identity] = _person(region, frame, size, place)
        elif kind != "relation":
            others += 1
    _require_upright(results, where)
    for parent, box in rotated:
        if parent not in people:
            raise InputError(f"{where}: a {ROTATED_LABEL} has no rectangle as its parent")
        people[parent].rotated = box
    lost = _add_joints(people, keypoints, hidden, where)
    return list(people.values()), {
        "regions that are no joint or box": others,
        "joints in no person's box": lost,
    }


def _add_joints(
    people: dict[Any, Person],
    keypoints: list[tuple[Any, Any, str, float, float]],
    hidden: set[Any],
    where: str,
) -> int:
    owners = list(people.values())
    boxes = np.array([person.box for person in owners], dtype=np.float64).reshape(-1, 4)
    lost = 0
    for identity, parent, label, x, y in keypoints:
        person = people.get(parent)
        if person is None:
            row = only_box_around(np.array([[x, y]]), boxes)
            if row is None:
                lost += 1
                continue
            person = owners[row]
        name = canonical_joint_name(label)
        if name in person.joints:
            raise InputError(f"{where}: a person has the joint {shown(name)} twice")
        person.joints[name] = (x, y, 1 if identity in hidden else 2)
    return lost


def _person(region: dict[str, Any], frame: int, size: tuple[int, int], where: str) -> Person:
    value = region["value"]
    x, y, w, h = (
        *_percent(value, ("x", "y"), size, where),
        *_percent(value, ("width", "height"), size, where),
    )
    person = Person(frame, fields=_fields(region))
    if value.get("rotation", 0) == 0:
        person.box = [x, y, w, h]
    else:
        person.rotated = _rotated_box(value, size, where)
        person.box = bounds(np.array([person.rotated]))[0].tolist()
    return person


def _rotated_box(value: dict[str, Any], size: tuple[int, int], where: str) -> list[float]:
    """Centre, sides and angle of a rectangle that is turned about its upper left corner."""
    x, y, w, h = (
        *_percent(value, ("x", "y"), size, where),
        *_percent(value, ("width", "height"), size, where),
    )
    require_numbers([value.get("rotation", 0)], 1, f"{where}: 'rotation'")
    degrees = math.remainder(value.get("rotation", 0), 360)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    middle = (x + (w * cos - h * sin) / 2, y + (w * sin + h * cos) / 2)
    return [*middle, w, h, round(degrees, 9)]


def _percent(
    value: dict[str, Any], keys: tuple[str, str], size: tuple[int, int], where: str
) -> tuple[float, float]:
    numbers = [value.get(key) for key in keys]
    require_numbers(numbers, 2, f"{where}: {keys[0]!r} and {keys[1]!r}")
    if max(abs(n) for n in numbers if n is not None) > 1e6:
        raise InputError(f"{where}: {keys[0]!r} and {keys[1]!r} are no percent")
    across, down = (float(n) for n in numbers if n is not None)
    return across * size[0] / 100, down * size[1] / 100


def _label(value: Any, kind: Any) -> str | None:
    names = value.get(kind) if isinstance(value, dict) and isinstance(kind, str) else None
    usable = isinstance(names, list) and len(names) == 1 and isinstance(names[0], str)
    return names[0] if usable and isinstance(names, list) else None


def _parent(region: dict[str, Any], where: str) -> Any:
    parent = region.get("parentID", region.get("parent_id"))
    if parent is not None:
        require_id(parent, f"{where}: 'parentID'")
    return parent


def _fields(region: dict[str, Any]) -> dict[str, str]:
    """Attributes written as `name=value` in the region's notes (`meta.text`)."""
    meta = region.get("meta")
    notes = meta.get("text") if isinstance(meta, dict) else None
    texts = notes if isinstance(notes, list) else []
    pairs = [text.partition("=") for text in texts if isinstance(text, str) and "=" in text]
    return {name.strip(): value for name, _, value in pairs}


def _require_upright(results: list[dict[str, Any]], where: str) -> None:
    for region in results:
        turn = region.get("image_rotation", 0)
        if turn not in (0, None):
            raise InputError(
                f"{where}: was annotated on an image turned by {shown(turn)} degrees: "
                "turn the image itself, and annotate it as it is"
            )
