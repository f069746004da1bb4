"""Checks of joints and of the people of one image: names, places, visibility, sides, twins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import AREA_PER_BOX, row_blocks
from wepdtof_pose.keypoints import KeypointSet, get_keypoint_set, keypoint_set_names
from wepdtof_pose.scores.oks import joint_similarity
from wepdtof_pose.validation.findings import Problem
from wepdtof_pose.validation.left_right import Link, exchanged_sides
from wepdtof_pose.validation.raw_file import RawFile, codes_of

ALIKE = 0.9
"""OKS from which on two people of an image are taken for one.

Two different people hardly reach it: of 1,035 pairs in images of real samples (COCO, OCHuman and
others) the nearest has 0.60, of 4,423 pairs of 1,500 synthetic overhead people 0.25.
"""

FEWEST_JOINTS = 4
_NEIGHBOURS = 50
_NO_SIGMA = 0.079

BESIDE, BESIDE_HIDDEN = 0.1, 0.5
"""How far outside its box a visible and a hidden joint may be, over the box's width or height.

Many boxes are drawn around what is seen of a person, so hidden joints may well lie outside."""

_SIDES = ("left", "right", "左", "右")
_MIRRORED = (
    *(("l", "r"), ("links", "rechts"), ("linke", "rechte"), ("gauche", "droite")),
    *(("izquierda", "derecha"), ("izquierdo", "derecho")),
    *(("sinistra", "destra"), ("sinistro", "destro")),
)
_NUMBERED = re.compile(r"((new_)?point|joint|landmark|label|key_?point|kpt?s?|p|j|node)?_?\d+")
_PAIRED_PARTS = (
    *("eye", "ear", "shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot"),
    *("paw", "heel", "toe", "arm", "leg"),
)


def check_joint_names(raw: RawFile) -> Iterator[Problem]:
    """Find joints whose names say a side, or nothing, but that no other becomes in a mirror."""
    if raw.keypoint_set is None:
        return
    alone = unpaired_joints(raw.keypoint_set)
    if alone:
        yield Problem("joint-sides", "", [0], lambda _: ", ".join(alone))


def unpaired_joints(keypoint_set: KeypointSet) -> list[str]:
    """Return the names of joints that seem to have a side, but no opposite in the set.

    >>> from wepdtof_pose.keypoints import keypoint_set_from_names
    >>> unpaired_joints(keypoint_set_from_names(["nose", "LF_paw", "RF_paw", "left_ear"]))
    ['lf_paw', 'rf_paw', 'left_ear']

    So do all where they are only numbered, as tools do that nobody told names.
    """
    paired = {joint for pair in keypoint_set.flip_pairs for joint in pair}
    names = [name for joint, name in enumerate(keypoint_set.joints) if joint not in paired]
    if not paired and len(names) >= FEWEST_JOINTS and all(map(_NUMBERED.fullmatch, names)):
        return names
    return [
        name
        for name in names
        if any(side in name for side in _SIDES)
        or any(_mirror_names(name, other) for other in names if other != name)
    ]


def _mirror_names(first: str, second: str) -> bool:
    """Return whether two names differ only in letters or words that stand for the sides."""
    for one, other in (*_MIRRORED, *(pair[::-1] for pair in _MIRRORED)):
        for at in (i for i in range(len(first)) if first.startswith(one, i)):
            if first[:at] + other + first[at + len(one) :] == second:
                # One letter is a side only at the beginning or the end of a word.
                edges = (first[:at] or "_")[-1], (first[at + len(one) :] or "_")[0]
                if len(one) > 1 or "_" in edges:
                    return True
    numbered = {f"{part}{mark}{n}" for part in _PAIRED_PARTS for mark in ("", "_") for n in (1, 2)}
    return {first, second} <= numbered and first[:-1] == second[:-1]


def check_keypoints(raw: RawFile) -> Iterator[Problem]:
    """Find keypoints of a wrong length, no numbers, odd visibilities, joints out of place."""
    if raw.boxes_only:
        return
    joints, keypoints = raw.keypoints.shape[1], raw.keypoints
    numbers = raw.keypoint_numbers
    wrong = (numbers > 0) & (numbers != 3 * joints)
    hint = _other_joints(numbers, joints)
    yield of_people(
        raw, "keypoint-count", wrong, lambda i: f"{numbers[i]} numbers, not {3 * joints}{hint}"
    )
    names = raw.joint_names
    finite = np.isfinite(keypoints).all(axis=2)
    yield _of_joints(
        raw, "not-finite", ~finite, lambda i, j: f"{names[j]} {short(keypoints[i, j])}"
    )
    visibility = keypoints[..., 2]
    odd = finite & ~np.isin(visibility, (0, 1, 2))
    whose = " (AI Challenger's?)" if of_ai_challenger(raw) else ""
    yield _of_joints(
        raw, "visibility", odd, lambda i, j: f"{names[j]}: {visibility[i, j]:g}{whose}"
    )
    unsaid = _placed_but_unlabelled(raw)
    if unsaid:
        yield Problem("visibility-unsaid", "", [0], lambda _: f"joints of {unsaid} people")

    sizes, boxes, points = raw.sizes_of_people, raw.boxes, keypoints[..., :2]

    def place(i: int, j: int) -> str:
        return f"{names[j]} at {short(points[i, j])}"

    nowhere = ((points == 0) | (points == -1)).all(axis=2) & (points[..., 0] == points[..., 1])
    yield _of_joints(raw, "joint-nowhere", nowhere & raw.labelled & ~raw.crowds[:, None], place)
    outside, beside = _out_of_place(raw)
    yield _of_joints(
        raw,
        "joint-outside-image",
        outside,
        lambda i, j: f"{place(i, j)}, image {sizes[i, 0]:.0f} x {sizes[i, 1]:.0f}",
    )
    yield _of_joints(
        raw,
        "joint-outside-box",
        beside,
        lambda i, j: f"{place(i, j)}, box {short(boxes[i])}",
    )


def of_ai_challenger(raw: RawFile) -> bool:
    """Whether visibilities are AI Challenger's: 1 visible, 2 hidden, 3 absent, and then at 0, 0.

    COCO's files have 0 for what is absent, and no 3.
    """
    people = ~raw.crowds & (raw.keypoint_numbers == 3 * raw.keypoints.shape[1])
    joints = raw.keypoints[people].reshape(-1, 3)
    if not len(joints) or not np.isin(joints[:, 2], (1, 2, 3)).all():
        return False
    absent = joints[:, 2] == 3
    return bool(absent.any() and (absent == (joints[:, :2] == 0).all(axis=1)).all())


def _placed_but_unlabelled(raw: RawFile) -> int:
    """Return how many people have joints with places, where none of these is labelled; else 0."""
    if raw.labelled.any():
        return 0
    points, sizes = raw.keypoints[..., :2], raw.sizes_of_people[:, None]
    placed = ((points > 0) & (points < sizes)).all(axis=2)
    return int((placed.sum(axis=1) >= FEWEST_JOINTS).sum())


def check_sides(raw: RawFile) -> Iterator[Problem]:
    """Find people whose left and right are exchanged with high probability."""
    if raw.keypoint_set is None:
        return
    boxes = np.where(np.isfinite(raw.boxes), raw.boxes, 0)
    areas = boxes[:, 2:].prod(axis=1)
    masks: dict[Link, list[np.ndarray]] = {}
    for block in row_blocks(len(raw)):
        keypoints = np.where(raw.labelled[block, :, None], raw.keypoints[block], 0)
        for link, found in exchanged_sides(keypoints, raw.keypoint_set, areas[block]):
            masks.setdefault(link, []).append(found)
    for link, parts in masks.items():
        found = np.concatenate(parts) & ~raw.crowds
        yield of_people(raw, "sides-exchanged", found, _saying(link))


def check_people_of_an_image(raw: RawFile) -> Iterator[Problem]:
    """Find track ids that several people of an image have, and people who are there twice."""
    tracks = raw.fields["track_id"]
    code = codes_of(tracks)
    keys = pd.DataFrame({"image": raw.image_of, "track": code})
    again = keys.duplicated().to_numpy() & (code >= 0) & (raw.image_of >= 0)
    images = raw.image_column("id")
    yield of_people(
        raw,
        "track-repeated",
        again,
        lambda i: f"track {tracks[i]} again on image {images[raw.image_of[i]]!r}",
    )
    same = repeated_boxes(raw)
    yield of_people(raw, "box-repeated", same, lambda i: "the box of another person")
    first, second, oks = similar_people(raw, raw.labelled)
    yield Problem(
        "people-alike",
        "annotations",
        raw.rows[second],
        lambda i: f"OKS {oks[i]:.3f} with {raw.where('annotations', int(raw.rows[first[i]]))}",
    )


def similar_people(raw: RawFile, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of people of one image with an OKS of ALIKE or more: first, second, OKS.

    Compared are joints that both have labelled, at least 4 and half of what either has; the area is
    the mean of 0.53 of the boxes. Only pairs whose boxes lie near one another can reach it, so
    people are sorted along x and compared with the next 50 at most.
    """
    boxes = raw.boxes
    usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1) & (raw.image_of >= 0)
    usable &= (labelled.sum(axis=1) >= FEWEST_JOINTS) & ~raw.crowds
    rows = np.flatnonzero(usable)
    middle = boxes[rows, :2] + boxes[rows, 2:] / 2
    rows = rows[np.lexsort((middle[:, 0], raw.image_of[rows]))]
    middle = boxes[rows, :2] + boxes[rows, 2:] / 2
    reach = 0.3 * np.sqrt(boxes[rows, 2:].prod(axis=1))
    images = raw.image_of[rows]
    pairs = []
    active = np.arange(len(rows))
    for step in range(1, _NEIGHBOURS + 1):
        active = active[active + step < len(rows)]
        other = active + step
        near = (images[other] == images[active]) & (
            middle[other, 0] - middle[active, 0] < reach[active]
        )
        active = active[near]
        if not len(active):
            break
        level = np.abs(middle[active + step, 1] - middle[active, 1]) < reach[active]
        pairs.append(np.stack([rows[active[level]], rows[active[level] + step]]))
    first, second = np.sort(np.concatenate([np.zeros((2, 0), dtype=np.int64), *pairs], axis=1), 0)
    similarity = np.concatenate(
        [
            np.zeros(0),
            *(_similarity(raw, labelled, first[b], second[b]) for b in row_blocks(len(first))),
        ]
    )
    alike = np.flatnonzero(similarity >= ALIKE)
    alike = alike[np.argsort(second[alike], kind="stable")]
    return first[alike], second[alike], similarity[alike]


