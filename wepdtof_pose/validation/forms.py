"""Entries whose form is odd, but has one reading: '160' is 160, 1.0 is 1, [[x, y, v], ...] is flat.

So have texts of numbers, objects of named numbers, joints by their names, fields that other tools
spell in another way, and people who name the file of their image.
What has several readings, or none, is left as it is. Optional fields that cannot be read are kept
under another name; nobody loses a box or a joint for the sake of a field.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from wepdtof_pose.keypoints import canonical_joint_name
from wepdtof_pose.scores.frame_lookup import images_of_paths
from wepdtof_pose.validation.annotations import usable_skeleton
from wepdtof_pose.validation.edits import Edits, Table
from wepdtof_pose.validation.label_counts import (
    extent_of_joints,
    in_a_list,
    is_flat,
    joints_in,
    listed,
    number_in,
    rows_of_pairs,
    sees_apart,
    visibility_in,
)
from wepdtof_pose.validation.raw_file import joints_of_file, split_by_category
from wepdtof_pose.validation.schema import (
    entry_check,
    unwritable_fields,
    writable,
)

_LEAVE = object()
_Readers = dict[str, Callable[[Any], Any]]
_MINIMAL: dict[str, dict[str, Any]] = {
    "images": {"id": 1, "file_name": "a", "width": 1, "height": 1},
    "annotations": {"image_id": 1},
}
_MADE_ANEW = ("num_keypoints", "area")
"""Fields that follow from the rest of a person."""

_OPTIONAL = ("scene", "fisheye", "track_id", "rotated_box", "area_from_box")
"""Fields that readers do without."""

_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))
"""Keys of objects that stand for a box by two corners."""

_NAMES = ("name", "label", "joint")
"""Keys of a joint's name in an object that stands for a joint."""

_SPELLINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "images": {
        "file_name": (
            *("filename", "fileName", "image_name", "img_name"),
            *("path", "filepath", "image_path", "img_path"),
        ),
        "width": ("image_width", "img_width"),
        "height": ("image_height", "img_height"),
    },
    "annotations": {
        "image_id": ("imageId", "imageID", "image_ID"),
        "category_id": ("categoryId", "categoryID"),
        "bbox": ("box", "bounding_box", "boundingBox"),
        "keypoints": ("keypoint", "key_points", "keyPoints"),
    },
}
"""Names that other tools give the fields of an entry."""


def read_forms(edits: Edits) -> None:
    """Give odd entries the form of the schema, where there is one way to."""
    _mend_categories(edits)
    category, joints = joints_of_file(edits.content, edits.category)
    for table in ("images", "annotations"):
        _take_out_scalars(edits, table)
        _spell_fields(edits, table)
    names = None if category is None else category["keypoints"]
    _mend_images(edits)
    _mend_references(edits, category)
    own, _ = split_by_category(edits.content, category, edits.category)
    check = entry_check("annotation")
    # Where nobody says which joints are seen, places are labels as they are in pairs x, y.
    unknown = 0 if any(_says_visibility(person) for _, person in own) else 2
    # Somebody whose joints are read out of another form says nothing about those in pairs.
    in_pairs = rows_of_pairs(edits.content, edits.category)
    for row, person in own:
        if isinstance(person, dict) and check(person) is not None:
            _mend_person(edits, row, joints, unknown, names)
    for row in sorted(in_pairs | rows_of_pairs(edits.content, edits.category)):
        if is_flat(edits.entry("annotations", row).get("keypoints"), 2 * (joints or 0)):
            _add_visibility(edits, row)
    _make_writable(edits)


def _make_writable(edits: Edits) -> None:
    """Write null for NaN, and an escape for half a character, in fields that nobody reads."""
    tables: tuple[tuple[Table, str], ...] = (("images", "image"), ("annotations", "annotation"))
    for table, kind in tables:
        for row, entry in edits.entries(table):
            for name in unwritable_fields(entry, kind):
                value = writable(edits.edit(table, row).pop(name))
                edits.set("not-writable", table, row, writable(name), value)
    for name, value in edits.content.items():
        if name not in ("images", "annotations") and writable(value) is not value:
            edits.set_member("not-writable", name, writable(value), f"{name!a}: null, or an escape")


