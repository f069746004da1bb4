"""Records of the files that tables and plots read from a cell, which may come from others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from sspcm.runs.records import Count, Finite
from wepdtof_pose.records import converted

Share = Annotated[float, Meta(ge=0, le=1)]
Score = Share | None


class JointScores(Struct, frozen=True):
    """Scores of one joint."""

    PCK: Score
    OKS: Score
    labelled: Count


class RadiusScores(Struct, frozen=True, rename={"low": "from", "high": "to"}):
    """Scores of the people in a range of distances from the image centre; the last is open."""

    low: Finite
    high: Finite | None
    people: Count
    AP: Score
    PCK: Score


class NetworkScores(Struct, frozen=True):
    """The scores of a network in result.json that tables and plots show."""

    AP: Score
    AP50: Score
    AP75: Score
    AR: Score
    pck: Score = field(name="PCK@0.2")
    pckh: Score = field(name="PCKh@0.5")
    sigma_set: str
    area_rule: str
    per_joint: dict[str, JointScores]
    by_radius: list[RadiusScores] | UnsetType = UNSET


class PckCurve(Struct, frozen=True):
    """PCK by threshold, relative to the square root of the box area: pck_curve.json."""

    thresholds: list[Finite]
    PCK: list[Share]


class LabelBin(Struct, frozen=True):
    """A bin of pseudo-labels: mean value of the criterion, accuracy and count."""

    value: Finite
    accuracy: Share
    joints: Count


class KeptLabels(Struct, frozen=True):
    """Accuracy of the best pseudo-labels, by the share that is kept."""

    shares: list[Share]
    accuracy: list[Share]


class LabelSignal(Struct, frozen=True):
    """How well a criterion tells right pseudo-labels from wrong ones."""

    bins: list[LabelBin]
    kept: KeptLabels
    auc: Score


class LabelQuality(Struct, frozen=True):
    """Quality of pseudo-labels: pseudo_label_quality.json."""

    joints: Count
    accuracy: Share
    by: dict[str, LabelSignal]


JointAP = dict[str, Score]
"""AP of every single joint: joint_ap.json."""


def require_scores(networks: dict[str, dict[str, Any]], which: str, *, file: Path) -> None:
    """Check the scores of every network, after the `last` or in the `best` epoch."""
    for name, scores in networks.items():
        source = f"{file}: network {name!r} in {which!r}"
        converted(scores, NetworkScores, source=source, what="scored for tables")