def repeated_boxes(raw: RawFile) -> np.ndarray:
    """Return which people (people,) have exactly the box of an earlier person of the image.

    Boxes of no size are alike because they say nothing, and are found as such.
    """
    boxes = raw.rotated if raw.boxes_only else raw.boxes
    table = pd.DataFrame(boxes).assign(image=raw.image_of)
    whole = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:4] != 0).all(axis=1)
    whole &= (raw.image_of >= 0) & ~raw.crowds
    return table.duplicated().to_numpy() & whole


def of_people(raw: RawFile, code: str, mask: np.ndarray, describe: Callable[[int], str]) -> Problem:
    """Return a problem of the people of a mask; `describe` gets their index in the arrays."""
    found = np.flatnonzero(mask)
    return Problem(code, "annotations", raw.rows[found], lambda i: describe(int(found[i])))


def _other_joints(numbers: np.ndarray, joints: int) -> str:
    """Return what it means where all people have the same other count of numbers, or nothing."""
    counts = set(numbers[numbers > 0].tolist())
    if len(counts) != 1 or counts == {3 * joints}:
        return ""
    count = counts.pop()
    sets = [name for name in keypoint_set_names() if 3 * len(get_keypoint_set(name)) == count]
    if sets:
        return (
            f", as all people have: the category is of other joints (wepdtof-pose convert "
            f"--source-keypoints {' or '.join(sets)})"
        )
    if count == 2 * joints:
        return ", as all people have: x and y without visibility?"
    if count == 4 * joints:
        return ", as all people have: four of each joint, as x, y, z, visibility?"
    return ", as all people have: the category is of other joints"


