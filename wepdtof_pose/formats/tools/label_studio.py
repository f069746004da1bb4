"""Label Studio JSON export: reader of `keypointlabels` and `rectanglelabels`, in percent.

* A keypoint belongs to the rectangle that is its parent (`parentID`: drag it onto the rectangle in
  the region tree), else to the one that a relation (an arrow) joins it to, else to the only
  rectangle around it. The keypoints of a task without any person's rectangle are one person, whose
  box is the extent of its joints.
* Where rectangles have several labels, people are those that say `person`, else those that are the
  parent of a keypoint; `category` names others.
* A rectangle with a rotation is a rotated box: Label Studio turns it about its upper left corner.
* A keypoint with the label `hidden` or `occluded` beside its name, or the choice `hidden`, is a
  hidden joint.
* Of several annotations of a task the last that has regions is taken, out of those that are marked
  as ground truth where some are; predictions and drafts are not read.
  Exports of before 2021 call annotations `completions`.
* Interfaces with the tags `KeyPoint`, `Rectangle` and `Labels` export each region twice: once as it
  is drawn, and once as `labels`, which is read.
* Of a task with several pages only the first is read.
* Places are shares of the picture, so that they are right for one that was resized since.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.categories import (
    CATEGORY_OPTION,
    listed,
    people_labels,
    require_people,
    says_person,
)
from wepdtof_pose.formats.fields import (
    LARGEST,
    parse_size,
    require_id,
    require_numbers,
    rows,
    shown,
    whole,
)
from wepdtof_pose.formats.layout import SPELLED, Reading, add_counts, names_below, split_files
from wepdtof_pose.formats.tools.label_studio_images import (
    find_images,
    image_link,
    require_one_image,
)
from wepdtof_pose.formats.tools.tool_records import (
    ROTATED_LABEL,
    Person,
    boxes_around,
    dataset_of,
    joints_named,
)
from wepdtof_pose.formats.tools.xml_tree import read_xml
from wepdtof_pose.geometry import enclosing_boxes
from wepdtof_pose.images import header_of, image_file, image_size, require_own_file
from wepdtof_pose.keypoints import KeypointSet, canonical_joint_name

INTERFACE = "label_config.xml"
"""The labelling interface beside the tasks: where it is there, it says which joints there are."""

HIDDEN = "hidden"
"""Choice at a keypoint for a joint that is labelled but not seen."""

_HIDDEN_LABELS = frozenset({HIDDEN, "occluded"})

_BORDER, _FEW = 1.0, 0.05
"""How far outside 0 to 100 per cent places may lie, and the share of them that may lie further."""


@dataclass(frozen=True)
class Regions:
    """The regions of a task that are of use, in their order.

    Attributes:
        boxes: rectangles with one label each: region, label, place in errors.
        points: keypoints with one joint's name each: region, joint, hidden, place.
        owners: the id of the region that a region belongs to, by parent or relation.
        hidden: ids of the keypoints that the choice says are hidden.
        left_out: what is of no use, and how often.
    """

    boxes: list[tuple[dict[str, Any], str, str]] = field(default_factory=list)
    points: list[tuple[dict[str, Any], str, bool, str]] = field(default_factory=list)
    owners: dict[Any, Any] = field(default_factory=dict)
    hidden: set[Any] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)


def read(
    path: Path,
    *,
    images: Path | None = None,
    keypoint_set: KeypointSet | None = None,
    category: str | None = None,
) -> Reading:
    """Return the people of an export, or of the exports of a folder (`tasks_train.json`).

    Args:
        path: the JSON file or the folder.
        images: folder of the images; by default `images/` beside the file, or its folder.
        keypoint_set: the joints and their order; by default those of `label_config.xml` beside the
            file, else those met, in the order met.
        category: the label of people's rectangles, where there are several.

    Raises:
        InputError: a file is missing or not usable; the message names task and region.
    """
    files = split_files(path, ".json")
    contents = {
        split: rows(read_json(file), str(file), "tasks with 'data' and 'annotations'")
        for split, file in files.items()
    }
    parsed = {
        split: [parse_task(task, f"{files[split]}: task {n}") for n, task in enumerate(tasks, 1)]
        for split, tasks in contents.items()
    }
    for split, read_tasks in parsed.items():
        require_per_cent((regions for _, regions in read_tasks), str(files[split]))
    people = labels_of_people((r for tasks in parsed.values() for r in tasks), category, str(path))
    datasets: dict[str, PoseDataset] = {}
    left_out = []
    for split, file in files.items():
        beside = file.parent
        roots = [images / split, images] if images else []
        roots += [] if images else [beside / "images" / split, beside / "images", beside]
        tasks = contents[split]
        links = [image_link(task, f"{file}: task {n}") for n, task in enumerate(tasks, start=1)]
        root, read_names = find_images(links, roots)
        there = names_below(list(dict.fromkeys(read_names)), [root])[1] if images else {}
        names = [there.get(name, name) for name in read_names]
        dataset, counts = from_tasks(
            tasks,
            parsed[split],
            names,
            root=root,
            source=str(file),
            labels=people,
            keypoint_set=keypoint_set,
            declared=joints_of_interface(beside / INTERFACE),
        )
        datasets[split] = replace(dataset, root=root)
        spelled = sum(one != other for one, other in zip(names, read_names, strict=True))
        left_out.append(add_counts(counts, {SPELLED: spelled}))
    people_read = sum(map(len, datasets.values()))
    require_people(people_read, add_counts(*left_out), source=str(path))
    return Reading(datasets, list(files.values()), add_counts(*left_out))


def joints_of_interface(file: Path) -> list[str]:
    """Return the joint names of a labelling interface; none where there is no such file."""
    if not file.is_file():
        return []
    require_own_file(file, file.parent, kind="a labelling interface")
    names = (one.get("value", "") for one in read_xml(file).iterfind(".//KeyPointLabels/Label"))
    return [name for name in names if name.strip().lower() not in _HIDDEN_LABELS]


def parse_task(task: dict[str, Any], where: str) -> tuple[list[dict[str, Any]], Regions]:
    """Return the regions of the annotation that counts, as they are and sorted by kind.

    Raises:
        InputError: a region is not usable, or was annotated on a turned image.
    """
    found = task.get("annotations", task.get("completions", []))
    annotations = rows(found, f"{where}: 'annotations'", "annotations")
    valid = [a for a in annotations if not a.get("was_cancelled")]
    valid.sort(key=lambda annotation: annotation.get("ground_truth") is True)
    results = [rows(a.get("result"), f"{where}: 'result'", "regions") for a in valid]
    result: list[dict[str, Any]] = next((found for found in reversed(results) if found), [])
    regions = Regions()
    regions.left_out["annotations of a task beside the last with regions"] = max(len(valid) - 1, 0)
    regions.left_out["annotations that were skipped"] = len(annotations) - len(valid)
    regions.left_out["tasks not annotated (taken to have no people)"] = int(not annotations)
    for what in ("predictions", "drafts") if not annotations else ():
        if isinstance(task.get(what), list):
            regions.left_out[f"{what} (only annotations are read)"] = len(task[what])
    labelled = {region.get("id") for region in result if region.get("type") == "labels"}
    for number, region in enumerate(result, start=1):
        if region.get("type") not in ("keypoint", "rectangle") or region.get("id") not in labelled:
            _sort(region, number, regions, f"{where}: region {number}")
    return result, regions


def require_per_cent(tasks: Iterable[Regions], source: str) -> None:
    """Refuse a file whose places are not in per cent of the images; `source` names it.

    A few may lie outside. Where more do, they are pixels if all lie in their image as such. Turned
    rectangles say nothing: their corner may lie anywhere.
    """
    values: list[tuple[float, float]] = []
    for regions in tasks:
        boxes = [region for region, *_ in regions.boxes if not region["value"].get("rotation")]
        for region in (*boxes, *(region for region, *_ in regions.points)):
            for key, side in (("x", "original_width"), ("y", "original_height")):
                number, size = region["value"].get(key), region.get(side)
                # What is no finite number is named where the region is read.
                if type(number) in (int, float) and abs(number) < LARGEST:
                    limit = size if isinstance(size, int) and size < LARGEST else math.inf
                    values.append((number, limit))
    if not values:
        return
    places, sizes = np.array(values, dtype=np.float64).T
    outside = (places < -_BORDER) | (places > 100 + _BORDER)
    pixels = ((places >= -_BORDER) & (places <= sizes + _BORDER)).all()
    if pixels and outside.mean() > _FEW:
        raise InputError(
            f"{source}: {outside.sum()} of {len(places)} coordinates, such as "
            f"{places[outside][0]:g}, are no per cent of the image (0 to 100): are these pixels? "
            "Divide x and width by original_width, y and height by original_height, times 100"
        )
    if len(places) > 2 and ((places >= 0) & (places <= 1)).all() and (places % 1 != 0).any():
        raise InputError(
            f"{source}: all coordinates lie between 0 and 1: they are shares of the image, not per "
            "cent; multiply them by 100"
        )


def labels_of_people(
    tasks: Iterable[tuple[list[dict[str, Any]], Regions]], category: str | None, source: str
) -> set[str]:
    """Return the labels of the rectangles that are people, of all tasks of all files together.

    Raises:
        InputError: neither labels nor parents of keypoints say which rectangles are people.
    """
    labels: set[str] = set()
    with_joints: set[str] = set()
    for _, regions in tasks:
        owners = {regions.owners.get(region.get("id")) for region, *_ in regions.points}
        for region, label, _ in regions.boxes:
            if label != ROTATED_LABEL:
                labels.add(label)
                if region.get("id") in owners:
                    with_joints.add(label)
    if category is not None or len(labels) < 2 or any(says_person(label) for label in labels):
        return people_labels(labels, category, source=source)
    if not with_joints:
        raise InputError(
            f"{source}: its rectangles are labelled {listed(labels)}: label people 'person', make "
            f"them parents of their keypoints, or say which are people with {CATEGORY_OPTION}"
        )
    return with_joints


def from_tasks(
    tasks: list[dict[str, Any]],
    parsed: list[tuple[list[dict[str, Any]], Regions]],
    names: list[str],
    *,
    root: Path,
    source: str,
    labels: set[str],
    keypoint_set: KeypointSet | None = None,
    declared: Iterable[str] = (),
) -> tuple[PoseDataset, dict[str, int]]:
    """Return the data set of parsed tasks whose images have these names, and what was left out.

    `labels` are those of people's rectangles. The joints are those of `keypoint_set`, else those
    `declared`, else those met, in their order.
    """
    frames: list[dict[str, Any]] = []
    people: list[Person] = []
    counts: list[dict[str, int]] = []
    for row, (task, (result, regions), name) in enumerate(zip(tasks, parsed, names, strict=True)):
        where = f"{source}: task {row + 1} ({shown(name)[1:-1]})"
        drawn = [*(box[0] for box in regions.boxes), *(point[0] for point in regions.points)]
        require_one_image(task["data"], drawn, where)
        stated, path = frame_size(result, task["data"], where), image_file(root, name)
        size = image_size(path) if stated is None else _as_it_is(path, stated)
        found, left_out = people_of(regions, labels, row, size, where)
        frames.append(_frame(task, name, size, where))
        people += found
        counts += [left_out, dict(regions.left_out)]
    left_out = add_counts(*counts)
    # Joints that are left out for want of an owner are joints of people all the same.
    declared = list(declared) or [n for _, regions in parsed for n in _joints_met(regions, labels)]
    joints = keypoint_set or joints_named(declared, people, source, left_out=left_out)
    dataset, changed = dataset_of(frames, people, joints, root=root, source=source)
    return dataset, add_counts(changed, left_out)


def frame_size(
    results: list[dict[str, Any]], data: dict[str, Any], where: str
) -> tuple[int, int] | None:
    """Return width and height as the regions or the data say; None where they do not."""
    sizes = {
        (str(whole(r["original_width"])), str(whole(r["original_height"]))): r
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
    width, height = (parse_size(row[key], f"{where}: {key!r}") for key in keys)
    return width, height


def people_of(
    regions: Regions, labels: set[str], frame: int, size: tuple[int, int], where: str
) -> tuple[list[Person], dict[str, int]]:
    """Return the people of a task's regions, and what is left out."""
    people: dict[Any, Person] = {}
    others: set[Any] = set()
    left_out: Counter[str] = Counter()
    for region, label, place in regions.boxes:
        identity = region.get("id", place)
        if label == ROTATED_LABEL:
            continue
        if label not in labels:
            others.add(identity)
            left_out[f"rectangles labelled {shown(label)}"] += 1
            continue
        if identity in people:
            raise InputError(f"{place}: another rectangle has its id {shown(identity)}")
        people[identity] = _person(region, frame, size, place)
    for region, label, place in regions.boxes:
        if label == ROTATED_LABEL:
            owner = people.get(regions.owners.get(region.get("id", place)))
            if owner is None:
                raise InputError(f"{where}: a {ROTATED_LABEL} has no rectangle as its parent")
            owner.rotated = _rotated_box(region["value"], size, place)
    alone = None if people or others else Person(frame)
    boxes = np.array([p.box for p in people.values()], dtype=np.float64).reshape(-1, 4)
    for region, name, hidden, place in regions.points:
        owner_id = regions.owners.get(region.get("id"))
        x, y = _percent(region["value"], ("x", "y"), size, place)
        person = people.get(owner_id, alone)
        if owner_id in others:
            left_out["joints of other rectangles than people's"] += 1
            continue
        if person is None:
            around = boxes_around(np.array([[x, y]]), boxes)
            if len(around) != 1:
                where_it_is = "several people's boxes" if len(around) else "no person's box"
                left_out[f"joints in {where_it_is}"] += 1
                continue
            person = list(people.values())[around[0]]
        if name in person.joints:
            hint = ": keypoints of several people need a rectangle each" if person is alone else ""
            raise InputError(f"{where}: a person has the joint {shown(name)} twice{hint}")
        is_hidden = hidden or region.get("id") in regions.hidden
        person.joints[name] = (x, y, 1 if is_hidden else 2)
    found = list(people.values())
    return found + ([alone] if alone and alone.joints else []), dict(left_out)


