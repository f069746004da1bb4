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


_CPU = {
    "data.crop_width": 64,
    "data.crop_height": 96,
    "network.name": "resnet18",
    "network.width": 16,
    "network.deconv_channels": 32,
    "data.order": "random",
    "optimisation.batch_size": 16,
    "optimisation.learning_rate": 0.002,
}
"""What fits two CPU cores. Labelled people are a random subset: the first N of a file of scenes
would be the people of a scene or two. Networks start from scratch, so all methods first burn in on
labelled people."""

PRESETS = {
    "quick": Preset(
        people=1000,
        overrides={
            **_CPU,
            "data.test_fraction": 0.3,
            "optimisation.epochs": 12,
            "optimisation.epoch_steps": 60,
            "optimisation.burn_in_epochs": 4,
            "optimisation.milestones": [10, 11],
            "evaluation.every": 4,
        },
    ),
    "small": Preset(
        people=3000,
        overrides={
            **_CPU,
            "optimisation.batch_size": 32,
            "optimisation.epochs": 14,
            "optimisation.epoch_steps": 80,
            "optimisation.burn_in_epochs": 5,
            "optimisation.learning_rate": 0.004,
            "optimisation.milestones": [11, 13],
            "evaluation.every": 2,
        },
    ),
    # The published setting: the defaults of the configuration, and networks from ImageNet.
    "paper": Preset(people=20000, overrides={"network.pretrained": "imagenet"}),
}


def get_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InputError: no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
