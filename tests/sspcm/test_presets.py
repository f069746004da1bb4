"""Presets: which one suits a machine, and what of it goes with what a user sets himself."""

import doctest
from pathlib import Path

import pytest

from sspcm import presets
from sspcm.config_io import load_config
from sspcm.presets import PRESETS, Preset, fitting_config, fitting_preset, settings_around
from wepdtof_pose.errors import InputError

PRESET = Preset(
    people=1,
    overrides={
        "network.name": "efficientnet_lite0",
        "network.pretrained": "imagenet",
        "precision": "float32",
        "optimisation.epochs": 10,
        "optimisation.burn_in_epochs": 6,
        "optimisation.burn_in_milestones": [4],
        "optimisation.milestones": [2],
    },
)


def test_the_example() -> None:
    assert doctest.testmod(presets).failed == 0


@pytest.mark.parametrize(
    ("device", "named", "name"),
    [
        ("cpu", {}, "small"),
        ("cuda", {}, "gpu"),
        ("cpu", {"method.recipe": "released"}, "paper"),
        ("cuda", {"method.recipe": "corrected"}, "gpu"),
    ],
)
def test_the_preset_of_a_machine(device: str, named: dict[str, str], name: str) -> None:
    assert fitting_preset(named, device=device) == name


def test_what_is_set_is_left_alone_and_everybody_is_labelled() -> None:
    assert settings_around({}, PRESET) == {"data.labels": "all", **PRESET.overrides}
    named = {"data.labels": "300", "optimisation.milestones": [1]}
    assert not settings_around(named, PRESET).keys() & named.keys()


@pytest.mark.parametrize("key", ["network.name", "network.width", "network.deconv_channels"])
def test_a_network_of_ones_own_leaves_out_the_presets(key: str) -> None:
    rest = settings_around({key: 8}, PRESET)
    assert not any(k.startswith("network.") for k in rest)
    assert "precision" not in rest
    kept = settings_around({"network.pretrained": "a.pt"}, PRESET)
    assert {"network.name", "precision"} <= kept.keys()


@pytest.mark.parametrize(
    ("named", "burn_in", "burn_in_milestones", "milestones"),
    [
        ({"optimisation.epochs": 20}, 12, [8], [4]),
        ({"optimisation.epochs": 5}, 3, [2], [1]),
        # A drop at the start or beyond the end of a phase would be none.
        ({"optimisation.epochs": 1}, 0, [], []),
        ({"optimisation.epochs": 20, "optimisation.burn_in_epochs": 2}, None, [], [4]),
    ],
)
def test_other_epochs_stretch_the_schedule(
    named: dict[str, int],
    burn_in: int | None,
    burn_in_milestones: list[int],
    milestones: list[int],
) -> None:
    settings = settings_around(named, PRESET)
    assert settings.get("optimisation.burn_in_epochs") == burn_in
    assert settings["optimisation.burn_in_milestones"] == burn_in_milestones
    assert settings["optimisation.milestones"] == milestones
    load_config(overrides=settings | named)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_configuration_at_any_length(name: str) -> None:
    for epochs in (1, 2, 7, 500):
        named = {"optimisation.epochs": epochs}
        load_config(overrides=settings_around(named, PRESETS[name]) | named)


@pytest.mark.parametrize("key", ["optimisation.epochs", "optimisation.burn_in_epochs"])
def test_a_length_that_is_no_number_is_named(key: str) -> None:
    with pytest.raises(InputError, match=f"'{key}' must be of type int, not '1e3'"):
        settings_around({"optimisation.epochs": 20, key: "1e3"}, PRESET)


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize(
    ("settings", "method"),
    [
        ({}, "supervised"),
        ({"data.labels": "100%"}, "supervised"),
        ({"data.labels": "6"}, "sspcm"),
        ({"data.unlabelled": "SAME", "data.unlabelled_boxes": True}, "sspcm"),
        ({"method.options": {"patches": 0}}, "sspcm"),
        ({"method.name": "sspcm"}, "sspcm"),
    ],
    ids=lambda value: str(value),
)
def test_where_everybody_is_labelled_the_method_is_supervised(
    tiny_fisheye: Path, settings: dict, method: str
) -> None:
    settings = {key: str(tiny_fisheye) if v == "SAME" else v for key, v in settings.items()}
    named = {"data.path": str(tiny_fisheye), "device": "cpu"} | settings
    said: list[str] = []
    config = fitting_config(named, say=said.append)
    assert (config.method.name, config.network.name) == (method, "efficientnet_lite0")
    assert config.data.upright
    assert said[0].startswith("preset small, for a CPU: efficientnet_lite0")