def _mend_categories(edits: Edits) -> None:
    categories = edits.content.get("categories")
    if isinstance(categories, dict) and "id" in categories:
        categories = [categories]
        edits.set_member("category", "categories", categories, "'categories' -> a list of one")
    if not isinstance(categories, list):
        return
    for number, category in enumerate(categories):
        if not isinstance(category, dict):
            continue
        where = f"categories[{number}]"
        if (whole := _id(category.get("id"))) is not _LEAVE:
            category = {**category, "id": whole}
            change = f"{where} 'id' -> {category['id']}"
            categories = [*categories[:number], category, *categories[number + 1 :]]
            edits.set_member("structure", "categories", categories, change)
        names, edges = category.get("keypoints"), category.get("skeleton")
        if not isinstance(names, list) or edges is None or usable_skeleton(edges, len(names)):
            continue
        found = _edges_by_name(names, edges)
        if found is not None:
            category = {**category, "skeleton": found}
            change = f"{where} 'skeleton' -> {len(found)} pairs of joint numbers"
            categories = [*categories[:number], category, *categories[number + 1 :]]
            edits.set_member("skeleton", "categories", categories, change)


def _edges_by_name(names: list[Any], edges: Any) -> list[list[int]] | None:
    if not isinstance(edges, list):
        return None
    edges = [edge for edge in edges if edge != []]
    if any(not isinstance(edge, list) or len(edge) != 2 for edge in edges):
        return None
    ends = [joint for edge in edges for joint in edge]
    numbers = [names.index(one) + 1 if one in names else number_in(one) for one in ends]
    # A 0 says that all are counted from 0.
    start = 0 if 0 in numbers and not any(one in names for one in ends) else 1
    if not set(numbers) <= set(range(start, start + len(names))):
        return None
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return [[int(a or 0) + 1 - start, int(b or 0) + 1 - start] for a, b in pairs]


def _take_out_scalars(edits: Edits, table: Table) -> None:
    """Take out what is no entry and can hold no label: null, numbers, texts, empty objects."""
    for row, entry in enumerate(edits.content[table]):
        if entry == {} or not isinstance(entry, (dict, list)):
            why = f"{str(entry)[:60]!r} is no entry and holds no label"
            edits.take_out("structure", table, row, why, labels=False)


def _spell_fields(edits: Edits, table: Table) -> None:
    """Give a field its name where the entry has it under one other only, and in its form."""
    check = entry_check("image" if table == "images" else "annotation")
    for row, entry in edits.entries(table):
        for name, others in _SPELLINGS[table].items():
            found = [other for other in others if other in entry]
            if name in entry or len(found) != 1:
                continue
            value = entry[found[0]]
            if value is not None and check({**_MINIMAL[table], name: value}) is None:
                edits.edit(table, row).pop(found[0])
                edits.set("structure", table, row, name, value, f", called {found[0]!r}")


def _mend_images(edits: Edits) -> None:
    check = entry_check("image")
    numbers = [i.get("id") for _, i in edits.entries("images") if _is_id(i.get("id"))]
    asked = {repr(a.get("image_id")) for _, a in edits.entries("annotations")}
    free = max([0, *(n for n in numbers if isinstance(n, int))])
    for row, image in edits.entries("images"):
        if check(image) is None:
            continue
        readers: _Readers = {"id": _id, "width": _size, "height": _size, "scene": _id}
        _read_fields(edits, "images", row, readers)
        number = edits.entry("images", row).get("id")
        # Nobody means an image by a value that is no id, unless somebody has the same.
        if not _is_id(number) and repr(number) not in asked:
            free += 1
            edits.set("structure", "images", row, "id", free)


def _mend_references(edits: Edits, category: dict[str, Any] | None) -> None:
    """Let image_id and category_id mean the only image and category that they can."""
    images = {i["id"] for _, i in edits.entries("images") if _is_id(i.get("id"))}
    image_meant = _images_meant(edits)
    categories = edits.content.get("categories")
    categories = categories if isinstance(categories, list) else []
    listed = [c["id"] for c in categories if isinstance(c, dict) and _is_id(c.get("id"))]
    other = _only_other_id(edits, category) if len(listed) == 1 else None
    for row, person in edits.entries("annotations"):
        for name, known in (("image_id", images), ("category_id", listed)):
            value = person.get(name)
            if name not in person or (type(value) in (int, str) and value in known):
                continue
            of_image = name == "image_id"
            found = image_meant(value) if of_image else _meant(value, known)
            code = "image-unknown" if of_image else "category-unknown"
            if found is None and name == "category_id" and not _is_id(value):
                # null, or no id at all: clear where there is one category only.
                only = listed if len(listed) == 1 else [category["id"]] if category else []
                found = only[0] if (len(only) == 1 and value is None) or len(listed) == 1 else None
            if found is None and name == "category_id" and _is_id(value) and value == other:
                found = listed[0]
            if found is not None:
                edits.set(code if _is_id(value) else "structure", "annotations", row, name, found)


