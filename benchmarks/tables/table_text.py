"""Tables as Markdown to read and as LaTeX for a paper."""

from __future__ import annotations

import re

from benchmarks.tables.tables import Report, Table

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
}


def markdown(report: Report) -> str:
    """What the numbers were measured on, warnings, and the tables, as Markdown."""
    lines = list(report.provenance)
    if report.warnings:
        lines += ["", "**The cells differ in what should be the same:**"]
        lines += [f"- {text}" for text in report.warnings]
    for table in report.tables:
        lines += ["", f"{table.title}:", "", *_markdown_table(table)]
    return "\n".join([*lines, ""])


def latex(report: Report) -> str:
    """The same as LaTeX tables (package booktabs), each with its provenance in the caption."""
    caption = " ".join([*report.provenance, *(f"NOT ALIKE: {w}." for w in report.warnings)])
    return "\n".join(_latex_table(table, caption) for table in report.tables)


def _markdown_table(table: Table) -> list[str]:
    everything = [table.head, *table.rows]
    widths = [max(len(row[column]) for row in everything) for column in range(len(table.head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in everything
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _latex_table(table: Table, caption: str) -> str:
    columns = "".join("r" if table.is_number(k) else "l" for k in range(len(table.head)))
    body = [" & ".join(map(_latex_text, row)) + r" \\" for row in (table.head, *table.rows)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex_text(table.title)}. {_latex_text(caption)}}}",
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


def _latex_text(text: str) -> str:
    """Text with LaTeX's own characters escaped; what is between backticks is set in teletype."""
    parts = re.split(r"`([^`]*)`", text)
    escaped = ["".join(_LATEX.get(letter, letter) for letter in part) for part in parts]
    return "".join(
        rf"\texttt{{{part}}}" if number % 2 else part for number, part in enumerate(escaped)
    )
