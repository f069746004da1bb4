"""CVAT for Images XML 1.1: reader.

A person is a `skeleton`, or single `points` labelled with joint names, with a `box` in the same
group (CVAT's `group_id`). Without a group the only box around all joints is taken; without any the
box is the extent of the joints. A box with a rotation is a rotated box. A point that is `outside`
is not labelled, one that is `occluded` is hidden. Subsets of a project (Train, Validation, Test)
are splits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree.ElementTree import Element

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import parse_number, require_file_name, require_size, shown
from wepdtof_pose.formats.layout import SPLITS, Reading, add_counts, first_root, split_files
from wepdtof_pose.formats.tools.tool_records import (
    PERSON_LABEL,
    ROTATED_LABEL,
    Person,
    dataset_of,
    join_boxes,
    joints_named,
)
from wepdtof_pose.formats.tools.xml_tree import read_xml
from wepdtof_pose.keypoints import KeypointSet, canonical_joint_name


@dataclass
class _Labels:
    """What the file's labels say: which are people, which are joints."""

    people: set[str] = field(default_factory=lambda: {PERSON_LABEL})
    joints: list[str] = field(default_factory=list)


def read(
    path: Path, *, images: Path | None = None, keypoint_set: KeypointSet | None = None
) -> Reading:
    """The people of an annotation file, or of the files of a folder (`annotations_train.xml`).

    Args:
        path: the XML file or the folder.
        images: folder of the images; by default `images/` beside the file, or its folder. Those
            of a subset may lie in a folder of its name there.
        keypoint_set: the joints, where the file does not name them (or to overrule it).

    Raises:
        InputError: a file is missing or not usable (the message names image and shape), or of
            several subsets one is no split.
    """
    datasets: dict[str, PoseDataset] = {}
    left_out = []
    files = split_files(path, "*.xml")
    for split, file in files.items():
        subsets = by_subset(read_xml(file), str(file))
        names = _splits_of(list(subsets), str(file)) if len(subsets) > 1 else [split]
        if len(subsets) > 1 and len(files) > 1:
            raise InputError(f"{file}: has several subsets: give it alone, not with other files")
        beside = file.parent
        folder = images or beside / "images"
        for name, (subset, root) in zip(names, subsets.items(), strict=True):
            source = f"{file}, subset {subset}" if len(subsets) > 1 else str(file)
            dataset, counts = from_tree(root, source=source, keypoint_set=keypoint_set)
            places = [folder / inner for inner in (subset, name) if inner] + [folder]
            places += [] if images else [beside]
            place = first_root(places, dataset.frames["file_name"].tolist(), folder)
            datasets[name] = replace(dataset, root=place)
            left_out.append(counts)
    return Reading(datasets, list(files.values()), add_counts(*left_out))


def by_subset(root: Element, source: str) -> dict[str, Element]:
    """A parsed file as one for each subset of a CVAT project; "" where images say none."""
    parts: dict[str, Element] = {}
    for number, image in enumerate(root.findall("image"), start=1):
        subset = image.get("subset", "")
        if subset:
            require_file_name(subset, f"{source}: image {number}", key="subset")
        if subset not in parts:
            parts[subset] = Element(root.tag)
            parts[subset].extend(child for child in root if child.tag != "image")
        parts[subset].append(image)
    return parts or {"": root}


def from_tree(
    root: Element, *, source: str, keypoint_set: KeypointSet | None = None
) -> tuple[PoseDataset, dict[str, int]]:
    """The data set of a parsed file, and what of it was left out."""
    if root.tag != "annotations":
        raise InputError(f"{source}: starts with <{shown(root.tag)}>, not <annotations> of CVAT")
    if root.find("track") is not None:
        raise InputError(f"{source}: is CVAT for video: export it as 'CVAT for Images 1.1'")
    labels = _labels(root)
    frames, people, counts = [], [], []
    for position, image in enumerate(root.findall("image")):
        where = f"{source}: image {position + 1} ({shown(image.get('name'))})"
        frames.append(_frame(image, where))
        found, left_out = _people(image, position, labels, where, keypoint_set)
        people += join_boxes(found)
        counts.append(left_out)
    joints = keypoint_set or joints_named(labels.joints, people, source)
    dataset, changed = dataset_of(frames, people, joints, root=Path(), source=source)
    return dataset, add_counts(changed, *counts)


def _splits_of(subsets: list[str], source: str) -> list[str]:
    """The split that each of several subsets is."""
    names = [SPLITS.get(subset.lower(), "") for subset in subsets]
    if "" in names or len(set(names)) < len(names):
        listed = ", ".join(shown(subset) for subset in subsets)
        raise InputError(
            f"{source}: has the subsets {listed}: name them Train, Validation and Test in CVAT"
        )
    return names


def _labels(root: Element) -> _Labels:
    labels = _Labels()
    for label in root.iterfind("meta//labels/label"):
        name = (label.findtext("name") or "").strip()
        if label.findtext("type") == "skeleton":
            labels.people.add(name)
        elif label.findtext("parent"):
            labels.joints.append(name)
    labels.people |= {s.get("label", "") for s in root.iterfind("image/skeleton")}
    return labels


