"""CVAT XML 1.1, for Images and for Video (see `cvat_video`): reader.

A person is a `skeleton`, or single `points` labelled with joint names, with a `box` in the same
group (CVAT's `group_id`). Where several skeletons are labelled, people are those that say `person`,
or what `category` names. A group's box may have any label where it is the only one: in CVAT a label
is of one type, so that a skeleton and its box cannot share it. Without a group the only box around
all joints is taken; without any the box is the extent of the joints. A box with a rotation is a
rotated box. A point that is `outside` is not labelled, one that is `occluded` is hidden. Subsets of
a project (Train, Validation, Test) are splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import require_inside
from wepdtof_pose.formats.categories import people_labels, require_people, says_person
from wepdtof_pose.formats.fields import parse_number, parse_size, require_file_name, shown
from wepdtof_pose.formats.layout import (
    IMAGE_SUFFIXES,
    SPLITS,
    Reading,
    add_counts,
    by_longest_end,
    first_root,
    split_files,
)
from wepdtof_pose.formats.tools import cvat_video
from wepdtof_pose.formats.tools.tool_records import (
    ROTATED_LABEL,
    Person,
    dataset_of,
    join_boxes,
    joints_named,
)
from wepdtof_pose.formats.tools.xml_tree import is_set, read_xml
from wepdtof_pose.images import image_file, image_size
from wepdtof_pose.keypoints import KeypointSet, canonical_joint_name


@dataclass(frozen=True)
class Labels:
    """What the labels of a file mean.

    Attributes:
        people: labels of people, be they skeletons, boxes or points.
        joints: the joints of people that the file declares, in its order.
        known: joint names that single points may have.
    """

    people: frozenset[str]
    joints: tuple[str, ...]
    known: frozenset[str]


def read(
    path: Path,
    *,
    images: Path | None = None,
    keypoint_set: KeypointSet | None = None,
    category: str | None = None,
) -> Reading:
    """Return the people of an annotation file, or of a folder of them (`annotations_train.xml`).

    Args:
        path: the XML file or the folder.
        images: folder of the images; by default `images/` beside the file, or its folder. Those
            of a subset may lie in a folder of its name there.
        keypoint_set: the joints, where the file does not name them (or to overrule it).
        category: the label of people, where there are several.

    Raises:
        InputError: a file is missing or not usable (the message names image and shape), or of
            several subsets one is no split.
    """
    datasets: dict[str, PoseDataset] = {}
    left_out = []
    files = split_files(path, ".xml")
    for split, file in files.items():
        root = read_xml(file)
        beside = file.parent
        folder = images or beside / "images"
        if cvat_video.is_video(root):
            places = [folder] if images else [folder, beside]
            datasets[split], counts = from_video(
                root, places, source=str(file), keypoint_set=keypoint_set, category=category
            )
            left_out.append(counts)
            continue
        subsets = by_subset(root, str(file))
        names = _splits_of(list(subsets), str(file)) if len(subsets) > 1 else [split]
        if len(subsets) > 1 and len(files) > 1:
            raise InputError(f"{file}: has several subsets: give it alone, not with other files")
        for name, (subset, part) in zip(names, subsets.items(), strict=True):
            source = f"{file}, subset {subset}" if len(subsets) > 1 else str(file)
            dataset, counts = from_tree(
                part, source=source, keypoint_set=keypoint_set, category=category
            )
            places = [folder / inner for inner in (subset, name) if inner] + [folder]
            names_read = dataset.frames["file_name"].tolist()
            if not images:
                require_inside(names_read, source)
                dataset = replace(dataset, root=first_root([*places, beside], names_read, folder))
                places = [dataset.root]
            # Frames of a film are called frame_000000 in the file, and frame_000000.PNG outside.
            if images or not all(name.lower().endswith(IMAGE_SUFFIXES) for name in names_read):
                dataset = by_longest_end(dataset, places)
                counts = add_counts(counts, dataset.left_out)
            require_inside(dataset.frames["file_name"], source)
            datasets[name] = dataset
            left_out.append(counts)
    people = sum(map(len, datasets.values()))
    require_people(people, add_counts(*left_out), source=str(path))
    return Reading(datasets, list(files.values()), add_counts(*left_out))


def by_subset(root: Element, source: str) -> dict[str, Element]:
    """Return a parsed file as one for each subset of a CVAT project; "" where images say none."""
    parts: dict[str, Element] = {}
    for number, image in enumerate(root.findall("image"), start=1):
        subset = image.get("subset", "")
        if subset:
            require_file_name(subset, f"{source}: image {number}", key="subset")
            require_inside([subset], f"{source}: image {number}: subset")
        if subset not in parts:
            parts[subset] = Element(root.tag)
            parts[subset].extend(child for child in root if child.tag != "image")
        parts[subset].append(image)
    return parts or {"": root}


def from_tree(
    root: Element,
    *,
    source: str,
    keypoint_set: KeypointSet | None = None,
    category: str | None = None,
) -> tuple[PoseDataset, dict[str, int]]:
    """Return the data set of a parsed file for images, and what of it was left out."""
    if root.tag != "annotations":
        raise InputError(f"{source}: starts with <{shown(root.tag)}>, not <annotations> of CVAT")
    images = root.findall("image")
    shapes = (shape for image in images for shape in image)
    labels = labels_of(root, shapes, keypoint_set, category, source)
    frames, people, counts = [], [], []
    for position, image in enumerate(images):
        where = f"{source}: image {position + 1} ({shown(image.get('name'))})"
        frames.append(_frame(image, where))
        found, left_out = _people(image, position, labels, where, keypoint_set)
        people += join_boxes(found)
        counts.append(left_out)
    joints = keypoint_set or joints_named(labels.joints, people, source)
    dataset, changed = dataset_of(frames, people, joints, root=Path(), source=source)
    return dataset, add_counts(changed, *counts)


def from_video(
    root: Element,
    places: list[Path],
    *,
    source: str,
    keypoint_set: KeypointSet | None = None,
    category: str | None = None,
) -> tuple[PoseDataset, dict[str, int]]:
    """Return the data set of a parsed file for video, and what of it was left out.

    The size that the file does not say is that of the images, which lie in one of `places`; it is 0
    where these are not there. The scene of all frames is the video, or the task.
    """
    tracks = cvat_video.tracks(root, source)
    labelled = (
        Element(shape.tag, label=track.element.get("label", ""))
        for track in tracks
        for shape in track.shapes
    )
    labels = labels_of(root, labelled, keypoint_set, category, source)
    numbers = cvat_video.frame_numbers(root, tracks, source)
    folder, names = cvat_video.image_names(numbers, places)
    size = cvat_video.stated_size(root)
    scene = root.findtext("meta/source") or root.findtext("meta/task/name") or None
    frames, people, counts = [], [], []
    for row, (number, name) in enumerate(zip(numbers, names, strict=True)):
        there = size is None and (folder / name).is_file()
        width, height = size or (image_size(image_file(folder, name)) if there else (0, 0))
        frames.append(
            {"id": number, "file_name": name, "width": width, "height": height, "scene": scene}
        )
        shapes = cvat_video.shapes_at(tracks, number, source)
        found, left_out = _people(shapes, row, labels, f"{source}: frame {number}", keypoint_set)
        people += join_boxes(found)
        counts.append(left_out)
    joints = keypoint_set or joints_named(labels.joints, people, source)
    dataset, changed = dataset_of(frames, people, joints, root=folder, source=source)
    return dataset, add_counts(changed, *counts)


def labels_of(
    root: Element,
    shapes: Iterable[Element],
    keypoint_set: KeypointSet | None,
    category: str | None,
    source: str,
) -> Labels:
    """Return what the labels mean that a file declares and its shapes have.

    Raises:
        InputError: of several labels none says which are people.
    """
    declared: set[str] = set()
    parents: dict[str, set[str]] = {}
    for label in root.iterfind("meta//labels/label"):
        name, parent = ((label.findtext(key) or "").strip() for key in ("name", "parent"))
        if label.findtext("type") == "skeleton":
            declared.add(name)
        elif parent:
            parents.setdefault(name, set()).add(parent)
    used: dict[str, set[str]] = {}
    for shape in shapes:
        used.setdefault(shape.tag, set()).add(shape.get("label", ""))
    skeletons = used.get("skeleton") or declared
    boxes = used.get("box", set()) - {ROTATED_LABEL}
    known = {canonical_joint_name(name) for name in parents}
    known |= set(keypoint_set.joints if keypoint_set is not None else ())
    points = {name for name in used.get("points", ()) if canonical_joint_name(name) not in known}
    if category is not None:
        chosen = people_labels(skeletons | boxes | points, category, source=source)
    elif skeletons:
        chosen = people_labels(skeletons, source=source)
        chosen |= people_labels(filter(says_person, boxes), source=source)
    else:
        chosen = people_labels(boxes or points, source=source)
    joints = [name for name, owners in parents.items() if owners & chosen]
    joints = joints or ([] if chosen & skeletons else list(parents))
    known = {canonical_joint_name(name) for name in joints}
    known |= set(keypoint_set.joints if keypoint_set is not None else ())
    return Labels(frozenset(chosen), tuple(joints), frozenset(known))


def _splits_of(subsets: list[str], source: str) -> list[str]:
    """Return the split that each of several subsets is."""
    names = [SPLITS.get(subset.lower(), "") for subset in subsets]
    if "" in names or len(set(names)) < len(names):
        listed = ", ".join(shown(subset) for subset in subsets)
        raise InputError(
            f"{source}: has the subsets {listed}: name them Train, Validation and Test in CVAT"
        )
    return names


def _frame(image: Element, where: str) -> dict:
    name = image.get("name")
    require_file_name(name, where, key="name")
    frame: dict = {"file_name": name}
    for key in ("width", "height"):
        frame[key] = parse_size(image.get(key, ""), f"{where}: {key!r}")
    number = image.get("id", "")
    frame["id"] = int(number) if number.isdecimal() and len(number) < 16 else None
    return frame


def _people(
    shapes: Iterable[Element],
    row: int,
    labels: Labels,
    where: str,
    keypoint_set: KeypointSet | None,
) -> tuple[list[Person], dict[str, int]]:
    """Return the people of the shapes of a frame, and how many shapes were left out."""
    people: list[Person] = []
    groups: dict[str, Person] = {}
    spare: dict[str, list[tuple[Element, str]]] = {}
    others: Counter[str] = Counter()
    for number, shape in enumerate(shapes, start=1):
        place = f"{where}: shape {number} <{shown(shape.tag)[1:-1]}>"
        label, group = shape.get("label", ""), shape.get("group_id", "0")
        grouped = group not in ("", "0")
        is_joint = shape.tag == "points" and canonical_joint_name(label) in labels.known
        if shape.tag == "points" and is_joint and not grouped:
            others["joints in no group"] += 1
            continue
        is_person = label in labels.people or label == ROTATED_LABEL or is_joint
        if shape.tag == "box" and grouped and not is_person:
            spare.setdefault(group, []).append((shape, place))
            continue
        if shape.tag not in ("skeleton", "box", "points") or not is_person:
            others[_left_out(shape)] += 1
            continue
        person = groups.get(group) if grouped else None
        if person is None:
            person = Person(row)
            people.append(person)
            if grouped:
                groups[group] = person
        person.fields = {**_attributes(shape), **person.fields}
        if shape.tag == "box":
            _add_box(person, shape, place)
        elif shape.tag == "skeleton":
            _add_joints(person, [_joint(p, place) for p in shape.findall("points")], place)
        elif is_joint:
            _add_joints(person, [_joint(shape, place)], place)
        else:
            _add_joints(person, _all_points(shape, keypoint_set, place), place)
    for group, boxes in spare.items():
        owner = groups.get(group)
        if owner is not None and owner.box is None and owner.rotated is None and len(boxes) == 1:
            _add_box(owner, *boxes[0])
        else:
            others.update(_left_out(shape) for shape, _ in boxes)
    return people, dict(others)


def _left_out(shape: Element) -> str:
    """Return the reason under which a shape that is no person is counted."""
    return f"shapes labelled {shown(shape.get('label', ''))} ({shown(shape.tag)[1:-1]})"


def _attributes(shape: Element) -> dict[str, str]:
    named = ((a.get("name", ""), a.text or "") for a in shape.findall("attribute"))
    return {name: text for name, text in named if name}


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
    # A box may be drawn from any of its corners.
    person.box = [min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)]


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
    place = f"{where}: {shown(name)}"
    parts = _coordinates(points, place)
    if len(parts) != 1:
        raise InputError(f"{place} has {len(parts)} points instead of 1")
    x, y = parts[0]
    hidden = is_set(points, "occluded", place)
    visibility = 0 if is_set(points, "outside", place) else 1 if hidden else 2
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
    seen = 1 if is_set(shape, "occluded", where) else 2
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
