"""Saved views: what people look for in keypoint data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

MOST_SCENES = 30
"""Scenes that get a view of their own."""
LEAST_CROWD = 3
RIM = 0.75
"""Distance from the centre, over half the shorter side, from which on a person is near the rim."""
HIDDEN_SHARE = 0.3
"""Share of hidden joints from which on a frame has many of them."""


def save_data_views(dataset: Any) -> None:
    """Save the views that need annotations only: crowded, rim, hidden joints, findings, scenes."""
    from fiftyone import ViewField as F

    crowd = max(LEAST_CROWD, _upper_quarter(dataset.values("people")))
    views = {
        "crowded": (
            dataset.match(F("people") >= crowd).sort_by("people", reverse=True),
            f"frames with {crowd} people or more, most first",
        ),
        "near the rim": (
            dataset.match(F("largest_radius") >= RIM).sort_by("largest_radius", reverse=True),
            f"somebody is {RIM:g} of the way to the rim, or farther out",
        ),
        "many hidden joints": (
            dataset.match(F("hidden_share") >= HIDDEN_SHARE).sort_by("hidden_share", reverse=True),
            f"{100 * HIDDEN_SHARE:g} % of the labelled joints or more are hidden",
        ),
        "findings": (
            dataset.match(F("findings") > 0).sort_by("findings", reverse=True),
            "frames with findings of wepdtof-pose validate; the codes are tags",
        ),
    }
    splits = dataset.distinct("split")
    for name in splits if len(splits) > 1 else []:
        views[f"split {name}"] = dataset.match(F("split") == name), f"frames of {name}"
    for name in dataset.distinct("scene")[:MOST_SCENES]:
        views[f"scene {name}"] = dataset.match(F("scene") == name), f"frames of {name}"
    for name, (view, text) in zip(_kept_apart(views), views.values(), strict=True):
        dataset.save_view(name, view, description=text, overwrite=True)


def save_run_views(dataset: Any, run: str) -> None:
    """Save the views of a predictions file: worst first and missed."""
    from fiftyone import ViewField as F

    scored = dataset.match(F(f"oks_{run}") != None)  # noqa: E711  (an expression, not a test)
    dataset.save_view(
        f"worst first {run}",
        scored.sort_by(f"oks_{run}"),
        description=f"frames by mean OKS of {run}, lowest first",
        overwrite=True,
    )
    dataset.save_view(
        f"missed {run}",
        dataset.match(F(f"missed_{run}") > 0).sort_by(f"missed_{run}", reverse=True),
        description=f"frames on which {run} missed somebody",
        overwrite=True,
    )


def save_difference_view(dataset: Any, field: str) -> None:
    """Save the view of a difference between two files: largest change for the worse first."""
    from fiftyone import ViewField as F

    dataset.save_view(
        field,
        dataset.match(F(field) != None).sort_by(field),  # noqa: E711  (as above)
        description="frames by the difference in mean OKS, lowest first",
        overwrite=True,
    )


def _kept_apart(names: Iterable[str]) -> Iterator[str]:
    """Yield the names, with a number after those that FiftyOne would take for one before: it looks
    at letters and digits of the Latin alphabet alone, and not at their case."""
    from fiftyone.core.utils import to_slug

    taken: set[str] = set()
    for name in names:
        own, number = name, 1
        while to_slug(own) in taken:
            number += 1
            own = f"{name} {number}"
        taken.add(to_slug(own))
        yield own


def _upper_quarter(counts: list[int]) -> int:
    ordered = sorted(counts)
    return ordered[3 * len(ordered) // 4] if ordered else 0