def _as_it_is(path: Path, stated: tuple[int, int]) -> tuple[int, int]:
    """Return the size of a picture that was resized since: places are shares of it."""
    header = header_of(path)
    (width, height), (before, high) = header.size if header else stated, stated
    return (width, height) if abs(width * high - height * before) <= max(before, high) else stated


def _joints_met(regions: Regions, labels: set[str]) -> list[str]:
    """Return the names of the joints of a task that do not belong to something else than people."""
    others = {r.get("id") for r, label, _ in regions.boxes if label not in (*labels, ROTATED_LABEL)}
    return [n for r, n, *_ in regions.points if regions.owners.get(r.get("id")) not in others]


def _sort(region: dict[str, Any], number: int, regions: Regions, place: str) -> None:
    """Put a region where it belongs, or count it."""
    turn = region.get("image_rotation", 0)
    if turn not in (0, None):
        raise InputError(
            f"{place}: was annotated on an image turned by {shown(turn)} degrees: "
            "turn the image itself, and annotate it as it is"
        )
    kind, value = region.get("type"), region.get("value")
    if kind == "relation":
        _relate(region, regions, place)
        return
    region.setdefault("id", f"region {number}")
    identity = region["id"]
    require_id(identity, f"{place}: 'id'")
    parent = region.get("parentID", region.get("parent_id"))
    if parent is not None:
        require_id(parent, f"{place}: 'parentID'")
        regions.owners[identity] = parent
    if region.get("item_index") not in (0, None):
        regions.left_out["regions of other pages than a task's first"] += 1
        return
    labels = _labels(value, kind)
    if kind == "labels" and isinstance(value, dict) and "x" in value:
        kind = "rectanglelabels" if "height" in value else "keypointlabels"
    names = [label for label in labels if label.strip().lower() not in _HIDDEN_LABELS]
    if kind == "choices" and isinstance(value, dict):
        chosen = value.get("choices")
        words = chosen if isinstance(chosen, list) else []
        if _HIDDEN_LABELS & {word.strip().lower() for word in words if isinstance(word, str)}:
            regions.hidden.add(identity)
        else:
            regions.left_out["choices that are not 'hidden' or 'occluded'"] += 1
    elif kind == "keypointlabels" and labels:
        joints = [name for name in names if not says_person(name)] or names  # some say whose it is
        if len(joints) == 1:
            joint = canonical_joint_name(joints[0])
            regions.points.append((region, joint, len(names) < len(labels), place))
        else:
            regions.left_out["keypoints with no or several names of joints"] += 1
    elif kind == "rectanglelabels" and names:
        label = next(filter(says_person, names), names[0])
        regions.boxes.append((region, label, place))
    else:
        regions.left_out["regions that are no joint or box"] += 1


