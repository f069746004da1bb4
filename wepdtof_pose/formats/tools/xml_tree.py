"""XML as a tree of elements, without entities, DTDs or endless nesting."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_bytes
from wepdtof_pose.formats.fields import shown

DEEPEST = 50
"""No annotation format nests further."""


def read_xml(path: Path) -> Element:
    """Return the root element of an XML file.

    Raises:
        InputError: it is missing, unreadable, no XML, declares a document type or entities, or is
            nested too deeply; the message names the line.
    """
    return parse_xml(read_bytes(path, kind="XML"), source=str(path))


def is_set(element: Element, name: str, where: str) -> bool:
    """Return whether the mark `name` of an element is 1 or true, not 0, false or missing.

    Raises:
        InputError: it is something else; `where` names the element.
    """
    value = element.get(name, "")
    if value.strip().lower() not in _MARKS:
        raise InputError(f"{where}: {name!r} is {shown(value)}, not 0 or 1")
    return _MARKS[value.strip().lower()]


def parse_xml(content: bytes, *, source: str) -> Element:
    """Return the root element of an XML document; `source` names it in errors."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise InputError(f"{source}: line {parser.CurrentLineNumber}: nested too deeply")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def doctype(*_: object) -> None:
        raise InputError(
            f"{source}: line {parser.CurrentLineNumber}: declares a document type, which "
            "annotation files do not need: remove the <!DOCTYPE ...>"
        )

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        if content.lstrip()[:1] in (b"{", b"["):
            raise InputError(
                f"{source}: is JSON, not XML: --from coco reads COCO keypoints, --from "
                "label_studio Label Studio's export"
            ) from None
        raise InputError(
            f"{source}: not valid XML: {expat.ErrorString(error.code)} at line {error.lineno}, "
            f"column {error.offset + 1}"
        ) from None
    except InputError:
        raise
    except (ValueError, LookupError) as error:  # an encoding that expat does not know
        raise InputError(f"{source}: not readable XML: {error}: save it as UTF-8") from None
    return builder.close()


_MARKS = {"1": True, "true": True, "0": False, "false": False, "": False}
