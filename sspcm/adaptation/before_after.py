"""What an adaptation has changed: numbers and pictures of the same people before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sspcm.adaptation.steadiness import Steadiness, box_roots, steadiness
from sspcm.inference.evaluate import TestPeople, evaluate_networks
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.scores import percent
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.images import write_image
from wepdtof_pose.pictures import annotators
from wepdtof_pose.pictures.people import as_visible, person_picture

SCORES = ("AP", "AP50", "PCK@0.2")
PICTURED = 24
"""People who are drawn: those whose poses changed most."""


@dataclass(frozen=True)
class Measured:
    """What networks make of people, and how well they score on labelled ones.

    Attributes:
        steady: their poses on people without labels.
        scores: AP, AP50 and PCK@0.2 by name; None without labelled people.
    """

    steady: Steadiness
    scores: dict[str, float | None] | None

    def as_json(self) -> dict[str, Any]:
        """Return the numbers."""
        numbers: dict[str, Any] = {
            "inconsistency": round(self.steady.mean_inconsistency, 4),
            "confidence": round(self.steady.mean_confidence, 4),
        }
        return numbers | ({} if self.scores is None else {"scores": self.scores})


def measure(
    networks: TrainedNetworks, people: PoseDataset, labelled: TestPeople | None
) -> Measured:
    """Measure the reported network.

    Args:
        networks: before or after.
        people: with boxes; see `steadiness`.
        labelled: people with labels that nothing was learned from, if there are any.
    """
    networks = networks.only(networks.reported)
    scores = None
    if labelled is not None:
        found = evaluate_networks(networks, labelled)["networks"][networks.reported]
        scores = {name: found[name] for name in SCORES}
    return Measured(steadiness(networks, people), scores)


def comparison_lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of what `Measured.as_json` gave before and after.

    >>> one = {"inconsistency": 0.1, "confidence": 0.5}
    >>> print(*comparison_lines(one, one | {"confidence": 0.75}), sep="\\n")
                                        before     after
    position inconsistency (% of box)     10.0      10.0
    mean confidence                       50.0      75.0
    """
    yield f"{'':34}{'before':>8}{'after':>10}"
    rows: list[tuple[str, float | None, float | None]] = [
        (
            "position inconsistency (% of box)",
            before["inconsistency"],
            after["inconsistency"],
        ),
        ("mean confidence", before["confidence"], after["confidence"]),
    ]
    if "scores" in before:
        rows += [(name, before["scores"][name], after["scores"][name]) for name in SCORES]
    for title, one, other in rows:
        yield f"{title:34}{percent(one):>8}{percent(other):>10}"


def write_pictures(
    people: PoseDataset,
    before: Steadiness,
    after: Steadiness,
    file: Path,
    *,
    joint_threshold: float,
) -> None:
    """Draw the `PICTURED` people whose poses changed most, before (left) and after, into a PNG."""
    moved = np.linalg.norm(after.keypoints[..., :2] - before.keypoints[..., :2], axis=2)
    change = moved.mean(axis=1) / box_roots(people)
    cells = [
        _cell(people, int(row), (before, after), joint_threshold)
        for row in np.argsort(-change, kind="stable")[:PICTURED]
    ]
    write_image(file, annotators.grid(cells, columns=4, gap=8))


def _cell(
    people: PoseDataset, row: int, found: Sequence[Steadiness], joint_threshold: float
) -> np.ndarray:
    sides = []
    for title, one in zip(("before", "after"), found, strict=True):
        pose = as_visible(one.keypoints[row], joint_threshold)
        picture = person_picture(people, row, pose)
        text = f"{title}: inconsistency {100 * one.inconsistency[row].mean():.1f} %"
        sides.append(annotators.with_caption(picture, text, size=14))
    return np.concatenate(sides, axis=1)
