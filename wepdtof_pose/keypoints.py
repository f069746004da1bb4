"""Keypoint sets: which joints a data set annotates, in which order, and how to convert by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from wepdtof_pose.errors import InputError


@dataclass(frozen=True)
class KeypointSet:
    """The joints of a data set, in its order.

    Always explicit: AIC-14 and LSP-14 both have 14 joints in another order, so a set is never
    guessed from a joint count.

    Attributes:
        name: name of the set; a score names it as its sigma set.
        joints: canonical joint names.
        flip_pairs: index pairs that exchange under a left/right mirror (0-based).
        skeleton: edges to draw, as 0-based index pairs.
        sigmas: OKS sigma of each joint, or None where nobody defined them.

    >>> get_keypoint_set("wepdtof-pose-14").joints[0]
    'right_shoulder'
    """

    name: str
    joints: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    skeleton: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.joints)
        if len(set(self.joints)) != count:
            raise InputError(f"keypoint set {self.name!r} names a joint twice: {self.joints}")
        paired = [index for pair in self.flip_pairs for index in pair]
        if len(set(paired)) != len(paired) or any(not 0 <= i < count for i in paired):
            raise InputError(
                f"flip pairs of keypoint set {self.name!r} are not an involution: {self.flip_pairs}"
            )
        if any(not 0 <= i < count for edge in self.skeleton for i in edge):
            raise InputError(
                f"skeleton of keypoint set {self.name!r} names a joint outside 0..{count - 1}"
            )
        if self.sigmas is not None and len(self.sigmas) != count:
            raise InputError(
                f"keypoint set {self.name!r} has {count} joints but {len(self.sigmas)} sigmas"
            )
        if any(not 0 < sigma < float("inf") for sigma in self.sigmas or ()):
            raise InputError(
                f"the sigmas of keypoint set {self.name!r} are not all finite and above 0"
            )

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def flip_permutation(self) -> np.ndarray:
        """Index array (joints,) int64: joint j of a mirrored person is joint perm[j] before."""
        permutation = np.arange(len(self))
        for left, right in self.flip_pairs:
            permutation[left], permutation[right] = right, left
        return permutation

    def require_sigmas(self) -> np.ndarray:
        """OKS sigmas (joints,) float64.

        Raises:
            InputError: the set has none, so OKS is not defined.
        """
        if self.sigmas is None:
            raise InputError(
                f"keypoint set {self.name!r} has no OKS sigmas: add a list 'sigmas' "
                f"({len(self)} numbers) beside 'keypoints' in the file's category"
            )
        return np.asarray(self.sigmas, dtype=np.float64)


def keypoint_set_names() -> list[str]:
    """Names of the built-in keypoint sets."""
    return list(_definitions()["sets"])


@cache
def get_keypoint_set(name: str) -> KeypointSet:
    """The built-in keypoint set of that name.

    Raises:
        InputError: no such set; the message lists those there are.
    """
    sets = _definitions()["sets"]
    if name not in sets:
        raise InputError(f"unknown keypoint set {name!r}: choose one of {', '.join(sets)}")
    entry = sets[name]
    return KeypointSet(
        name=name,
        joints=tuple(entry["joints"]),
        flip_pairs=flip_pairs_by_name(entry["joints"]),
        skeleton=tuple((int(a), int(b)) for a, b in entry["skeleton"]),
        sigmas=tuple(entry["sigmas"]),
    )


def canonical_joint_name(name: str) -> str:
    """The canonical spelling of a joint name: lower case, underscores, aliases resolved."""
    plain = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    return _definitions()["aliases"].get(plain, plain)


def flip_pairs_by_name(joints: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Index pairs (left_x, right_x), lower index first, of the joints whose names say so."""
    index = {name: i for i, name in enumerate(joints)}
    pairs = []
    for name, i in index.items():
        mirrored = "right_" + name.removeprefix("left_")
        if name.startswith("left_") and mirrored in index:
            pairs.append((min(i, index[mirrored]), max(i, index[mirrored])))
    return tuple(sorted(pairs))


def keypoint_set_from_names(
    names: Iterable[str],
    *,
    skeleton: Iterable[Sequence[int]] = (),
    sigmas: Sequence[float] | None = None,
) -> KeypointSet:
    """The keypoint set that a file's joint names describe; edges are 0-based.

    Names that spell a built-in set in its order give that set (wepdtof-pose-14 where aic-14 has
    the same names); any others give a set called "custom". A skeleton or sigmas of the file win
    over the built-in ones; empty lists of them are none.
    """
    joints = tuple(canonical_joint_name(name) for name in names)
    edges = tuple((int(a), int(b)) for a, b in skeleton)
    name, known = "custom", None
    for candidate in keypoint_set_names():
        if get_keypoint_set(candidate).joints == joints:
            known = get_keypoint_set(candidate)
            name = candidate
            break
    own_sigmas = tuple(float(s) for s in sigmas or ()) or None
    if known is not None and own_sigmas is not None and own_sigmas != known.sigmas:
        name = f"{name} (own sigmas)"
    return KeypointSet(
        name=name,
        joints=joints,
        flip_pairs=flip_pairs_by_name(joints),
        skeleton=edges or (known.skeleton if known else ()),
        sigmas=own_sigmas or (known.sigmas if known else None),
    )


def joint_mapping(source: KeypointSet, target: KeypointSet) -> np.ndarray:
    """Index array (target joints,) int64 into the source joints; -1 where there is none."""
    index = {name: i for i, name in enumerate(source.joints)}
    return np.array([index.get(name, -1) for name in target.joints], dtype=np.int64)


def convert_keypoints(
    keypoints: np.ndarray, source: KeypointSet, target: KeypointSet
) -> np.ndarray:
    """Keypoints (people, joints, channels) of one set in the order of another, by joint name.

    Joints that the source lacks are all zero (so their visibility is 0, not labelled); a joint
    that is there keeps its numbers, also where its visibility is 0.
    """
    mapping = joint_mapping(source, target)
    converted = np.zeros((len(keypoints), len(target), keypoints.shape[2]), dtype=keypoints.dtype)
    present = mapping >= 0
    converted[:, present] = keypoints[:, mapping[present]]
    return converted


@cache
def _definitions() -> dict[str, Any]:
    text = resources.files("wepdtof_pose.annotations").joinpath("keypoints.json")
    return json.loads(text.read_text(encoding="utf-8"))
