"""The cells of a comparison: methods x label budgets x seeds x label subsets x networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.presets import get_preset
from sspcm.config import TrainConfig, load_config
from wepdtof_pose.errors import InputError

NETWORK_KEYS = ("network.", "student.", "data.crop_width", "data.crop_height", "data.sigma")
"""Configuration keys (or their beginnings) that a network of a grid may set."""


@dataclass(frozen=True)
class Cell:
    """One training run of a comparison: its folder's name and its configuration."""

    name: str
    config: TrainConfig


@dataclass(frozen=True)
class Grid:
    """What is compared.

    Attributes:
        methods: names of methods.
        labels: label budgets.
        seeds: seeds of each label budget.
        subsets: seeds of the random choice of labelled people.
        networks: name -> configuration keys that make it; a name is part of the cells' names.
        preset: name of the preset.
        data: COCO-keypoint JSON or dataset folder; None is the preset's procedural set.
        settings: configuration keys of every cell.
    """

    methods: tuple[str, ...]
    labels: tuple[str, ...]
    seeds: Mapping[str, tuple[int, ...]]
    subsets: tuple[int, ...] = (0,)
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    preset: str = "small"
    data: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, overrides in self.networks.items():
            for key in overrides:
                if not key.startswith(NETWORK_KEYS):
                    raise InputError(
                        f"network {name!r} of the grid sets {key!r}; a network sets "
                        f"{', '.join(NETWORK_KEYS)} only: settings of all cells go under 'set'"
                    )


def make_cells(grid: Grid, *, data: Path, cache: Path) -> list[Cell]:
    """All cells, smallest label budget first as given, seeds outermost.

    The order makes a table that is interrupted hold whole comparisons. A network that is the
    preset's own adds nothing to a cell's name, so that grids can grow in one folder.

    Args:
        grid: what is compared.
        data: of the grid, or the procedural set.
        cache: folder of the decoded crops.

    Raises:
        InputError: unknown method or preset, or a configuration that cannot be.
    """
    from sspcm.methods import method_class

    for method in grid.methods:
        method_class(method)
    common = {
        **get_preset(grid.preset).overrides,
        "data.path": str(data),
        "data.cache": str(cache),
        **grid.settings,
    }
    plain = load_config(overrides=common)
    if grid.subsets != (0,) and plain.data.order != "random":
        raise InputError("label subsets differ only where data.order is random")
    cells = {}
    every_seed = sorted({seed for seeds in grid.seeds.values() for seed in seeds})
    for seed in every_seed:
        for subset in grid.subsets:
            for labels in grid.labels:
                if seed not in grid.seeds[labels]:
                    continue
                for network, overrides in grid.networks.items():
                    for method in grid.methods:
                        config = load_config(
                            overrides=common
                            | dict(overrides)
                            | {
                                "method.name": method,
                                "data.labels": labels,
                                "data.subset_seed": subset,
                                "seed": seed,
                            }
                        )
                        suffix = "" if _same_networks(config, plain) else f"-{network}"
                        cell = Cell(cell_name(config) + suffix, config)
                        cells[cell.name] = cell
    return list(cells.values())


def cell_name(config: TrainConfig) -> str:
    """Name of a cell with the preset's own networks; others have `-NETWORK` behind it."""
    labels = config.data.labels.replace("%", "pct")
    subset = f"-subset{config.data.subset_seed}" if config.data.subset_seed else ""
    return f"{config.method.name}-{labels}-seed{config.seed}{subset}"


def _same_networks(config: TrainConfig, other: TrainConfig) -> bool:
    return (config.network, config.student, config.data.crop_size, config.data.sigma) == (
        other.network,
        other.student,
        other.data.crop_size,
        other.data.sigma,
    )
