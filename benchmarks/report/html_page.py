"""Pieces of a self-contained HTML page; every text that enters is escaped here."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.plots.plot_style import STYLE
from benchmarks.tables.tables import Table

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff;
  max-width: 66rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin-top: 2.4rem;
  border-bottom: 1px solid #ddd; padding-bottom: .2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; text-align: left; } td { white-space: nowrap; }
td.long { white-space: normal; }
th { border-bottom: 2px solid #444; vertical-align: bottom; }
td { border-bottom: 1px solid #e4e4e4; } td.number { text-align: right; }
figure { margin: 1.4rem 0; } figure img { max-width: 100%; height: auto; }
figure img[src^="data:image/svg"] { width: 100%; max-width: 56rem; }
figcaption { font-size: .85rem; color: #444; }
code, pre { font-family: ui-monospace, monospace; font-size: .85em; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; white-space: pre-wrap; }
.people { display: flex; flex-wrap: wrap; gap: 1rem; }
.people figure { margin: 0; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """The whole page of these pieces."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{html.escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def heading(text: str) -> str:
    """A heading of a section."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """A paragraph; what is between backticks is code."""
    return f"<p>{_inline(text)}</p>"


def list_of(texts: Iterable[str]) -> str:
    """A list of sentences; what is between backticks is code."""
    return "<ul>" + "".join(f"<li>{_inline(text)}</li>" for text in texts) + "</ul>"


def code_block(text: str) -> str:
    """Commands or output, as they are."""
    return f"<pre>{html.escape(text)}</pre>"


def table(content: Table) -> str:
    """A table that scrolls sideways where it is too wide."""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in content.head)
    numbers = [content.is_number(column) for column in range(len(content.head))]
    rows = "".join(
        "<tr>" + "".join(map(_table_cell, row, numbers)) + "</tr>" for row in content.rows
    )
    return (
        f'<div class="wide"><table aria-label="{html.escape(content.title)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def figure(drawn: Figure, caption: str) -> str:
    """A plot as a vector picture within the page."""
    stream = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        drawn.savefig(stream, format="svg", metadata={"Date": None})
    return _image("image/svg+xml", stream.getvalue(), caption)


def photo(image: np.ndarray, caption: str) -> str:
    """A picture (height, width, 3) uint8 BGR as a JPEG within the page."""
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 88])
    return _image("image/jpeg", content.tobytes(), caption)


def side_by_side(photos: Iterable[str]) -> str:
    """Photos beside each other."""
    return f'<div class="people">{"".join(photos)}</div>'


def _image(kind: str, content: bytes, caption: str) -> str:
    data = base64.b64encode(content).decode()
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:{kind};base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _table_cell(text: str, number: bool) -> str:
    kind = ' class="number"' if number else ' class="long"' if len(text) > 40 else ""
    return f"<td{kind}>{html.escape(text)}</td>"


def _inline(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))