def _relate(relation: dict[str, Any], regions: Regions, place: str) -> None:
    """Take a relation, either way round, as what its ends belong to; a parent says more."""
    ends = relation.get("from_id"), relation.get("to_id")
    for end in ends:
        require_id(end, f"{place}: an end of the relation")
    regions.owners.setdefault(ends[0], ends[1])
    regions.owners.setdefault(ends[1], ends[0])


def _frame(task: dict[str, Any], name: str, size: tuple[int, int], where: str) -> dict[str, Any]:
    data = task["data"]
    number = data.get("frame_id", task.get("id"))
    if number is not None:
        require_id(number, f"{where}: its id")
    if data.get("scene") is not None:
        require_id(data["scene"], f"{where}: 'scene'")
    return {
        "id": number,
        "file_name": name,
        "width": size[0],
        "height": size[1],
        "scene": data.get("scene"),
    }


def _person(region: dict[str, Any], frame: int, size: tuple[int, int], where: str) -> Person:
    value = region["value"]
    x, y, w, h = _rectangle(value, size, where)
    person = Person(frame, fields=_fields(region))
    if value.get("rotation", 0) == 0:
        # Sides are negative where a box was drawn from another corner.
        person.box = [min(x, x + w), min(y, y + h), abs(w), abs(h)]
    else:
        person.rotated = _rotated_box(value, size, where)
        person.box = enclosing_boxes(np.array(person.rotated)).tolist()
    return person


