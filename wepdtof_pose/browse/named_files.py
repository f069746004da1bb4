"""Files that are named on the command line: `--predictions NAME=FILE`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from wepdtof_pose.errors import InputError

_RUN_FILE = "predictions"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def named_files(texts: Sequence[str]) -> dict[str, Path]:
    """Files by name; `FILE` alone is named by its stem, `predictions.json` of a run by its folder.

    Names become names of fields, so they are letters, digits and underscores; others in the name
    of a file are replaced.

    Raises:
        InputError: a name that cannot be one of a field, or that is given twice (large and small
            letters are the same).
    """
    files: dict[str, Path] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        # A file may have "=" in its path.
        if equals and "/" not in name and not Path(text).exists():
            file = Path(rest)
            if not _NAME.fullmatch(name):
                raise InputError(
                    f"--predictions {text}: the name {name!r} must be a letter, then letters, "
                    "digits and underscores"
                )
        else:
            file = Path(text)
            stem = file.absolute().parent.name if file.stem == _RUN_FILE else file.stem
            name = re.sub(r"\W", "_", stem, flags=re.ASCII)
            name = name if _NAME.fullmatch(name) else f"run_{name}"
        # FiftyOne takes views whose names differ in case alone for one.
        if name.lower() in map(str.lower, files):
            raise InputError(
                f"--predictions {text}: the name {name!r} is taken: give each file its own with "
                "NAME=FILE"
            )
        files[name] = file
    return files
