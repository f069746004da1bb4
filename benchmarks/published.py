"""Published figures, and the setting that they may stand beside."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.results import CellResult


def _read() -> dict[str, Any]:
    text = resources.files("benchmarks").joinpath("published.json").read_text(encoding="utf-8")
    return json.loads(text)


PUBLISHED = _read()
METHOD_ORDER = list(PUBLISHED["AP"])
"""The methods in the order of their published figures."""


def published_ap(preset: str, cell: CellResult) -> float | None:
    """The published AP in percent where the setting is the published one, else None."""
    config, result = cell.config, cell.result
    as_published = (
        preset == "paper"
        and result["keypoint_set"] == "coco-17"
        and result["people_train"] > 100_000
        and result["labelled_order"] == "file"
        and config.network.name == "resnet18"
        and config.network.width == 64
        and config.data.crop_size == (192, 256)
    )
    figures = PUBLISHED["AP"].get(result["method"], {})
    return figures.get(str(result["people_labelled"])) if as_published else None


def published_note(*, shown: bool) -> str:
    """Where published figures come from, or why there are none."""
    if shown:
        return f"Published AP: {PUBLISHED['source']}; {PUBLISHED['setting']}."
    return (
        f"Published AP is n/a: figures exist for {PUBLISHED['setting']}; none for other data and "
        "settings, fisheye among them, could be verified."
    )
