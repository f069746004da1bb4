"""Tables inside a text file, kept equal to the result files they come from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from benchmarks.results import read_results
from benchmarks.speed.tables import speed_tables
from benchmarks.table_text import markdown
from benchmarks.tables import make_report
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, replacing

SPEED_FILE = "speed.json"

_BLOCK = re.compile(
    r"(?P<begin><!-- (?P<what>table|scores) of (?P<folder>[^ ]+)( by (?P<score>[^ ]+))? -->\n)"
    r".*?(?P<end><!-- end of table -->)",
    re.DOTALL,
)


def with_tables(text: str, base: Path) -> str:
    """The text with every marked table made anew from its comparison's folder.

    A table stands between the comments `<!-- table of FOLDER -->` and `<!-- end of table -->`;
    FOLDER is relative to `base`, and `FOLDER by SCORE` compares by another score than AP. With
    `scores` instead of `table`, cost and single networks are left out. FOLDER may also be one that
    `sspcm-bench speed` wrote.

    Raises:
        InputError: a folder holds no finished comparison, or there is no such score.
    """

    def table(match: re.Match[str]) -> str:
        folder = base / match["folder"]
        if (folder / SPEED_FILE).is_file():
            text = speed_tables(read_json(folder / SPEED_FILE))
        else:
            report = make_report(read_results(folder), score=match["score"] or "AP")
            if match["what"] == "scores":
                report = replace(report, tables=report.tables[:1])
            text = markdown(report)
        return f"{match['begin']}\n{text}\n{match['end']}"

    return _BLOCK.sub(table, text)


def update_tables(file: Path) -> int:
    """Make the tables of a file anew; gives their number.

    Raises:
        InputError: the file cannot be read or marks no table.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    count = len(_BLOCK.findall(text))
    if not count:
        raise InputError(
            f"{file}: marks no table (<!-- table of FOLDER --> ... <!-- end of table -->)"
        )
    with replacing(file) as temporary:
        temporary.write_text(with_tables(text, file.parent), encoding="utf-8")
    return count
