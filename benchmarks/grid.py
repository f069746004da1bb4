"""The cells of a comparison: every method at every label budget with every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.presets import get_preset
from sspcm.config import TrainConfig, load_config
from sspcm.methods import method_class


@dataclass(frozen=True)
class Cell:
    """One training run of a comparison."""

    method: str
    labels: str
    seed: int
    config: TrainConfig

    @property
    def name(self) -> str:
        """Folder name of the cell's run."""
        return f"{self.method}-{self.labels.replace('%', 'pct')}-seed{self.seed}"


def make_cells(
    *,
    methods: Sequence[str],
    ratios: Sequence[str],
    seeds: int,
    data: Path,
    preset: str,
    cache: Path,
    overrides: Mapping[str, Any] | None = None,
) -> list[Cell]:
    """All cells, smallest label budget first as given, seeds outermost.

    The order makes a table that is interrupted hold whole comparisons.

    Raises:
        InputError: unknown method or preset, or a configuration that cannot be.
    """
    for method in methods:
        method_class(method)
    common = {
        **get_preset(preset).overrides,
        "data.path": str(data),
        "data.cache": str(cache),
        **(overrides or {}),
    }
    return [
        Cell(
            method=method,
            labels=labels,
            seed=seed,
            config=load_config(
                overrides=common | {"method.name": method, "data.labels": labels, "seed": seed}
            ),
        )
        for seed in range(seeds)
        for labels in ratios
        for method in methods
    ]
