"""A check of the joint names of a file: those that say a side and have no opposite."""

from __future__ import annotations

from collections.abc import Iterator

from wepdtof_pose.validation.findings import Problem
from wepdtof_pose.validation.raw_file import RawFile

_SIDES = ("left", "right", "左", "右")


def check_joint_names(raw: RawFile) -> Iterator[Problem]:
    """Joints whose names say left or right, but that no other joint becomes in a mirror."""
    if raw.keypoint_set is None:
        return
    paired = {joint for pair in raw.keypoint_set.flip_pairs for joint in pair}
    alone = [
        name
        for joint, name in enumerate(raw.keypoint_set.joints)
        if joint not in paired and any(side in name for side in _SIDES)
    ]
    if alone:
        yield Problem("joint-sides", "", [0], lambda _: ", ".join(alone))
