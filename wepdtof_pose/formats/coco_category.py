"""The category of a COCO keypoint file: joint names, skeleton and sigmas as a KeypointSet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import require_id, shown
from wepdtof_pose.keypoints import (
    KeypointSet,
    canonical_joint_name,
    flip_pairs_by_name,
    get_keypoint_set,
    keypoint_set_from_names,
    keypoint_set_names,
    with_flip_pairs,
)


def keypoint_category(
    content: dict[str, Any], source: str, *, required: bool
) -> dict[str, Any] | None:
    """The one category with keypoints; None where there is none and none is required."""
    categories = content.get("categories")
    rows = categories if isinstance(categories, list) else []
    found = [row for row in rows if isinstance(row, dict) and row.get("keypoints") and "id" in row]
    if len(found) == 1:
        require_id(found[0]["id"], f"{source}: the category's 'id'")
        return found[0]
    if not found and not required:
        return None
    if not found:
        raise InputError(
            f"{source}: no category names its keypoints: add 'keypoints', the list of joint "
            "names, to the category (boxes of WEPDTOF and CEPDOF have none: wepdtof-pose convert "
            "--from wepdtof first)"
        )
    names = ", ".join(shown(row.get("name", row["id"])) for row in found)
    raise InputError(f"{source}: several categories have keypoints ({names}); keep one of them")


def keypoint_set_of(category: dict[str, Any], source: str) -> KeypointSet:
    """The joints that a category describes: a built-in set where it spells one."""
    names, edges = category["keypoints"], category.get("skeleton") or []
    where = f"{source}: category {shown(category.get('name'))}"
    if not isinstance(names, list) or not all(
        isinstance(name, str) and name.isprintable() for name in names
    ):
        raise InputError(f"{where}: 'keypoints' is not a list of joint names")
    try:
        skeleton = [(int(a) - 1, int(b) - 1) for a, b in edges]
        # CrowdPose ships the 17-joint skeleton of COCO, others count from 0: edges are for drawing
        # only, so wrong ones are no reason to refuse the file.
        if any(not 0 <= joint < len(names) for edge in skeleton for joint in edge):
            skeleton = []
        found = keypoint_set_from_names(names, skeleton=skeleton, sigmas=category.get("sigmas"))
        if category.get("flip_pairs") is not None:
            pairs = [(int(a) - 1, int(b) - 1) for a, b in category["flip_pairs"]]
            pairs += found.flip_pairs
            found = with_flip_pairs(found, pairs, source="'flip_pairs'")
        declared = category.get("keypoint_set")
        if declared not in keypoint_set_names() or declared == found.name:
            return found
        known = get_keypoint_set(declared)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: {error}") from error
    if known.joints != found.joints:
        raise InputError(f"{source}: the category's keypoints are not those of {declared!r}")
    return KeypointSet(known.name, known.joints, known.flip_pairs, found.skeleton, known.sigmas)


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
    """The category that describes these joints (skeleton and mirror pairs 1-based)."""
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
