"""A self-contained HTML page of texts, tables and pictures, from the template `page.html`."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import jinja2
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.plots.plot_style import STYLE


class Block(NamedTuple):
    """A piece of the page: its kind and its content.

    In a paragraph and in a list of sentences text between backticks is code; "code" is commands or
    output, unchanged; "people" is pictures side by side.
    """

    kind: Literal["heading", "paragraph", "list", "code", "table", "figure", "people"]
    value: Any


@dataclass(frozen=True)
class Picture:
    """A picture embedded as a data URI, and its caption."""

    source: str
    caption: str


def page(title: str, blocks: Iterable[Block]) -> str:
    """Return the whole page with these blocks; the template escapes every text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmarks.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=False,
    )
    return environment.get_template("page.html").render(title=title, blocks=list(blocks))


def figure(drawn: Figure, caption: str) -> Block:
    """Return a plot as an embedded vector graphic."""
    stream = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        drawn.savefig(stream, format="svg", metadata={"Date": None})
    return Block("figure", _picture("image/svg+xml", stream.getvalue(), caption))


def photo(image: np.ndarray, caption: str) -> Picture:
    """Return a picture (height, width, 3) uint8 BGR as an embedded JPEG."""
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 88])
    return _picture("image/jpeg", content.tobytes(), caption)


def _picture(kind: str, content: bytes, caption: str) -> Picture:
    return Picture(f"data:{kind};base64,{base64.b64encode(content).decode()}", caption)
