"""Tables in a text file, kept in step with the result files they come from."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.results.results import read_results
from benchmarks.running.label_choice import RESULT_FILE as CHOICE_FILE
from benchmarks.running.label_choice import choice_table
from benchmarks.speed.tables import speed_tables
from benchmarks.tables.table_text import markdown
from benchmarks.tables.tables import END_OF_BURN_IN, Report, Table, make_report
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, read_text, write_text

SPEED_FILE = "speed.json"

_MARK = re.compile(
    r"^<!-- ((?P<what>table|scores|summary) of (?P<folder>.+?)( by (?P<score>[^ ]+))?"
    r"( against (?P<baseline>[^ ]+))?|end of table) -->$",
    re.MULTILINE,
)


def with_tables(text: str, base: Path, *, source: str = "text") -> str:
    """Return the text with every marked table replaced by one from its comparison's folder.

    A table lies between the lines `<!-- table of FOLDER -->` and `<!-- end of table -->`; FOLDER is
    relative to `base`; `FOLDER by SCORE` compares by another score than AP, and `FOLDER against
    METHOD` (or `FOLDER by SCORE against METHOD`) with another method than `supervised`. `scores` in
    place of `table` leaves out cost and single networks; `summary` also leaves out details. FOLDER
    may also come from `sspcm-bench speed` or `sspcm-bench rank`. `source` names the text in errors.

    Raises:
        InputError: a folder holds no finished comparison, there is no such score or method, or a
            mark has no partner.
    """

    parts, done = [], 0
    for begin, end in _blocks(text, source):
        try:
            table = _table(begin, base)
        except InputError as error:
            raise InputError(f"{source}: {_line(begin, text)}: {error}") from None
        parts += [text[done : begin.end()], "\n\n", table, "\n"]
        done = end.start()
    return "".join([*parts, text[done:]])


def update_tables(file: Path) -> int:
    """Update the tables of a file and return their number; its line ends stay as they are.

    Where the file is a link, that which it leads to is written.

    Raises:
        InputError: the file cannot be read, marks no table, or a mark has no partner.
    """
    text = read_text(file)
    windows = text.count("\n") == text.count("\r\n") > 0
    text = text.replace("\r\n", "\n") if windows else text
    count = len(list(_blocks(text, str(file))))
    if not count:
        raise InputError(
            f"{file}: marks no table (<!-- table of FOLDER --> ... <!-- end of table -->)"
        )
    updated = with_tables(text, file.parent, source=str(file))
    mark = "\ufeff" if file.read_bytes().startswith(codecs.BOM_UTF8) else ""
    updated = updated.replace("\n", "\r\n") if windows else updated
    write_text(file, mark + updated)
    return count


def _blocks(text: str, source: str) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """Yield the two marks of every table."""
    begin: re.Match[str] | None = None
    for mark in _MARK.finditer(text):
        if mark["what"] is not None and begin is None:
            begin = mark
        elif mark["what"] is None and begin is not None:
            yield begin, mark
            begin = None
        else:
            raise _alone(begin or mark, text, source)
    if begin is not None:
        raise _alone(begin, text, source)


def _alone(mark: re.Match[str], text: str, source: str) -> InputError:
    partner = "beginning" if mark["what"] is None else "<!-- end of table -->"
    return InputError(f"{source}: {_line(mark, text)}: {mark[0]} has no {partner}")


def _line(mark: re.Match[str], text: str) -> str:
    return f"line {1 + text.count(chr(10), 0, mark.start())}"


def _table(begin: re.Match[str], base: Path) -> str:
    folder = base / begin["folder"]
    if (folder / SPEED_FILE).is_file():
        return speed_tables(read_json(folder / SPEED_FILE), source=str(folder / SPEED_FILE))
    if (folder / CHOICE_FILE).is_file():
        content = read_json(folder / CHOICE_FILE)
        try:
            return choice_table(content)
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{folder / CHOICE_FILE}: is not a result of sspcm-bench rank: run it again"
            ) from None
    report = make_report(
        read_results(folder), baseline=begin["baseline"], score=begin["score"] or "AP"
    )
    if begin["what"] == "scores":
        report = replace(report, tables=report.tables[:1])
    if begin["what"] == "summary":
        report = replace(report, provenance=report.provenance[:2], tables=(_summary(report),))
    return markdown(report)


def _summary(report: Report) -> Table:
    """Return the table of scores without title and columns of details, and at the end alone."""
    table = report.tables[0]
    method = table.head.index("method")
    ended = [row for row in table.rows if not row[method].endswith(END_OF_BURN_IN)]
    kept = [
        number
        for number, head in enumerate(table.head)
        if head not in _DETAILS and not head.endswith(" at best AP")
    ]
    head, *rows = (tuple(row[number] for number in kept) for row in (table.head, *ended))
    return Table("", head, tuple(rows))


_DETAILS = ("network", "AP50", "AR", "best AP", "published AP")
