"""The methods that are compared: one file each, and the plain dictionary METHODS.

A method of your own is a subclass of `sspcm.methods.method.Method` with a dataclass `Options`, in a
module on PYTHONPATH; `--set method.name=my_methods:Mine` trains it like the others.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from sspcm.config_io import from_dict
from sspcm.heatmaps.targets import HEATMAP_STRIDE
from sspcm.methods.data_distill import DataDistill
from sspcm.methods.method import Method, MethodSetting
from sspcm.methods.multi_augs import MultiAugs
from sspcm.methods.pose_cons import PoseCons
from sspcm.methods.pose_dual import PoseDual
from sspcm.methods.pseudo_pose import PseudoPose
from sspcm.methods.sspcm import Sspcm
from sspcm.methods.sspcm_ema import SspcmEma
from sspcm.methods.supervised import Supervised
from sspcm.runs.code import import_named, in_words
from wepdtof_pose.errors import InputError, lacks_memory

METHODS: dict[str, Any] = {
    "supervised": Supervised,
    "pseudo_pose": PseudoPose,
    "data_distill": DataDistill,
    "pose_cons": PoseCons,
    "pose_dual": PoseDual,
    "sspcm": Sspcm,
    "multi_augs": MultiAugs,
    "sspcm_ema": SspcmEma,
}
"""Name -> class: a Method made of a MethodSetting and the class's own Options."""


def build_method(name: str, setting: MethodSetting, options: Mapping[str, Any]) -> Method:
    """Return the method of that name.

    Raises:
        InputError: no such method, an option that it does not have, or a method of one's own that
            cannot be made or does not keep to what `Method` says.
    """
    kind, own_options = method_class(name), method_options(name, options)
    if name in METHODS:
        return kind(setting, own_options)
    # Whatever somebody's own code raises, sys.exit among it.
    try:
        method = kind(setting, own_options)
        _require_kept(method, setting)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        if lacks_memory(error):
            raise
        raise InputError(f"method {name!r}: {in_words(error)}") from error
    return method


def _require_kept(method: Method, setting: MethodSetting) -> None:
    """Refuse a method whose heatmaps would stop a run only when it is scored, after an epoch."""
    width, height = setting.crop_size
    training = method.training
    with torch.no_grad():
        maps = method.eval().heatmaps(torch.zeros(1, 3, height, width))
    method.train(training)
    wanted = (1, setting.joints, height // HEATMAP_STRIDE, width // HEATMAP_STRIDE)
    if not isinstance(maps, Mapping):
        raise InputError(
            "heatmaps(images) of a method must return heatmaps by network, not "
            f"{type(maps).__name__}"
        )
    for network, one in maps.items():
        shape = tuple(one.shape) if isinstance(one, torch.Tensor) else type(one).__name__
        if shape != wanted:
            raise InputError(
                f"heatmaps(images) of a method must return {wanted} of images (1, 3, {height}, "
                f"{width}), not {shape} as {network!r}"
            )
    if method.reported not in maps:
        raise InputError(
            f"the network {method.reported!r} that a method reports is none of those of its "
            f"heatmaps, which are {', '.join(map(repr, maps)) or 'none'}"
        )
    if not isinstance(method.predictor(), nn.Module):
        raise InputError("predictor() of a method must return a torch.nn.Module")


def method_options(name: str, options: Mapping[str, Any]) -> Any:
    """Return the options of the method of that name, a record of its own class Options.

    Raises:
        InputError: no such method, an option that it does not have, or a value of another type.
    """
    kind = method_class(name).Options
    own = [field.name for field in dataclasses.fields(kind)]
    for option in options:
        having = [
            other
            for other, one in METHODS.items()
            if option in (field.name for field in dataclasses.fields(one.Options))
        ]
        if having and option not in own:
            raise InputError(
                f"method.options.{option} is an option of {', '.join(having)}, not of {name}, "
                f"which has {', '.join(own) or 'none'}"
            )
    return from_dict(kind, options, prefix="method.options.")


def method_class(name: str) -> Any:
    """Return the class of the method of that name, or of `module:Class` for one of your own.

    Raises:
        InputError: no such method (the message lists those there are), or no such class.
    """
    if name in METHODS:
        return METHODS[name]
    if ":" not in name:
        raise InputError(
            f"unknown method {name!r}: choose one of {', '.join(METHODS)}, or module:Class"
        )
    kind = import_named(name, kind="method")
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise InputError(f"method {name!r}: is no subclass of sspcm.methods.method.Method")
    options = getattr(kind, "Options", None)
    if not dataclasses.is_dataclass(options):
        raise InputError(f"method {name!r}: has no dataclass Options (an empty one will do)")
    try:
        typing.get_type_hints(options)
    except (NameError, TypeError) as error:
        raise InputError(
            f"method {name!r}: the types of its Options are not known: {error}"
        ) from None
    if missing := ", ".join(sorted(kind.__abstractmethods__)):
        raise InputError(f"method {name!r}: does not define {missing}")
    return kind