def _frame(image: Element, where: str) -> dict:
    name = image.get("name")
    require_file_name(name, where, key="name")
    frame: dict = {"file_name": name}
    for key in ("width", "height"):
        text = image.get(key, "")
        frame[key] = int(text) if text.isdecimal() and len(text) < 12 else text
        require_size(frame[key], f"{where}: {key!r}")
    number = image.get("id", "")
    frame["id"] = int(number) if number.isdecimal() and len(number) < 16 else None
    return frame


def _people(
    image: Element, row: int, labels: _Labels, where: str, keypoint_set: KeypointSet | None
) -> tuple[list[Person], dict[str, int]]:
    people: list[Person] = []
    groups: dict[str, Person] = {}
    counts = {"shapes that are no person": 0, "joints in no group": 0}
    for number, shape in enumerate(image, start=1):
        place = f"{where}: shape {number} <{shown(shape.tag)[1:-1]}>"
        label, group = shape.get("label", ""), shape.get("group_id", "0")
        grouped = group not in ("", "0")
        joint = canonical_joint_name(label)
        known = joint in {canonical_joint_name(name) for name in labels.joints} or (
            keypoint_set is not None and joint in keypoint_set.joints
        )
        is_person = label in labels.people or label == ROTATED_LABEL
        if not (shape.tag in ("skeleton", "box", "points") and (is_person or known)):
            counts["shapes that are no person"] += 1
            continue
        if shape.tag == "points" and known and not grouped:
            counts["joints in no group"] += 1
            continue
        person = groups.get(group) if grouped else None
        if person is None:
            person = Person(row)
            people.append(person)
            if grouped:
                groups[group] = person
        person.fields |= {
            a.get("name", ""): a.text or "" for a in shape.findall("attribute") if a.get("name")
        }
        if shape.tag == "box":
            _add_box(person, shape, place)
        elif shape.tag == "skeleton":
            _add_joints(person, [_joint(p, place) for p in shape.findall("points")], place)
        elif known:
            _add_joints(person, [_joint(shape, place)], place)
        else:
            _add_joints(person, _all_points(shape, keypoint_set, place), place)
    return people, counts


def _add_box(person: Person, box: Element, where: str) -> None:
    x1, y1, x2, y2 = (
        parse_number(box.get(k), f"{where}: {k!r}") for k in ("xtl", "ytl", "xbr", "ybr")
    )
    angle = parse_number(box.get("rotation", "0"), f"{where}: 'rotation'")
    label_says = box.get("label") == ROTATED_LABEL
    if label_says or angle:
        if person.rotated is not None:
            raise InputError(f"{where}: its group has two rotated boxes; a group is one person")
        angle = round((angle + 180) % 360 - 180, 9)
        person.rotated = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, angle]
        return
    if person.box is not None:
        raise InputError(f"{where}: its group has two boxes; a group is one person")
    person.box = [x1, y1, x2 - x1, y2 - y1]


def _add_joints(
    person: Person, joints: list[tuple[str, tuple[float, float, int]]], where: str
) -> None:
    for name, values in joints:
        if name in person.joints:
            raise InputError(
                f"{where}: its person has the joint {shown(name)} twice; a group is one person"
            )
        person.joints[name] = values


def _joint(points: Element, where: str) -> tuple[str, tuple[float, float, int]]:
    name = canonical_joint_name(points.get("label", ""))
    parts = _coordinates(points, f"{where}: {shown(name)}")
    if len(parts) != 1:
        raise InputError(f"{where}: {shown(name)} has {len(parts)} points instead of 1")
    x, y = parts[0]
    visibility = 0 if points.get("outside") == "1" else 1 if points.get("occluded") == "1" else 2
    return name, (x, y, visibility)


def _all_points(
    shape: Element, keypoint_set: KeypointSet | None, where: str
) -> list[tuple[str, tuple[float, float, int]]]:
    parts = _coordinates(shape, where)
    if keypoint_set is None:
        raise InputError(
            f"{where}: has {len(parts)} points without names: say which set they are, in order, "
            "with --source-keypoints"
        )
    if len(parts) != len(keypoint_set):
        raise InputError(
            f"{where}: has {len(parts)} points, {keypoint_set.name!r} has {len(keypoint_set)}"
        )
    seen = 1 if shape.get("occluded") == "1" else 2
    return [(n, (x, y, seen)) for n, (x, y) in zip(keypoint_set.joints, parts, strict=True)]


def _coordinates(points: Element, where: str) -> list[tuple[float, float]]:
    pairs = []
    for text in points.get("points", "").split(";"):
        words = text.split(",")
        if len(words) != 2:
            raise InputError(f"{where}: 'points' has {shown(text)} instead of x,y")
        x, y = (parse_number(word, f"{where}: 'points'") for word in words)
        pairs.append((x, y))
    return pairs
