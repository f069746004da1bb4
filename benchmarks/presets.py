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
    "data.crop_width": 96,
    "data.crop_height": 128,
    "network.name": "resnet18_lateral",
    "data.order": "random",
    "optimisation.batch_size": 32,
    "optimisation.learning_rate": 0.004,
    "optimisation.factor": 0.3,
    "evaluation.decoding": "dark",
}
"""What fits two CPU cores. Labelled people are a random subset: the first N of a file of scenes
would be the people of a scene or two. Networks start from scratch, and while the learning rate is
high they are wrong too often to teach one another: all methods first burn in on labelled people,
and the rate drops when they are through."""

PRESETS = {
    "quick": Preset(
        people=1000,
        overrides={
            **_CPU,
            "network.width": 8,
            "network.deconv_channels": 32,
            "data.test_fraction": 0.3,
            "optimisation.epochs": 12,
            "optimisation.epoch_steps": 45,
            "optimisation.burn_in_epochs": 8,
            "optimisation.milestones": [8, 11],
            "evaluation.every": 4,
        },
    ),
    "small": Preset(
        people=3000,
        overrides={
            **_CPU,
            "network.width": 16,
            "network.deconv_channels": 16,
            "optimisation.epochs": 9,
            "optimisation.epoch_steps": 80,
            "optimisation.burn_in_epochs": 6,
            "optimisation.milestones": [6, 8],
            "evaluation.every": 3,
        },
    ),
    # The published setting: the defaults of the configuration, and networks from ImageNet. Some
    # figures at 1,000 labels were trained for fewer epochs (published.json); every budget gets 100.
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
