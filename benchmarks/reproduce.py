"""Commands that make a comparison anew, from the configurations of its cells."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.layout import ComparisonFolder
from benchmarks.presets import PRESETS
from benchmarks.results import CellResult, Comparison
from sspcm.config import load_config, to_dict

_AXES = ("method.name", "data.labels", "data.subset_seed", "seed", "data.cache", "data.path")
"""Keys that the options of the command set."""


def commands(comparison: Comparison) -> list[str]:
    """Commands of `sspcm-bench run` that have the comparison's cells, each with its settings.

    Configuration keys that today's preset does not have are given by --set. Cells of one
    configuration and the same methods, seeds and subsets are one command.
    """
    grids: dict[tuple[str, ...], list[str]] = {}
    by_budget: dict[tuple[str, str], list[CellResult]] = {}
    for cell in comparison.cells:
        options = shlex.join(_options(comparison, cell))
        by_budget.setdefault((options, cell.result["labels"]), []).append(cell)
    for (settings, labels), cells in by_budget.items():
        methods = ",".join(dict.fromkeys(cell.result["method"] for cell in cells))
        seeds = 1 + max(cell.config.seed for cell in cells)
        subsets = 1 + max(cell.config.data.subset_seed for cell in cells)
        grids.setdefault((settings, methods, str(seeds), str(subsets)), []).append(labels)
    found = []
    for (settings, methods, seed_count, subset_count), budgets in grids.items():
        ratios = " ".join(f"--ratio {shlex.quote(labels)}" for labels in budgets)
        several = "" if subset_count == "1" else f" --subsets {subset_count}"
        found.append(
            f"sspcm-bench run {ratios} --methods {methods} --seeds {seed_count}{several} "
            f"--preset {comparison.preset} {settings} -o {shlex.quote(str(comparison.folder))}"
        )
    return found


def _options(comparison: Comparison, cell: CellResult) -> Iterator[str]:
    config = cell.config
    procedural = _is_procedural(comparison.preset, config.data.path, config.data.cache)
    if not procedural:
        yield from ("--data", config.data.path)
    before = dict(PRESETS[comparison.preset].overrides) if comparison.preset in PRESETS else {}
    if procedural:
        before["data.upright"] = True
    base = _flat(to_dict(load_config(overrides=before)))
    for key, value in _flat(to_dict(config)).items():
        if key in _AXES or base.get(key) == value:
            continue
        if key == "device":
            yield from ("--device", str(value))
        else:
            text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
            yield from ("--set", f"{key}={text.removesuffix(chr(10)).removesuffix('...').strip()}")


def _is_procedural(preset: str, path: str, cache: str | None) -> bool:
    """Whether the data are the set that the command makes where none is named."""
    if preset not in PRESETS or cache is None:
        return False
    made = ComparisonFolder(Path(cache).parent).fisheye(PRESETS[preset].people)
    return Path(path) == made


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
