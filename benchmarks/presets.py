"""Presets: what a comparison trains. Every method of a preset gets the same optimiser steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wepdtof_pose.errors import InputError


@dataclass(frozen=True)
class Preset:
    """A named setting.

    Attributes:
        people: size of the procedural fisheye set where no data is given.
        overrides: configuration keys that differ from the defaults of `sspcm.config`.
    """

    people: int
    overrides: dict[str, Any]


_SMALL_NETWORK = {
    "data.crop_width": 64,
    "data.crop_height": 96,
    "network.name": "resnet18",
    "network.width": 16,
    "network.deconv_channels": 32,
}

PRESETS = {
    "quick": Preset(
        people=1000,
        overrides={
            **_SMALL_NETWORK,
            "data.order": "random",
            "optimisation.epochs": 8,
            "optimisation.epoch_steps": 75,
            "optimisation.batch_size": 16,
            "optimisation.milestones": [6, 7],
            "evaluation.every": 2,
        },
    ),
    "small": Preset(
        people=3000,
        overrides={
            **_SMALL_NETWORK,
            "data.order": "random",
            "optimisation.epochs": 12,
            "optimisation.epoch_steps": 140,
            "optimisation.batch_size": 16,
            "optimisation.milestones": [8, 11],
            "evaluation.every": 3,
        },
    ),
    # The published setting: the defaults of the configuration.
    "paper": Preset(people=20000, overrides={}),
}


def get_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InputError: no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
