"""Code that a run folder names: networks and methods of somebody's own, imported if allowed.

A run folder may be somebody else's. Its checkpoints hold numbers alone, but its configuration may
name `module:callable`, and importing a module runs it.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sspcm.config import TrainConfig
from wepdtof_pose.errors import InputError

PREFIXES_OF_OURS = ("timm:",)
"""Names with a colon that import nothing of the user's."""


def imported_names(config: TrainConfig) -> dict[str, str]:
    """Return the names that a configuration imports, by config key."""
    names = {
        "network.name": config.network.name,
        "student.name": config.student.name if config.student else "",
        "method.name": config.method.name,
    }
    return {
        key: name
        for key, name in names.items()
        if ":" in name and not name.startswith(PREFIXES_OF_OURS)
    }


def require_allowed_code(
    config: TrainConfig,
    allowed: Collection[str],
    *,
    source: Path,
    named: Mapping[str, Any] | None = None,
) -> None:
    """Check that a run folder imports nothing that was not asked for by name.

    Args:
        config: of the run.
        allowed: names that may be imported.
        source: the run folder.
        named: config keys that the user set, and not the folder.
    """
    for key, name in imported_names(config).items():
        if name not in allowed and key not in (named or {}):
            raise InputError(
                f"{source}: its {key} is {name!r}, code of its own that would run: if you trust "
                f"it, --allow-code {name} (in Python allow_code=[{name!r}])"
            )


def import_named(name: str, *, kind: str) -> Any:
    """Import `module:attribute`; `kind` names what it is in errors.

    Raises:
        InputError: there is no such module or attribute, or the module cannot be imported.
    """
    module_name, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise InputError(f"{kind} {name!r}: is not module:name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{kind} {name!r}: {error} (is the folder of {module_name}.py on PYTHONPATH?)"
        ) from None
    # Whatever the module does when it is imported, sys.exit among it.
    except (Exception, SystemExit) as error:
        raise InputError(f"{kind} {name!r}: cannot be imported: {in_words(error)}") from None
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise InputError(f"{kind} {name!r}: {module_name} has no {attribute!r}") from None


def in_words(error: BaseException) -> str:
    """Return an error of somebody's code in a line, with the place where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}{place}"
