"""Commands that make a comparison anew, from the configurations of its cells."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.grid import AXES, NETWORK_KEYS, cell_name
from benchmarks.layout import ComparisonFolder
from benchmarks.presets import PRESETS
from benchmarks.results import CellResult, Comparison
from sspcm.config import flatten, load_config, to_dict


@dataclass(frozen=True)
class _Settings:
    """What cells of one command have in common: its options, and a network of a grid by name."""

    options: str
    network: str
    network_keys: str


def commands(comparison: Comparison) -> list[str]:
    """Commands of a shell that have the comparison's cells, each with its settings.

    Configuration keys that today's preset does not have are given by --set. Cells of one
    configuration and the same methods, seeds and subsets are one command; a network with a name of
    its own comes from a grid file, written first.
    """
    by_budget: dict[tuple[_Settings, str], list[CellResult]] = {}
    for cell in comparison.cells:
        key = (_settings(comparison, cell), cell.result["labels"])
        by_budget.setdefault(key, []).append(cell)
    grids: dict[tuple[_Settings, str], list[str]] = {}
    for (settings, labels), cells in by_budget.items():
        methods = ",".join(dict.fromkeys(cell.result["method"] for cell in cells))
        axes = f"--methods {methods} --seeds {1 + max(cell.config.seed for cell in cells)}"
        if subsets := max(cell.config.data.subset_seed for cell in cells):
            axes += f" --subsets {1 + subsets}"
        grids.setdefault((settings, axes), []).append(labels)
    found = []
    for (settings, axes), budgets in grids.items():
        grid = ""
        if settings.network:
            file = f"{settings.network}.yaml"
            content = f"networks: {{{settings.network}: {settings.network_keys}}}"
            found.append(f"echo {shlex.quote(content)} > {file}")
            grid = f"--grid {file} "
        ratios = " ".join(f"--ratio {shlex.quote(labels)}" for labels in budgets)
        options = f" {settings.options}" if settings.options else ""
        found.append(
            f"sspcm-bench run {grid}{ratios} {axes} --preset {comparison.preset}{options} "
            f"-o {shlex.quote(str(comparison.folder))}"
        )
    return found


def _settings(comparison: Comparison, cell: CellResult) -> _Settings:
    config = cell.config
    procedural = _is_procedural(comparison.preset, config.data.path, config.data.cache)
    before = dict(PRESETS[comparison.preset].overrides) if comparison.preset in PRESETS else {}
    if procedural:
        before["data.upright"] = True
    base = flatten(to_dict(load_config(overrides=before)))
    network = cell.folder.name.removeprefix(cell_name(config)).removeprefix("-")
    options = [] if procedural else ["--data", config.data.path]
    keys = {}
    for key, value in flatten(to_dict(config)).items():
        if key in AXES or key == "data.cache" or base.get(key) == value:
            continue
        if network and key.startswith(NETWORK_KEYS):
            keys[key] = value
        elif key == "device":
            options += ["--device", str(value)]
        else:
            options += ["--set", f"{key}={_yaml(value)}"]
    return _Settings(shlex.join(options), network, _yaml(keys))


def _yaml(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.strip().removesuffix("...").strip()


def _is_procedural(preset: str, path: str, cache: str | None) -> bool:
    """Whether the data are the set that the command makes where none is named."""
    if preset not in PRESETS or cache is None:
        return False
    made = ComparisonFolder(Path(cache).parent).fisheye(PRESETS[preset].people)
    return Path(path) == made
