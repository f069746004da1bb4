"""Tables as Markdown to read and as LaTeX for a paper.

Names and texts come from result files, which somebody else may have written: they are escaped, so
that they show as they are in either format.
"""

from __future__ import annotations

import re

from benchmarks.tables.tables import Report, Table
from wepdtof_pose.errors import one_line

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "°": r"$^\circ$",
    "<": r"$<$",
    ">": r"$>$",
    "$": r"\$",
}
_MARKDOWN = re.compile(r"[\\|`\[]|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
"""Characters that begin a cell, code, a link, an image, HTML or an entity."""


def markdown(report: Report) -> str:
    """Return provenance, warnings and tables as Markdown."""
    lines = [_markdown_sentence(text) for text in report.provenance]
    if report.warnings:
        lines += ["", "**The cells differ in what should be the same:**"]
        lines += [f"- {_markdown_text(text)}" for text in report.warnings]
    for table in report.tables:
        lines += ["", f"{_markdown_text(table.title)}:"] if table.title else []
        lines += ["", *_markdown_table(table)]
    return "\n".join([*lines, ""])


def latex(report: Report) -> str:
    """Return the tables as LaTeX (package booktabs), each with its provenance in the caption."""
    warnings = (f"NOT ALIKE: {_latex_text(text)}." for text in report.warnings)
    caption = " ".join([*map(_latex_sentence, report.provenance), *warnings])
    return "\n".join(_latex_table(table, caption) for table in report.tables)


def _markdown_table(table: Table) -> list[str]:
    everything = [[_markdown_text(cell) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(len(row[column]) for row in everything) for column in range(len(table.head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in everything
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _latex_table(table: Table, caption: str) -> str:
    columns = "".join("r" if table.is_number(k) else "l" for k in range(len(table.head)))
    body = [" & ".join(map(_latex_text, row)) + r" \\" for row in (table.head, *table.rows)]
    # LaTeX would take a star or bracket after the end of a row as its argument.
    body = ["{}" + row if row[0] in "[*" else row for row in body]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex_text(table.title)}. {caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            body[0],
            r"\midrule",
            *body[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _markdown_sentence(text: str) -> str:
    """Return one of our own sentences; text between backticks is code."""
    parts = _CODE.split(text)
    return "".join(
        f"`{one_line(part)}`" if number % 2 else _markdown_text(part)
        for number, part in enumerate(parts)
    )


def _markdown_text(text: str) -> str:
    return _MARKDOWN.sub(lambda found: _ENTITIES.get(found[0], rf"\{found[0]}"), one_line(text))


def _latex_sentence(text: str) -> str:
    """Return one of our own sentences; text between backticks is set in teletype."""
    return "".join(
        rf"\texttt{{{_latex_text(part)}}}" if number % 2 else _latex_text(part)
        for number, part in enumerate(_CODE.split(text))
    )


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in one_line(text))


_CODE = re.compile(r"`([^`]*)`")
_ENTITIES = {"<": "&lt;", "&": "&amp;"}