def _only_other_id(edits: Edits, category: dict[str, Any] | None) -> Any:
    """Return the category id that all annotations have, where all have the joints of another one.

    Some programs count categories from 1 in one list and from 0 in the other.
    """
    people = [person for _, person in edits.entries("annotations")]
    ids = {person.get("category_id") for person in people if _is_id(person.get("category_id"))}
    lists = [person["keypoints"] for person in people if in_a_list(person)]
    alike = category is not None and all(len(k) == 3 * len(category["keypoints"]) for k in lists)
    return ids.pop() if len(ids) == 1 and lists and alike else None


def _images_meant(edits: Edits) -> Callable[[Any], Any]:
    """Return what gives the id of the only image that an image_id can stand for, or None.

    Where all that are texts can be ids, and not all of them names of files, or the other way round,
    that is what they are: `"1"` is image 1 then, whose file may be 0.jpg, and not that of 1.jpg.
    """
    images = [image for _, image in edits.entries("images") if _is_id(image.get("id"))]
    known = {image["id"] for image in images}
    spelled: dict[str, set[Any]] = defaultdict(set)
    for number in known:
        spelled[_unpadded(number)].add(number)
    names = [(i["id"], i["file_name"]) for i in images if isinstance(i.get("file_name"), str)]
    asked = [person.get("image_id") for _, person in edits.entries("annotations")]
    texts = {value for value in asked if isinstance(value, str)} - known
    files = images_of_paths(names, texts)

    def by_id(value: Any) -> set[Any]:
        spelling = spelled.get(_unpadded(value), set()) if _is_id(value) else set()
        return ({_meant(value, known)} - {None}) | spelling

    are_ids, are_files = (all(map(of, texts)) for of in (by_id, files.get))

    def meant(value: Any) -> Any:
        found = set()
        if are_ids or not are_files or not isinstance(value, str):
            found |= by_id(value)
        if isinstance(value, str) and (are_files or not are_ids):
            found |= files.get(value, set())
        return found.pop() if len(found) == 1 else None

    return meant


def _unpadded(number: Any) -> str:
    text = str(number)
    return text.lstrip("0") or "0" if text.isdecimal() else text


def _meant(value: Any, known: Any) -> Any:
    number = number_in(value) if not isinstance(value, bool) else None
    forms: list[Any] = [int(number)] if number is not None and number == number // 1 else []
    forms += [str(form) for form in (*forms, value) if isinstance(form, (int, str))]
    found = [form for form in forms if form in known]
    return found[0] if len(set(map(repr, found))) == 1 else None


def _mend_person(
    edits: Edits, row: int, joints: int | None, unknown: int, names: list[str] | None
) -> None:
    person = edits.entry("annotations", row)
    if "id" in person and not _is_id(person["id"]):
        if (number := _id(person["id"])) is not _LEAVE:
            edits.set("structure", "annotations", row, "id", number)
        else:
            edits.remove("structure", "annotations", row, "id", "is no id: numbered anew")
    apart = sees_apart(person, joints)
    readers: _Readers = {
        "bbox": _box,
        "rotated_box": _numbers,
        "keypoints": lambda value: _keypoints(
            _in_order(value, names), joints, None if apart else unknown
        ),
        "iscrowd": _flag,
        "area_from_box": _flag,
        **dict.fromkeys(("area", "num_keypoints", "track_id"), _number),
    }
    _read_fields(edits, "annotations", row, readers)
    check = entry_check("annotation")
    for name in ("bbox", *_MADE_ANEW):
        person = edits.entry("annotations", row)
        if name not in person or check({"image_id": 1, name: person[name]}) is None:
            continue
        if name != "bbox":
            edits.remove("structure", "annotations", row, name, "cannot be read: made anew")
        elif extent_of_joints(person.get("keypoints")) is not None:
            edits.put_aside("structure", "annotations", row, name)


def _read_fields(edits: Edits, table: Table, row: int, readers: _Readers) -> None:
    """Read each field that has a wrong form; optional ones that cannot be read are put aside."""
    check = entry_check("image" if table == "images" else "annotation")
    for name in (*readers, *(name for name in _OPTIONAL if name not in readers)):
        entry = edits.entry(table, row)
        if name not in entry or check({**_MINIMAL[table], name: entry[name]}) is None:
            continue
        value = readers[name](entry[name]) if name in readers else _LEAVE
        if value is not _LEAVE and check({**_MINIMAL[table], name: value}) is None:
            edits.set("structure", table, row, name, value)
        elif name in _OPTIONAL:
            edits.put_aside("structure", table, row, name)


def _add_visibility(edits: Edits, row: int) -> None:
    values = edits.entry("annotations", row)["keypoints"]
    triples = [[x, y, 2] if x or y else [x, y, 0] for x, y in joints_in(values, pairs=True)]
    edits.edit("annotations", row)["keypoints"] = [value for joint in triples for value in joint]
    edits.note(
        "keypoint-count", "annotations", row, f"{len(values)} numbers: x, y with visibility 2"
    )


