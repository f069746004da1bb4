"""The methods that are compared: one file each, and the plain dictionary METHODS.

A method of your own is a subclass of `sspcm.methods.method.Method` with a dataclass `Options`, in a
module on PYTHONPATH; `--set method.name=my_methods:Mine` trains it like the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sspcm.config_io import from_dict
from sspcm.methods.data_distill import DataDistill
from sspcm.methods.method import Method, MethodSetting
from sspcm.methods.multi_augs import MultiAugs
from sspcm.methods.pose_cons import PoseCons
from sspcm.methods.pose_dual import PoseDual
from sspcm.methods.pseudo_pose import PseudoPose
from sspcm.methods.sspcm import Sspcm
from sspcm.methods.sspcm_ema import SspcmEma
from sspcm.methods.supervised import Supervised
from sspcm.runs.code import import_named
from wepdtof_pose.errors import InputError

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
        InputError: no such method, or an option that it does not have.
    """
    return method_class(name)(setting, method_options(name, options))


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
    if not dataclasses.is_dataclass(getattr(kind, "Options", None)):
        raise InputError(f"method {name!r}: has no dataclass Options (an empty one will do)")
    if missing := ", ".join(sorted(kind.__abstractmethods__)):
        raise InputError(f"method {name!r}: does not define {missing}")
    return kind
