"""The cells of a comparison: methods x label budgets x seeds x label subsets x networks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.grid.backbones import backbone_of
from sspcm.config import TrainConfig
from sspcm.config_io import load_config
from sspcm.presets import get_preset
from wepdtof_pose.errors import InputError

NETWORK_KEYS = ("network.", "student.", "data.crop_width", "data.crop_height", "data.sigma")
"""Configuration keys, or prefixes of keys, that a network of a grid may set."""
VARIANT_KEYS = ("method.name", "method.options.")
"""Configuration keys, or prefixes of keys, that a variant of a method may set."""
AXES = {
    "method.name": "--methods",
    "data.labels": "--ratio",
    "data.subset_seed": "--subsets",
    "seed": "--seeds",
    "data.path": "--data",
}
"""Configuration keys that a grid sets itself -> the option to use instead."""


@dataclass(frozen=True)
class Cell:
    """One training run of a comparison: folder name and configuration."""

    name: str
    config: TrainConfig


@dataclass(frozen=True)
class Grid:
    """The axes of a comparison.

    Attributes:
        methods: names of methods.
        labels: label budgets.
        seeds: seeds of each label budget.
        subsets: seeds of the random choice of labelled people.
        networks: name -> configuration keys of the network; the name is part of cell names.
        preset: name of the preset.
        data: COCO-keypoint JSON or dataset folder; None means the preset's procedural set.
        settings: configuration keys of every cell.
        variants: name in tables -> method with other options, as configuration keys.
    """

    methods: tuple[str, ...]
    labels: tuple[str, ...]
    seeds: Mapping[str, tuple[int, ...]]
    subsets: tuple[int, ...] = (0,)
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    preset: str = "small"
    data: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, overrides in self.variants.items():
            if name in self.methods:
                raise InputError(f"variant {name!r} of the grid has the name of a method in it")
            for key in overrides:
                if not key.startswith(VARIANT_KEYS):
                    raise InputError(
                        f"variant {name!r} of the grid sets {key!r}; a variant sets "
                        f"{', '.join(VARIANT_KEYS)} only: settings of all cells go under 'set'"
                    )
            if "method.name" not in overrides:
                raise InputError(f"variant {name!r} of the grid needs a method.name")
        for key in self.settings:
            if key in AXES:
                raise InputError(
                    f"config key {key!r} cannot be set for all cells: use {AXES[key]}, or its key "
                    "of a grid file"
                )
        for name, overrides in self.networks.items():
            for key in overrides:
                if not key.startswith(NETWORK_KEYS):
                    raise InputError(
                        f"network {name!r} of the grid sets {key!r}; a network sets "
                        f"{', '.join(NETWORK_KEYS)} only: settings of all cells go under 'set'"
                    )


def make_cells(grid: Grid, *, data: Path, cache: Path) -> list[Cell]:
    """Return all cells in the order of the grid, seeds outermost.

    With this order, an interrupted table holds complete comparisons. A network that equals that of
    the preset and settings adds nothing to a cell's name, so that grids can grow in one folder.

    Args:
        grid: the axes of the comparison.
        data: path of the grid's data, or of the procedural set.
        cache: folder of the decoded crops.

    Raises:
        InputError: a method, network or preset is unknown, a configuration is impossible, or two
            cells cannot be told apart.
    """
    from sspcm.methods import method_class, method_options

    rows: dict[str, dict[str, Any]] = {name: {"method.name": name} for name in grid.methods}
    rows |= {name: {"method.label": name, **keys} for name, keys in grid.variants.items()}
    for keys in rows.values():
        method_class(str(keys["method.name"]))
    common = {
        **get_preset(grid.preset).overrides,
        "data.path": str(data),
        "data.cache": str(cache),
        **grid.settings,
    }
    plain = load_config(overrides=common)
    if not plain.data.test_fraction:
        raise InputError("data.test_fraction is 0: a comparison needs people to test on")
    if grid.subsets != (0,) and plain.data.order != "random":
        raise InputError("label subsets differ only where data.order is random")
    _require_different(grid, common)
    cells: dict[str, Cell] = {}
    every_seed = sorted({seed for seeds in grid.seeds.values() for seed in seeds})
    for seed, subset, labels, network, keys in product(
        every_seed, grid.subsets, grid.labels, grid.networks, rows.values()
    ):
        if seed not in grid.seeds[labels]:
            continue
        own = {"data.labels": labels, "data.subset_seed": subset, "seed": seed}
        config = load_config(overrides=common | dict(grid.networks[network]) | keys | own)
        suffix = "" if backbone_of(config) == backbone_of(plain) else f"-{network}"
        cell = Cell(cell_name(config) + suffix, config)
        if cell.name in cells:
            raise InputError(
                f"two cells of the grid are called {cell.name}: rename the network {network!r}"
            )
        cells[cell.name] = cell
    configs = [cell.config for cell in cells.values()]
    for config in {config.method.shown: config for config in configs}.values():
        method_options(config.method.name, config.method.options)
    for config in {backbone_of(config): config for config in configs}.values():
        _require_networks(config)
    return list(cells.values())


def turned(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells with crops that are turned head up."""
    return [
        replace(cell, config=replace(cell.config, data=replace(cell.config.data, upright=True)))
        for cell in cells
    ]


def cell_name(config: TrainConfig) -> str:
    """Return the name of a cell with the preset's networks; others append `-NETWORK`."""
    # A file that lists people is a path, of which no part may become a folder.
    labels = re.sub(r"[/\\]+", "_", config.data.labels.replace("%", "pct"))
    subset = f"-subset{config.data.subset_seed}" if config.data.subset_seed else ""
    return f"{config.method.shown}-{labels}-seed{config.seed}{subset}"


def _require_different(grid: Grid, common: Mapping[str, Any]) -> None:
    names: dict[object, str] = {}
    for name, overrides in grid.networks.items():
        first = names.setdefault(backbone_of(load_config(overrides={**common, **overrides})), name)
        if first != name:
            raise InputError(f"networks {first!r} and {name!r} of the grid are the same")


def _require_networks(config: TrainConfig) -> None:
    """Check now for errors that otherwise only a cell's own process would find."""
    from sspcm.networks import NETWORKS
    from sspcm.networks.roles import IMAGENET, network_maker
    from sspcm.networks.weights import IMAGENET_NETWORKS

    for role, key, network in (("A", "network", config.network), ("C", "student", config.student)):
        if network is None:
            continue
        if network.name not in NETWORKS:
            # Try a user's network with as many joints as the procedural set has.
            network_maker(config, 14, pretrained=False)(role)
        elif network.pretrained == IMAGENET and (
            network.name not in IMAGENET_NETWORKS
            or (network.name.startswith("resnet") and network.width != 64)
        ):
            raise InputError(
                f"no ImageNet file is known for {network.name} of width {network.width}: set "
                f"{key}.pretrained to a local file, or to null"
            )