def _says_visibility(person: Any) -> bool:
    """Return whether a person has joints one of which has a visibility that is not null."""
    keypoints = person.get("keypoints") if isinstance(person, dict) else None
    joints = joints_in(keypoints, pairs=False) if isinstance(keypoints, list) else []
    return any(isinstance(j, list) and len(j) == 3 and j[2] is not None for j in joints)


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _id(value: Any) -> Any:
    return int(value) if type(value) is float and value == value // 1 else _LEAVE


def _size(value: Any) -> Any:
    number = None if isinstance(value, bool) else number_in(value)
    return int(number) if number is not None and number == number // 1 else _LEAVE


def _number(value: Any) -> Any:
    number = None if isinstance(value, bool) else number_in(value)
    return _LEAVE if number is None else number


def _flag(value: Any) -> Any:
    words = {"true": 1, "false": 0}
    return words.get(value.lower(), _number(value)) if isinstance(value, str) else _number(value)


def _numbers(value: Any) -> Any:
    """Read a list of numbers, some of which are texts."""
    value = listed(value)
    if not isinstance(value, list):
        return _LEAVE
    read = [_number(one) for one in value]
    return _LEAVE if any(number is _LEAVE for number in read) else read


def _box(value: Any) -> Any:
    """Read x, y, width, height; two corners that are named, or are two points, are a box, too."""
    if isinstance(value, dict):
        keys = next((keys for keys in _CORNERS if set(keys) == set(value)), None)
        value = (
            value if keys is None else [[value[k] for k in keys[:2]], [value[k] for k in keys[2:]]]
        )
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if not isinstance(value, list) or len(value) != 2:
        return _numbers(value)
    corners = [_numbers(corner) for corner in value]
    if any(corner is _LEAVE or len(corner) != 2 for corner in corners):
        return _LEAVE
    (left, top), (right, bottom) = corners
    return [min(left, right), min(top, bottom), abs(right - left), abs(bottom - top)]


def _in_order(value: Any, names: list[str] | None) -> Any:
    """Return joints that are named in the order of the category, and others as they are.

    They are an object by name, or a list of objects that say their name. A joint that is not there
    is not labelled; one that the category does not name leaves all as they are.
    """
    if isinstance(value, dict):
        named = value
    elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        key = next((key for key in _NAMES if all(key in one for one in value)), None)
        others = [{k: v for k, v in one.items() if k != key} for one in value]
        keys = [one[key] for one in value] if key else []
        if not key or not all(isinstance(one, str) for one in keys) or len(set(keys)) < len(keys):
            return value
        named = dict(zip(keys, others, strict=True))
    else:
        return value
    known = [canonical_joint_name(name) for name in names or ()]
    found = {canonical_joint_name(name): joint for name, joint in named.items()}
    if not found or len(found) < len(named) or not set(found) <= set(known):
        return value
    return [found.get(name, [0, 0, 0]) for name in known]


def _keypoints(value: Any, joints: int | None, unknown: int | None) -> Any:
    """Read the joints of a person as a flat list: nested ones, nulls, words, true and false.

    `unknown` is the visibility of joints that have a place and null for it; None where another
    field says it.
    """
    if value in ({}, "", [[]]):
        return []
    value = listed(value)
    if not isinstance(value, list):
        return _LEAVE
    if len(value) == 1 and isinstance(value[0], list) and joints != 1:
        value = value[0]
    value = [_joint_as_list(joint) for joint in value]
    nested = bool(value) and all(isinstance(joint, list) for joint in value)
    found = joints_in(value, pairs=False)
    lengths = {len(joint) for joint in found}
    if len(lengths) != 1 or (nested and joints is not None and len(found) != joints):
        return _LEAVE
    if not nested and 3 * len(found) != len(value):
        return _LEAVE
    if lengths == {2} and unknown is not None:
        found = [[*joint, 2 if any(joint) else 0] for joint in found]
    elif lengths != {3}:
        return _LEAVE
    read = [_joint(joint, unknown) for joint in found]
    return _LEAVE if _LEAVE in read else [number for joint in read for number in joint]


def _joint_as_list(joint: Any) -> Any:
    """Return the list that an object or a text of several numbers stands for, else the value."""
    found = listed(joint)
    return found if isinstance(found, list) and len(found) > 1 else joint


def _joint(joint: list[Any], unknown: int | None) -> Any:
    x, y, visibility = joint
    if x is None or y is None:
        return [0, 0, 0]
    place = [_number(x), _number(y)]
    if _LEAVE in place:
        return _LEAVE
    placed = any(place)
    if visibility is None:
        return _LEAVE if unknown is None else [*place, unknown if placed else 0]
    seen = visibility_in(visibility, placed=placed)
    return _LEAVE if seen is None else [*place, seen]
