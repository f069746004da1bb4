"""Commands that reproduce a comparison, from the configurations of its cells."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.grid.grid import AXES, NETWORK_KEYS, cell_name
from benchmarks.layout import ComparisonFolder
from benchmarks.results.results import CellResult, Comparison
from sspcm.config_io import flatten, load_config, to_dict
from sspcm.presets import PRESETS


@dataclass(frozen=True)
class _Settings:
    """Settings that the cells of one command share: environment variables, options, and the name of
    a network in a grid file."""

    variables: str
    options: str
    network: str
    network_keys: str


Runs = tuple[tuple[int, ...], tuple[int, ...]]
"""Seeds and subsets, in all combinations."""


def fresh_folder(comparison: Comparison) -> Path:
    """Return the folder of the reproduced comparison, relative to the current folder."""
    return Path(f"{comparison.folder.resolve().name}-again")


def commands(comparison: Comparison) -> list[str]:
    """Return shell commands that make the comparison's cells in `fresh_folder`.

    Keys that differ from the present preset are given with --set. Cells with the same
    configuration, methods, seeds and subsets share a command. Named networks, and seeds and subsets
    that do not start at 0, have no options; they go into a grid file, which is written first.
    """
    kinds: dict[tuple[_Settings, str, str], list[tuple[int, int]]] = {}
    for cell in comparison.cells:
        key = (_settings(comparison, cell), cell.result.labels, cell.result.method)
        kinds.setdefault(key, []).append(cell.pair)
    by_methods: dict[tuple[_Settings, str, Runs], list[str]] = {}
    for (settings, labels, method), pairs in kinds.items():
        for runs in _products(pairs):
            by_methods.setdefault((settings, labels, runs), []).append(method)
    by_labels: dict[tuple[_Settings, tuple[str, ...], Runs], list[str]] = {}
    for (settings, labels, runs), names in by_methods.items():
        by_labels.setdefault((settings, tuple(names), runs), []).append(labels)
    found = []
    output = shlex.quote(str(fresh_folder(comparison)))
    for number, ((settings, methods, (seeds, subsets)), budgets) in enumerate(by_labels.items()):
        parts = [f"{settings.variables}sspcm-bench run"]
        axes = [f"--ratio {shlex.quote(labels)}" for labels in budgets]
        axes.append(f"--methods {shlex.quote(','.join(methods))}")
        grid: dict[str, Any] = {}
        if settings.network:
            grid["networks"] = {settings.network: yaml.safe_load(settings.network_keys)}
        for name, values in (("seeds", seeds), ("subsets", subsets)):
            if values != tuple(range(len(values))):
                grid[name] = list(values)
            elif len(values) > 1 or name == "seeds":
                axes.append(f"--{name} {len(values)}")
        if grid:
            found.append(f"echo {shlex.quote(_yaml(grid))} > grid{number}.yaml")
            parts.append(f"--grid grid{number}.yaml")
        parts += [*axes, f"--preset {shlex.quote(comparison.preset)}"]
        parts += [settings.options] if settings.options else []
        found.append(" ".join([*parts, f"-o {output}"]))
    return found


def _products(pairs: Sequence[tuple[int, int]]) -> list[Runs]:
    """Return seeds and subsets whose products are these pairs: one product if possible."""
    by_subset: dict[int, list[int]] = {}
    for seed, subset in sorted(pairs):
        by_subset.setdefault(subset, []).append(seed)
    by_seeds: dict[tuple[int, ...], list[int]] = {}
    for subset, seeds in sorted(by_subset.items()):
        by_seeds.setdefault(tuple(seeds), []).append(subset)
    return [(seeds, tuple(subsets)) for seeds, subsets in by_seeds.items()]


def _settings(comparison: Comparison, cell: CellResult) -> _Settings:
    config = cell.config
    procedural = _is_procedural(comparison.preset, config.data.path, config.data.cache)
    before = dict(PRESETS[comparison.preset].overrides) if comparison.preset in PRESETS else {}
    if procedural:
        before["data.upright"] = True
    base = flatten(to_dict(load_config(overrides=before)))
    named = cell.folder.name.startswith(f"{cell_name(config)}-")
    network = cell.folder.name.removeprefix(f"{cell_name(config)}-") if named else ""
    options = [] if procedural else ["--data", config.data.path]
    keys = {}
    for key, value in flatten(to_dict(config)).items():
        # Data decide by themselves whether crops are turned: the command names what was chosen.
        chosen = key == "data.upright" and not procedural
        if key in AXES or key == "data.cache" or (base.get(key) == value and not chosen):
            continue
        if network and key.startswith(NETWORK_KEYS):
            keys[key] = value
        elif key == "device":
            options += ["--device", str(value)]
        else:
            options += ["--set", f"{key}={_yaml(value)}"]
    return _Settings(_variables(cell), shlex.join(options), network, _yaml(keys))


def _variables(cell: CellResult) -> str:
    """Return OMP_NUM_THREADS if not all cores were used: sums on a CPU depend on the threads."""
    threads, cores = cell.environment.get("threads"), cell.environment.get("cores")
    if not threads or threads == cores or cell.config.threads or cell.result.device != "cpu":
        return ""
    return f"OMP_NUM_THREADS={threads} "


def _yaml(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.strip().removesuffix("...").strip()


def _is_procedural(preset: str, path: str, cache: str | None) -> bool:
    """Return whether the data are the procedural set, which the command makes by default."""
    if preset not in PRESETS or cache is None:
        return False
    made = ComparisonFolder(Path(cache).parent).fisheye(PRESETS[preset].people)
    return Path(path) == made
