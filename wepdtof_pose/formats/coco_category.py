"""The category of a COCO keypoint file: joint names, skeleton and sigmas as a KeypointSet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.categories import CATEGORY_OPTION, listed, people_labels, says_person
from wepdtof_pose.formats.fields import are_joint_names, require_id, shown
from wepdtof_pose.keypoints import (
    KeypointSet,
    canonical_joint_name,
    flip_pairs_by_name,
    get_keypoint_set,
    keypoint_set_from_names,
    keypoint_set_names,
    with_flip_pairs,
)


def categories_of(content: Any) -> list[dict[str, Any]]:
    """Return the categories of a file that have an id; none of what is no JSON object."""
    rows = content.get("categories") if isinstance(content, dict) else None
    rows = rows if isinstance(rows, list) else []
    return [row for row in rows if isinstance(row, dict) and "id" in row]


def key_of(number: Any) -> Any:
    """Return a category id as `coco_tables.count_categories` counts it: None for no usable one."""
    return number if isinstance(number, (int, str, float)) else None


def keypoint_category(
    content: Any,
    source: str,
    *,
    required: bool,
    name: str | None = None,
    used: Callable[[], Counter[Any]] | None = None,
) -> dict[str, Any] | None:
    """Return the category of the people, with their joints; None if there is none.

    Args:
        content: the file, or its members but for the long lists.
        source: names the file in errors.
        required: whether it has to name its joints.
        name: the category that the user says is people: its name, or its id; several of the same
            joints with commas between.
        used: returns how many annotations there are by category id. Without it, only one category
            may have keypoints.

    Raises:
        InputError: there is no such category, it names no joints but has to, or several have
            joints and nothing says which are people.
    """
    stated = content.get("categories") if isinstance(content, dict) else None
    if required and stated is not None and not isinstance(stated, list):
        raise InputError(f"{source}: 'categories' is no list: put the category into [ ]")
    rows = categories_of(content)
    if name is not None:
        rows = _named(rows, name, source)
    found = [row for row in rows if row.get("keypoints")]
    found = [row for row in found if row is _first_alike(found, row)]
    if name is None:
        _refuse_joints(found or (rows if required else []), source)
    if not found and not required:
        # The ids of a lone category are of no use: some files count it from 0, some from 1.
        found = rows if used and (len(rows) > 1 or name is not None) else []
    if not found:
        if not required:
            return None
        which = "no category" if name is None else f"no category {shown(name)}"
        raise InputError(
            f"{source}: {which} names its keypoints: add 'keypoints', the list of joint "
            "names, to the category, or say which set they are: wepdtof-pose convert "
            "--source-keypoints SET (boxes of WEPDTOF and CEPDOF have none: wepdtof-pose convert "
            "--from wepdtof first)"
        )
    joints = [row.get("keypoints") for row in found]
    if name is not None and all(one == joints[0] for one in joints):
        found = found[:1]
    elif name is None and len(found) > 1 and used is not None:
        found = _people(found, used(), source)
    if len(found) > 1:
        names = ", ".join(shown(row.get("name", row["id"])) for row in found)
        option = CATEGORY_OPTION
        if len({_name(row) for row in found}) < len(found):
            names = ", ".join(f"{shown(_name(row))} of id {shown(row['id'])}" for row in found)
            option = CATEGORY_OPTION.replace("NAME", "ID")
        raise InputError(
            f"{source}: several categories have keypoints ({names}): say which are people with "
            f"{option}"
        )
    require_id(found[0]["id"], f"{source}: the category's 'id'")
    return found[0]


def ids_of_people(
    content: dict[str, Any], category: dict[str, Any], name: str | None = None
) -> tuple[Any, ...]:
    """Return the ids of a category and of those with its joints and its name, or that `name` names.

    Files that were put together list one for each of their parts.
    """
    rows = categories_of(content)
    if name is None:
        alike = [row for row in rows if _first_alike([category], row) is category]
    else:
        named = _named(rows, name, "the file")
        alike = [row for row in named if row.get("keypoints") == category.get("keypoints")]
    return tuple(dict.fromkeys([category["id"], *filter(_is_id, (row["id"] for row in alike))]))


def keypoint_set_of(category: dict[str, Any], source: str) -> KeypointSet:
    """Return the joints that a category describes: a built-in set where it spells one.

    Edges of the skeleton that name no joints are left out: they are for drawing only.
    """
    names = category["keypoints"]
    where = f"{source}: category {shown(category.get('name'))}"
    if not are_joint_names(names):
        raise InputError(f"{where}: 'keypoints' is not a list of joint names")
    try:
        skeleton, _ = _edges(category)
        found = keypoint_set_from_names(names, skeleton=skeleton, sigmas=category.get("sigmas"))
        if category.get("flip_pairs") is not None:
            pairs = [*_stated_pairs(category["flip_pairs"], len(names)), *found.flip_pairs]
            found = with_flip_pairs(found, pairs, source="'flip_pairs'")
        declared = category.get("keypoint_set")
        if declared not in keypoint_set_names() or declared == found.name:
            return found
        known = get_keypoint_set(declared)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: {error}") from error
    if known.joints != found.joints:
        own = [name for name in found.joints if name not in known.joints]
        other = f"{shown(own[0])} is none of them" if own else "their number or order is another"
        raise InputError(
            f"{where}: 'keypoint_set' says {declared!r}, but the keypoints are not those: {other}; "
            "take 'keypoint_set' out of the category, or name the keypoints as that set does"
        )
    return KeypointSet(known.name, known.joints, known.flip_pairs, found.skeleton, known.sigmas)


def _refuse_joints(rows: list[dict[str, Any]], source: str) -> None:
    """Refuse categories each of which is a joint: nothing says which of them are of one person."""
    if len(rows) < 2:
        return
    joints = [row.get("keypoints") for row in rows]
    singles = all(isinstance(one, list) and len(one) == 1 for one in joints)
    singles = singles and not any(says_person(_name(row)) for row in rows)
    known = {joint for one in keypoint_set_names() for joint in get_keypoint_set(one).joints}
    if singles or (
        not any(joints)
        and sum(canonical_joint_name(_name(row)) in known for row in rows) > len(rows) / 2
    ):
        raise InputError(
            f"{source}: each of the categories {listed(map(_name, rows))} is a joint: which joints "
            "are of one person, the file does not say: export people as one category whose "
            "'keypoints' are all the joints (an old RectLabel writes joints so, and so do points "
            "that are no skeleton; --category NAME reads one of them as people)"
        )


def _stated_pairs(stated: Any, joints: int) -> list[tuple[int, int]]:
    """Return the mirror pairs that a category states, counted from 0.

    Raises:
        ValueError: they are no pairs of its joints.
    """
    try:
        pairs = [(int(a), int(b)) for a, b in stated]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"'flip_pairs' is not a list of pairs of joint numbers from 1 to {joints}"
        ) from None
    if outside := {number for pair in pairs for number in pair if not 1 <= number <= joints}:
        raise ValueError(
            f"'flip_pairs' names joint {min(outside)}: joints are counted from 1 to {joints}"
        )
    return [(a - 1, b - 1) for a, b in pairs]


def lost_edges(category: dict[str, Any]) -> int:
    """Return how many edges of a category's skeleton are left out: they name no joints."""
    return _edges(category)[1]