def _rotated_box(value: dict[str, Any], size: tuple[int, int], where: str) -> list[float]:
    """Return centre, sides and angle of a rectangle that is turned about its upper left corner."""
    x, y, w, h = _rectangle(value, size, where)
    require_numbers([value.get("rotation", 0)], 1, f"{where}: 'rotation'")
    degrees = math.remainder(value.get("rotation", 0), 360)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    middle = (x + (w * cos - h * sin) / 2, y + (w * sin + h * cos) / 2)
    return [*middle, w, h, round(degrees, 9)]


def _rectangle(value: dict[str, Any], size: tuple[int, int], where: str) -> tuple[float, ...]:
    """Return x, y, width and height in pixels."""
    keys = (("x", "y"), ("width", "height"))
    return tuple(number for pair in keys for number in _percent(value, pair, size, where))


def _percent(
    value: dict[str, Any], keys: tuple[str, str], size: tuple[int, int], where: str
) -> tuple[float, float]:
    numbers = [value.get(key) for key in keys]
    require_numbers(numbers, 2, f"{where}: {keys[0]!r} and {keys[1]!r}")
    across, down = (float(n or 0) * side / 100 for n, side in zip(numbers, size, strict=True))
    if max(abs(across), abs(down)) >= LARGEST:
        raise InputError(f"{where}: {keys[0]!r} and {keys[1]!r} are no percent")
    return across, down


def _labels(value: Any, kind: Any) -> list[str]:
    """Return the labels of a region, where they are texts."""
    names = value.get(kind) if isinstance(value, dict) and isinstance(kind, str) else None
    usable = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if usable and isinstance(names, list) else []


def _fields(region: dict[str, Any]) -> dict[str, str]:
    """Return the attributes written as `name=value` in the region's notes (`meta.text`)."""
    meta = region.get("meta")
    notes = meta.get("text") if isinstance(meta, dict) else None
    texts = notes if isinstance(notes, list) else []
    pairs = [text.partition("=") for text in texts if isinstance(text, str) and "=" in text]
    return {name.strip(): value for name, _, value in pairs}
