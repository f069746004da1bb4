"""A grid as a small YAML file, checked key by key.

```yaml
methods: [supervised, sspcm]
labels: [60, 150, 10%]
seeds: {60: 3, 150: 2, 10%: 2}   # or one number, or a list of seeds
subsets: 1                       # a number, or a list of seeds of the labelled subset
networks:                        # names alone, or name -> configuration keys
  resnet18: {}
  hrnet_w32: {network.name: hrnet_w32}
preset: small
data: lspet                      # left out: the preset's procedural fisheye set
set:                             # configuration keys of every cell
  optimisation.epochs: 20
variants:                        # rows of their own: a method with other options
  one_teacher: {method.name: sspcm_ema, method.options.long_memory: 0}
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.grid.grid import Grid
from sspcm.config_io import flatten
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_text, with_home
from wepdtof_pose.plain_yaml import parse_yaml

DEFAULTS: dict[str, Any] = {
    "methods": ["supervised", "sspcm"],
    "labels": ["1k"],
    "seeds": 1,
    "subsets": 1,
    "networks": None,
    "preset": "small",
    "data": None,
    "set": {},
    "variants": {},
}
"""Defaults of a grid's keys."""

_MOST_SEEDS = 1000
"""A larger number is a seed itself, and no count of them."""


def read_grid_file(path: Path) -> dict[str, Any]:
    """Return the keys and values of a grid file; only the names of the keys are checked.

    Raises:
        InputError: the file does not exist, is not YAML or not a mapping, or has an unknown key.
    """
    content = parse_yaml(read_text(path, kind="YAML"), source=str(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values: {', '.join(DEFAULTS)}")
    for key in content:
        if key not in DEFAULTS:
            raise InputError(
                f"{path}: unknown key {key!r} of a grid: choose from {', '.join(DEFAULTS)}"
            )
    return content


def overrule(content: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a grid file, overridden by those given in addition.

    Of seeds that the file gives by budget, those of the remaining budgets are kept.
    """
    found = {**content, **given}
    seeds = found.get("seeds")
    if "labels" in given and "seeds" not in given and isinstance(seeds, Mapping):
        found["seeds"] = {key: of for key, of in seeds.items() if str(key) in given["labels"]}
    return found


def make_grid(content: Mapping[str, Any]) -> Grid:
    """Return the grid of these keys; missing keys have their defaults.

    Raises:
        InputError: a value has the wrong type; the message names the key.
    """
    values = {**DEFAULTS, **content}
    labels = _texts("labels", values["labels"])
    for key in ("preset", "data"):
        text = values[key]
        if text is not None and not (isinstance(text, str) and text.strip()):
            raise _wrong(key, text, "a text")
    return Grid(
        methods=_texts("methods", values["methods"]),
        labels=labels,
        seeds=_seeds_of_budgets(values["seeds"], labels),
        subsets=_seeds("subsets", values["subsets"]),
        networks=_networks(values["networks"]),
        preset=values["preset"],
        data=values["data"] and with_home(values["data"]),
        settings=_mapping("set", values["set"]),
        variants=_variants(values["variants"]),
    )


def _texts(key: str, value: Any) -> tuple[str, ...]:
    items = [value] if isinstance(value, (str, int)) else value
    if not isinstance(items, Sequence) or not items:
        raise _wrong(key, value, "a list of names")
    for item in items:
        if isinstance(item, bool) or not isinstance(item, (str, int)):
            raise _wrong(key, item, "a list of names")
    return tuple(dict.fromkeys(str(item) for item in items))


def _seeds(key: str, value: Any) -> tuple[int, ...]:
    if isinstance(value, list) and value and all(_is_seed(item) for item in value):
        return tuple(dict.fromkeys(value))
    if _is_seed(value) and 0 < value <= _MOST_SEEDS:
        return tuple(range(value))
    raise _wrong(key, value, f"a number from 1 to {_MOST_SEEDS} or a list of numbers from 0 on")


def _seeds_of_budgets(value: Any, labels: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    if not isinstance(value, Mapping):
        return dict.fromkeys(labels, _seeds("seeds", value))
    by_budget = {str(budget): seeds for budget, seeds in value.items()}
    for budget in (*by_budget, *labels):
        if budget not in by_budget or budget not in labels:
            raise InputError(
                f"grid key 'seeds' and grid key 'labels' must name the same budgets: {budget!r}"
            )
    return {budget: _seeds(f"seeds.{budget}", by_budget[budget]) for budget in labels}


def _networks(value: Any) -> dict[str, dict[str, Any]]:
    if value is None:
        return {"": {}}
    if isinstance(value, Mapping):
        found = {str(name): _mapping(f"networks.{name}", keys) for name, keys in value.items()}
    else:
        found = {name: {"network.name": name} for name in _texts("networks", value)}
    for name in found:
        _require_cell_name("networks", name)
    if not found:
        raise _wrong("networks", value, "a list of names")
    return found


def _variants(value: Any) -> dict[str, dict[str, Any]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong("variants", value, "names and their configuration keys")
    for name in value:
        _require_cell_name("variants", str(name))
    return {str(name): _mapping(f"variants.{name}", keys) for name, keys in value.items()}


def _require_cell_name(key: str, name: str) -> None:
    if not name or not all(letter.isalnum() or letter in "._" for letter in name):
        raise _wrong(key, name, "names of letters, digits, '.' and '_'")


def _mapping(key: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise _wrong(key, value, "configuration keys and values")
    return flatten(value)


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _wrong(key: str, value: Any, wanted: str) -> InputError:
    return InputError(f"grid key {key!r} must be {wanted}, not {value!r}")