def require_joints(
    category: dict[str, Any], source: str, target: KeypointSet, *, aliases: Mapping[str, str] = {}
) -> None:
    """Refuse a category whose joints are not those of the set in its order.

    `aliases` are names that mean another joint in this format than elsewhere.
    """
    named = category["keypoints"]
    names = [str(name) for name in named] if isinstance(named, list) else []
    if tuple(canonical_joint_name(aliases.get(name, name)) for name in names) != target.joints:
        raise InputError(
            f"{source}: these are not the joints of {target.name} in its order "
            f"({', '.join(target.joints)}): read it as coco"
        )


def category_of(keypoint_set: KeypointSet) -> dict[str, Any]:
    """Return the category that describes these joints (skeleton and mirror pairs 1-based)."""
    category: dict[str, Any] = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(keypoint_set.joints),
        "skeleton": [[a + 1, b + 1] for a, b in keypoint_set.skeleton],
        "keypoint_set": keypoint_set.name,
    }
    known = keypoint_set.name in keypoint_set_names()
    if not known and keypoint_set.sigmas is not None:
        category["sigmas"] = list(keypoint_set.sigmas)
    if keypoint_set.flip_pairs != flip_pairs_by_name(keypoint_set.joints):
        category["flip_pairs"] = [[a + 1, b + 1] for a, b in keypoint_set.flip_pairs]
    return category


def _edges(category: dict[str, Any]) -> tuple[list[tuple[int, int]], int]:
    """Return the edges of the skeleton, 0-based, and how many others there are."""
    names, skeleton = category["keypoints"], category.get("skeleton") or []
    if not isinstance(skeleton, list):
        return [], 1
    index = {canonical_joint_name(name): number for number, name in enumerate(names, start=1)}
    edges = []
    for edge in skeleton:
        ends = edge if isinstance(edge, (list, tuple)) and len(edge) == 2 else []
        joints = [index.get(canonical_joint_name(e)) if isinstance(e, str) else e for e in ends]
        numbers = [int(j) for j in joints if isinstance(j, (int, float)) and abs(j) < 2**31]
        if len(numbers) == 2:
            edges.append((numbers[0] - 1, numbers[1] - 1))
    # CrowdPose ships the 17-joint skeleton of COCO, others count from 0: then no edge is right.
    if any(not 0 <= joint < len(names) for edge in edges for joint in edge):
        edges = []
    return edges, len(skeleton) - len(edges)


def _people(rows: list[dict[str, Any]], used: Counter[Any], source: str) -> list[dict[str, Any]]:
    """Return those of several categories that say person, else those that have annotations."""
    with_annotations = [row for row in rows if used[key_of(row["id"])]]
    try:
        labels = people_labels((_name(row) for row in rows), source=source)
    except InputError:
        if len(with_annotations) == 1:
            return with_annotations
        raise
    people = [row for row in rows if _name(row) in labels]
    return [row for row in people if row in with_annotations] or people


def _named(rows: list[dict[str, Any]], name: str, source: str) -> list[dict[str, Any]]:
    ids = [name] if any(str(row["id"]) == name for row in rows) else name.split(",")
    found = [row for row in rows if str(row["id"]) in map(str.strip, ids)]
    labels = people_labels((_name(row) for row in rows), name, source=source) if not found else ()
    if not rows:
        raise InputError(f"{source}: has no categories, so none is {shown(name)}")
    return found or [row for row in rows if _name(row) in labels]


def _first_alike(rows: list[dict[str, Any]], row: dict[str, Any]) -> dict[str, Any] | None:
    """Return the first of the rows with this one's name and joints."""
    own = _name(row), row.get("keypoints")
    return next((one for one in rows if (_name(one), one.get("keypoints")) == own), None)


def _is_id(value: Any) -> bool:
    return type(value) in (int, str)


def _name(row: dict[str, Any]) -> str:
    return str(row.get("name", row["id"]))
