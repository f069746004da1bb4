"""Configurations from YAML, dictionaries and `--set a.b=c`, and back.

An unknown key or a value of the wrong type is an error that names the key.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import os
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sspcm.config import TrainConfig
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_text, with_home
from wepdtof_pose.formats.fields import shown
from wepdtof_pose.plain_yaml import parse_yaml


def load_config(
    path: Path | None = None, *, overrides: Mapping[str, Any] | None = None
) -> TrainConfig:
    """Return the configuration of a YAML file, or the defaults, with overrides `{"a.b": value}`.

    Raises:
        InputError: no such file, no YAML, an unknown key, or a value of the wrong type.
    """
    content = {} if path is None else _read_yaml(path)
    for key, value in (overrides or {}).items():
        _set(content, key, value)
    try:
        return from_dict(TrainConfig, content)
    except InputError:
        if path is not None:
            _require_usable(path)
        raise


def stated_keys(path: Path) -> set[str]:
    """Return the keys `a.b` that a YAML file sets itself.

    Raises:
        InputError: no such file, or no YAML.
    """
    return set(flatten(_read_yaml(path)))


def parse_override(text: str, *, option: str = "--set") -> tuple[str, Any]:
    """Return the key and value of `a.b=c`, read as YAML; `option` is named in errors.

    Raises:
        InputError: it has no `=` or no key, or the value is no YAML.
    """
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InputError(f"{option} {text!r}: expected KEY=VALUE")
    return key.strip(), parse_yaml(value, source=f"{option} {text!r}: the value")


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """Return the keys `a.b` and values of several `--set`; a group sets the keys that it names.

    >>> parse_overrides(["optimisation={epochs: 3}", "method.options={}"])
    {'optimisation.epochs': 3, 'method.options': {}}
    """
    overrides: dict[str, Any] = {}
    for key, value in map(parse_override, texts):
        overrides |= flat_overrides({key: value})
    return overrides


def flat_overrides(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys `a.b` and values, of groups those that they name; an empty group is a value."""
    overrides: dict[str, Any] = {}
    for key, value in settings.items():
        overrides |= flatten({key: value}) or {key: value}
    return overrides


def to_yaml(config: TrainConfig) -> str:
    """Return the resolved configuration as YAML."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def to_dict(config: Any) -> dict[str, Any]:
    """Return the configuration as plain containers; tuples become lists, as YAML has them."""
    return _plain(dataclasses.asdict(config))


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the nested keys and values as `a.b` -> value; a group without keys is left out."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


_Config = TypeVar("_Config")


def from_dict(
    kind: type[_Config], content: Mapping[str, Any], *, prefix: str = "", start: Any = None
) -> _Config:
    """Return a configuration dataclass from nested dictionaries.

    Keys left out keep the values of `start`, a `kind`, or their defaults if it is None.

    Raises:
        InputError: a key is unknown or lacks a value, or a value has the wrong type.
    """
    hints = typing.get_type_hints(kind)
    unknown = [str(key) for key in content if key not in hints]
    if unknown:
        names = [prefix + name for name in hints]
        key = prefix + unknown[0]
        raise InputError(
            f"unknown config key {key!r}{_meant(key, names)}: choose from {', '.join(names)}"
        )
    # The default of a group may differ from that of its kind, as hard views do from views.
    values = {
        key: _convert(value, hints[key], key=prefix + key, start=getattr(kind, key, None))
        for key, value in content.items()
    }
    if start is not None:
        return dataclasses.replace(start, **values)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        no_default = field.default is field.default_factory is dataclasses.MISSING
        if no_default and field.name not in values:
            raise InputError(f"config key {prefix + field.name!r} has no default: give its value")
    return kind(**values)


def _meant(key: str, names: Sequence[str]) -> str:
    """Return what an unknown key, in whose group there are these names, may stand for, in words."""
    known = list(flatten(to_dict(TrainConfig())))
    if key in known:
        group, _, last = key.rpartition(".")
        return f" (in a file, write {group}: and in the line below, indented, {last}: VALUE)"
    if key in ("methods", "subsets", "networks", "preset", "set", "variants"):
        return " (it is one of a grid: sspcm-bench run --grid FILE)"
    found = [name for name in known if name.endswith(f".{key}")]
    found = found or difflib.get_close_matches(key, [*names, *known], n=1, cutoff=0.8)
    return f" ({' or '.join(found)}?)" if found else ""


def _read_yaml(path: Path) -> dict[str, Any]:
    if path.is_dir():
        named = path / "config.yaml"
        which = f"; that of the run is {named}" if named.is_file() else ""
        raise InputError(f"{path}: is a folder, not a YAML file{which}")
    content = parse_yaml(read_text(path), source=str(path))
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values at the top level")
    # A copy in place of each alias: --set changes one place alone.
    return _plain(content)


def _require_usable(path: Path) -> None:
    """Check a file on its own, so that the error names it."""
    try:
        from_dict(TrainConfig, _read_yaml(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _group(value: Any, key: str) -> Mapping[str, Any]:
    if value is None:  # a group whose keys are all comments
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"config key {key!r} must hold keys and values, not {shown(value)}")
    return value


def _convert(value: Any, hint: Any, *, key: str, start: Any = None) -> Any:
    if typing.get_origin(hint) is typing.Literal:
        hint = str  # which words it may be, TrainConfig checks
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value in (None, "None") and type(None) in arguments:
            return None
        hint = next(a for a in arguments if a is not type(None))
        return _convert(value, hint, key=key)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        start = start if isinstance(start, hint) else None
        return from_dict(hint, _group(value, key), prefix=key + ".", start=start)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"config key {key!r} must be a list, not {shown(value)}: write [a, b]")
        return tuple(_convert(item, arguments[0], key=key) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return dict(_group(value, key))
    # YAML reads 1e-3, without a dot, as text.
    if isinstance(value, numbers.Real) and hasattr(value, "item"):  # of NumPy
        value = value.item()
    elif isinstance(value, os.PathLike):
        value = os.fspath(value)
    if hint is float and (type(value) in (int, float) or isinstance(value, str)):
        value = _finite(value)
    elif hint is int and isinstance(value, str):
        value = _whole(value)
    elif hint is bool and isinstance(value, str):
        value = _SWITCHES.get(value.lower(), value)
    elif hint is str and (value is None or type(value) in (int, str)):
        value = "" if value is None else with_home(str(value))
    if type(value) is not hint:
        quotes = f": write it in quotes, '{value}'" if hint is str and type(value) is float else ""
        raise InputError(
            f"config key {key!r} must be of type {hint.__name__}, not {shown(value)}{quotes}"
        )
    return value


_SWITCHES = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


def _whole(value: str) -> Any:
    """Return a text as a whole number, if it is one."""
    try:
        return int(value)
    except ValueError:
        return value


def _finite(value: Any) -> Any:
    """Return the value as a finite number, if it is one."""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return value
    return number if math.isfinite(number) else str(value)


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise InputError(f"config key {key!r}: {parent!r} is a value, not a group of keys")
    content[last] = value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
