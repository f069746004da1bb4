"""Code that a run folder names: networks and methods of somebody's own, imported if allowed.

A run folder may be somebody else's. Its checkpoints hold numbers alone, but its configuration may
name `module:callable`, and importing a module runs it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from sspcm.config import TrainConfig
from wepdtof_pose.errors import InputError, lacks_memory

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
    parts = (*module_name.split("."), attribute)
    if not all(part.isidentifier() for part in parts) or module_name.endswith(".py"):
        raise InputError(
            f"{kind} {name!r}: is not module:name; the module goes without folder and .py, and its "
            "folder on PYTHONPATH"
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if f"{module_name}.".startswith(f"{error.name}."):
            raise InputError(
                f"{kind} {name!r}: {error} (is the folder of {module_name}.py on PYTHONPATH?)"
            ) from None
        raise InputError(f"{kind} {name!r}: cannot be imported: {in_words(error)}") from None
    # Whatever the module does when it is imported, sys.exit among it.
    except (Exception, SystemExit) as error:
        raise InputError(f"{kind} {name!r}: cannot be imported: {in_words(error)}") from None
    _IMPORTED.add(module_name.partition(".")[0])
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise InputError(f"{kind} {name!r}: {module_name} has no {attribute!r}") from None


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise what somebody's own network or method raises in the block as an InputError.

    It says where in their code it came up; its `__cause__` is the error itself. Other errors, those
    that interrupt, and a lack of memory, which is no fault of the code, pass as they are.
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        if lacks_memory(error) or not _IMPORTED or _own_place(error.__traceback__) is None:
            raise
        raise InputError(f"code of your own fails: {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """Return an error in a line, with the place in somebody's own code where it came up, if any."""
    place = _own_place(error.__traceback__)
    first = (str(error).strip().splitlines() or [""])[0]
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return said if place is None else f"{said} ({place})"


_IMPORTED: set[str] = set()
"""Names of the modules and packages that were imported for networks and methods."""


def _own_place(trace: TracebackType | None) -> str | None:
    """Return the innermost line of a traceback that is neither ours nor of Python or a library."""
    place = None
    while trace is not None:
        code, package = trace.tb_frame.f_code, trace.tb_frame.f_globals.get("__name__", "")
        if package.partition(".")[0] in _IMPORTED or _is_own(code.co_filename):
            place = f"{code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _is_own(file: str) -> bool:
    """Return whether a file of code is none of this project, of Python or of installed packages."""
    folders = [Path(sys.prefix), Path(sys.base_prefix), Path(importlib.__file__).parents[1]]
    for package in ("sspcm", "wepdtof_pose", "benchmarks"):
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:
            folders.append(Path(found.origin).parent)
    path = Path(file)
    return path.is_file() and not any(
        map(path.resolve().is_relative_to, map(Path.resolve, folders))
    )