def _of_joints(
    raw: RawFile, code: str, mask: np.ndarray, describe: Callable[[int, int], str]
) -> Problem:
    """Return a problem of the people with a joint of the mask (people, joints); it names them."""
    found = np.flatnonzero(mask.any(axis=1))

    def say(i: int) -> str:
        row = int(found[i])
        joints = np.flatnonzero(mask[row])
        text = "; ".join(describe(row, int(joint)) for joint in joints[:3])
        return text + (f"; and {len(joints) - 3} more" if len(joints) > 3 else "")

    return Problem(code, "annotations", raw.rows[found], say)


def short(numbers: np.ndarray) -> str:
    """Return numbers as a short text."""
    return f"[{', '.join(f'{number:.6g}' for number in numbers)}]"


def _out_of_place(raw: RawFile) -> tuple[np.ndarray, np.ndarray]:
    """Return which labelled joints (people, joints) are outside the image, which beside the box."""
    labelled = raw.labelled & ~raw.crowds[:, None]
    outside, beside = np.zeros_like(labelled), np.zeros_like(labelled)
    for block in row_blocks(len(raw)):
        points, visibility = raw.keypoints[block, :, :2], raw.keypoints[block, :, 2:]
        sizes, boxes = raw.sizes_of_people[block, None], raw.boxes[block, None]
        share = np.where(visibility == 1, BESIDE_HIDDEN, BESIDE)
        outside[block] = ((points < -0.5) | (points > sizes - 0.5)).any(axis=2)
        slack = np.maximum(share * boxes[..., 2:], 2.0)
        near, far = boxes[..., :2] - slack, boxes[..., :2] + boxes[..., 2:] + slack
        beside[block] = ((points < near) | (points > far)).any(axis=2)
    proper = np.all(raw.boxes[:, 2:] > 0, axis=1)
    outside &= labelled
    return outside, beside & labelled & ~outside & proper[:, None]


def _saying(link: Link) -> Callable[[int], str]:
    return lambda _: f"{link.upper}s and {link.lower}s point against each other"


def _similarity(
    raw: RawFile, labelled: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    a, b = raw.keypoints[first, :, :2], raw.keypoints[second, :, :2]
    both = labelled[first] & labelled[second]
    squared = np.where(both, ((np.where(both[..., None], a - b, 0)) ** 2).sum(axis=2), 0)
    known = raw.keypoint_set.sigmas if raw.keypoint_set else None
    sigmas = np.full(a.shape[1], _NO_SIGMA) if known is None else np.asarray(known)
    areas = (
        AREA_PER_BOX * (raw.boxes[first, 2:].prod(axis=1) + raw.boxes[second, 2:].prod(axis=1)) / 2
    )
    similarity = (joint_similarity(squared, areas, sigmas) * both).sum(axis=1)
    shared = both.sum(axis=1)
    most = np.maximum(labelled[first].sum(axis=1), labelled[second].sum(axis=1))
    enough = (shared >= FEWEST_JOINTS) & (2 * shared >= most)
    return np.where(enough, similarity / np.maximum(shared, 1), 0.0)
