"""Presets: named settings of a run, for a machine or a purpose.

`sspcm train` takes one by itself where nothing else is said, and every cell of a comparison shares
one, so that all methods get the same optimiser steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sspcm.config import TrainConfig
from sspcm.config_io import load_config
from wepdtof_pose.errors import InputError, counted


@dataclass(frozen=True)
class Preset:
    """A named setting.

    Attributes:
        people: size of the procedural fisheye set that a comparison makes where no data are given.
        overrides: configuration keys that differ from the defaults of `sspcm.config`.
    """

    people: int
    overrides: dict[str, Any]


_CPU = {
    "data.crop_width": 96,
    "data.crop_height": 128,
    "data.order": "random",
    "network.name": "efficientnet_lite0",
    "network.pretrained": "imagenet",
    # Its depthwise convolutions train no faster in bfloat16, and every CPU gives the same numbers.
    "precision": "float32",
    "optimisation.batch_size": 16,
    "optimisation.epoch_steps": 100,
    "optimisation.burn_in_learning_rate": 1e-3,
    "optimisation.learning_rate": 5e-4,
    "evaluation.decoding": "dark",
}
"""What fits two CPU cores. Labelled people are a random subset: the first N of a file of scenes
would be the people of a scene or two. Every network first learns what the labels can tell it, with
a learning rate that ends low, in a burn-in that the methods of a grid share; pseudo-labels before
that hold it back."""

PRESETS = {
    "quick": Preset(
        people=1000,
        overrides={
            **_CPU,
            # Smaller crops take half the time. With it the burn-in lasts until labels alone help
            # little more, so that what comes after shows what unlabelled people give.
            "data.crop_width": 64,
            "data.crop_height": 96,
            "network.frozen_stages": 2,
            "data.test_fraction": 0.3,
            "optimisation.epoch_steps": 50,
            "optimisation.epochs": 12,
            "optimisation.burn_in_epochs": 8,
            "optimisation.burn_in_milestones": [6],
            "optimisation.milestones": [3],
            "evaluation.every": 2,
        },
    ),
    "small": Preset(
        people=3000,
        overrides={
            **_CPU,
            "optimisation.epochs": 12,
            "optimisation.burn_in_epochs": 8,
            "optimisation.burn_in_milestones": [6],
            "optimisation.milestones": [3],
            "evaluation.every": 2,
        },
    ),
    # The published setting: the defaults of the configuration, and networks from ImageNet. Some
    # figures at 1,000 labels were trained for fewer epochs (published.json); every budget gets 100.
    "paper": Preset(people=20000, overrides={"network.pretrained": "imagenet"}),
    # For one GPU: larger networks and crops, in bfloat16, and more steps.
    "gpu": Preset(
        people=20000,
        overrides={
            "network.name": "resnet50_lateral",
            "network.pretrained": "imagenet",
            "data.order": "random",
            "precision": "bfloat16",
            "optimisation.batch_size": 64,
            "optimisation.epoch_steps": 200,
            "optimisation.epochs": 30,
            "optimisation.burn_in_epochs": 10,
            "optimisation.burn_in_milestones": [8],
            "optimisation.burn_in_learning_rate": 1e-3,
            "optimisation.learning_rate": 5e-4,
            "optimisation.milestones": [15],
            "evaluation.decoding": "dark",
            "evaluation.every": 5,
        },
    ),
}


def get_preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        InputError: no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def fitting_preset(named: Mapping[str, Any], *, device: str) -> str:
    """Return the name of the preset that suits a machine, unless settings ask for another.

    Args:
        named: configuration keys that the user has set.
        device: type of the device, `cpu` or `cuda`.
    """
    if named.get("method.recipe") == "released":
        return "paper"
    return "gpu" if device == "cuda" else "small"


def settings_around(named: Mapping[str, Any], preset: Preset) -> dict[str, Any]:
    """Return the settings of a preset that go with what the user has set himself.

    A network of the user's own (its name, width or deconvolutions) leaves out the preset's with its
    precision; another number of epochs stretches its schedule; without a label budget everybody
    with keypoints is labelled. None of the keys in `named` is among those returned.

    >>> preset = Preset(people=1, overrides={"optimisation.epochs": 10, "network.name": "resnet18"})
    >>> settings_around({"optimisation.epochs": 10, "network.name": "hrnet_w32"}, preset)
    {'data.labels': 'all'}
    """
    settings: dict[str, Any] = {"data.labels": "all", **preset.overrides}
    if any(key in named for key in _OWN_NETWORK):
        settings = {
            key: value
            for key, value in settings.items()
            if key != "precision" and not key.startswith("network.")
        }
    if "optimisation.epochs" in named and "optimisation.burn_in_epochs" in settings:
        settings |= _stretched(settings, named)
    return {key: value for key, value in settings.items() if key not in named}


def fitting_config(
    named: dict[str, Any], preset: str | None = None, *, say: Callable[[str], None]
) -> TrainConfig:
    """Return the configuration that suits the machine and the data.

    Args:
        named: configuration keys that the user has set; none of them is overruled.
        preset: name of the preset; the one that suits the machine if None.
        say: called with a line for each choice.

    Raises:
        InputError: no such preset, a key cannot be used, or the data cannot be read.
    """
    from sspcm.data.crop_places import TURNED, from_ceiling
    from sspcm.data.sets import all_labelled, splits_of
    from sspcm.hardware import choose_hardware

    device = choose_hardware(str(named.get("device", "auto")), "float32").device.type
    name = preset or fitting_preset(named, device=device)
    settings = settings_around(named, get_preset(name)) | named
    config = load_config(overrides=settings)
    splits = splits_of(config.data)
    has_method = any(key.startswith(("method.name", "method.options")) for key in named)
    nobody_else = not has_method and all_labelled(config.data, splits)
    if nobody_else:
        settings |= {"method.name": "supervised"}
        config = load_config(overrides=settings)
    burn_in = config.optimisation.burn_in_epochs
    before = f"{counted(burn_in, 'epoch')} of burn-in and " if burn_in else ""
    chosen = "as asked" if preset else {"cpu": "for a CPU", "cuda": "for a GPU"}[device]
    say(
        f"preset {name}, {chosen}: {config.network.name}, crops "
        f"of {config.data.crop_width} x {config.data.crop_height}, {before}"
        f"{counted(config.optimisation.epochs - burn_in, 'epoch')} of {config.method.shown}; "
        "--preset, --config and --set choose otherwise"
    )
    if nobody_else:
        say(
            "everybody is labelled and no other people are named (data.unlabelled): supervised, as "
            "no other method has people without labels to learn from; --method chooses otherwise"
        )
    if "data.upright" not in settings and from_ceiling(splits.train):
        say(TURNED)
        config = load_config(overrides=settings | {"data.upright": True})
    return config


def _stretched(settings: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schedule of a preset at another number of epochs, in the same proportions."""
    own = {key: named[key] for key in _LENGTHS if key in named}
    given = load_config(overrides=own).optimisation
    epochs, burn_in = given.epochs, given.burn_in_epochs
    share = epochs / settings["optimisation.epochs"]
    if "optimisation.burn_in_epochs" not in named:
        burn_in = min(round(share * settings["optimisation.burn_in_epochs"]), epochs - 1)
    lengths = {"burn_in_milestones": burn_in, "milestones": epochs - burn_in}
    drops = {
        f"optimisation.{key}": [
            drop
            for drop in (round(share * drop) for drop in settings[f"optimisation.{key}"])
            if 0 < drop < length
        ]
        for key, length in lengths.items()
    }
    return {"optimisation.burn_in_epochs": burn_in} | drops


_LENGTHS = ("optimisation.epochs", "optimisation.burn_in_epochs")
_OWN_NETWORK = ("network.name", "network.width", "network.deconv_channels")
