"""Keypoint sets: which joints a data set annotates, in which order, and how to convert by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from wepdtof_pose.errors import InputError

_BETWEEN_WORDS = re.compile(r"[\s_.()-]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_OPPOSITE = {"left": "right", "right": "left"}


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
        twice = [joint for joint in self.joints if self.joints.count(joint) > 1]
        if twice:
            raise InputError(f"keypoint set {self.name!r} names a joint twice: {twice[0]!r}")
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
        """Return indices (joints,) int64: joint j of a mirrored person is joint perm[j] before."""
        permutation = np.arange(len(self))
        for left, right in self.flip_pairs:
            permutation[left], permutation[right] = right, left
        return permutation

    def require_sigmas(self) -> np.ndarray:
        """Return the OKS sigmas (joints,) float64.

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
    """Return the names of the built-in keypoint sets."""
    return list(_definitions()["sets"])


@cache
def get_keypoint_set(name: str) -> KeypointSet:
    """Return the built-in keypoint set of that name.

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
    """Return the canonical spelling of a joint name: lower case, underscores, the side first.

    The side may be the first or the last word, or a letter for it.

    >>> [canonical_joint_name(name) for name in ("leftShoulder", "LShoulder", "shoulder_l")]
    ['left_shoulder', 'left_shoulder', 'left_shoulder']
    """
    aliases = _definitions()["aliases"]
    plain = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    if plain in aliases:
        return aliases[plain]
    words = [word.lower() for word in _BETWEEN_WORDS.split(name) if word]
    if len(words) > 1 and words[0] in _SIDES:
        words[0] = _SIDES[words[0]]
    elif len(words) > 1 and words[-1] in _SIDES:
        words = [_SIDES[words[-1]], *words[:-1]]
    spelled = "_".join(words)
    return aliases.get(spelled, spelled)


def flip_pairs_by_name(joints: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return index pairs, lower first, of joints whose names differ in left and right only."""
    index = {name: i for i, name in enumerate(joints)}
    pairs = []
    for name, i in index.items():
        mirrored = "_".join(_OPPOSITE.get(word, word) for word in name.split("_"))
        if i < index.get(mirrored, -1):
            pairs.append((i, index[mirrored]))
    return tuple(sorted(pairs))


def with_flip_pairs(
    keypoint_set: KeypointSet, pairs: Iterable[tuple[int, int]], *, source: str
) -> KeypointSet:
    """Return the set with the mirror pairs that a file states, where its names do not say them.

    Args:
        keypoint_set: the joints, paired by name.
        pairs: 0-based index pairs: all that there are.
        source: names the statement in errors.

    Raises:
        InputError: they are no pairs of these joints, leave out a pair that the names say, or pair
            a joint of the built-in sets that has no side, such as the nose.
    """
    stated = tuple(sorted({(min(pair), max(pair)) for pair in pairs}))
    own = set(stated) - set(keypoint_set.flip_pairs)
    result = replace(keypoint_set, flip_pairs=stated)
    known = get_keypoint_set("union-24").joints
    wrong = any(keypoint_set.joints[joint] in known for pair in own for joint in pair)
    if wrong or not set(keypoint_set.flip_pairs) <= set(stated):
        raise InputError(
            f"{source} is not the left-right exchange of {keypoint_set.name!r} "
            f"({', '.join(joint[:30] for joint in keypoint_set.joints)}): "
            "the joints are in another order than their names say"
        )
    return result


def keypoint_set_from_names(
    names: Iterable[str],
    *,
    skeleton: Iterable[Sequence[int]] = (),
    sigmas: Sequence[float] | None = None,
) -> KeypointSet:
    """Return the keypoint set that a file's joint names describe; edges are 0-based.

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
    """Return indices (target joints,) int64 into the source joints; -1 where there is none."""
    index = {name: i for i, name in enumerate(source.joints)}
    return np.array([index.get(name, -1) for name in target.joints], dtype=np.int64)


def convert_keypoints(
    keypoints: np.ndarray, source: KeypointSet, target: KeypointSet
) -> np.ndarray:
    """Return keypoints (people, joints, channels) in another set's order, by joint name.

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
