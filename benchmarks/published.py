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
FREE_KEYS = (
    "data.path",
    "data.cache",
    "data.labels",
    "method.name",
    "seed",
    "device",
    "precision",
    "threads",
)
"""Configuration keys that may differ from the published setting beside its figures."""


def published_ap(cell: CellResult) -> float | None:
    """The published AP in percent where the setting is the published one, else None.

    That is every key of the configuration that influences the numbers, people of COCO's size, and
    test people who are not held out of those of training.
    """
    from benchmarks.presets import PRESETS
    from sspcm.config_io import flatten, load_config, to_dict
    from sspcm.sets import OWN_SPLIT

    published, own = (
        {key: value for key, value in flatten(to_dict(config)).items() if key not in FREE_KEYS}
        for config in (load_config(overrides=PRESETS["paper"].overrides), cell.config)
    )
    result = cell.result
    as_published = (
        own == published
        and result["keypoint_set"] == "coco-17"
        and result["people_train"] > 100_000
        and result["split"] == OWN_SPLIT
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
