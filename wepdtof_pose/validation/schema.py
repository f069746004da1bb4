"""What is wrong with the form of an entry, by `annotations/schema.json`, in words for people.

jsonschema-rs decides; it takes a second for a million people. Three things are added to the schema:
1.0 is no id and no size, because other programs write and compare ids as they are; NaN and infinite
numbers have the form of a number, because they are findings of their own; and a box has four
numbers or none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import jsonschema_rs

MEASURES = frozenset({"bbox", "rotated_box", "keypoints", "area"})
"""Fields of people in which NaN and infinite numbers are not a matter of form."""

_WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}


class FormError(NamedTuple):
    """What is wrong with a value: the field it is in ("" for the value itself), and the words."""

    field: str
    message: str


Check = Callable[[Any], FormError | None]


@cache
def annotation_schema() -> dict[str, Any]:
    """Return the content of `annotations/schema.json`."""
    text = resources.files("wepdtof_pose.annotations").joinpath("schema.json")
    return json.loads(text.read_text(encoding="utf-8"))


@cache
def entry_check(kind: str, *, boxes_only: bool = False) -> Check:
    """Return a function that tells the first thing wrong with the form of an entry, or None.

    Args:
        kind: "image", "annotation" or "category".
        boxes_only: the entries are of a file of rotated boxes without joints: five numbers a box,
            and images may lack their size.

    >>> check = entry_check("annotation")
    >>> check({"image_id": 1, "bbox": [1, 2, "3", 4]}).message
    "'bbox' [2] is a text instead of a number"
    >>> check({"image_id": 1, "bbox": [1, 2, 3, 4]})
    """
    root = annotation_schema()
    schema = dict(root["$defs"][kind])
    if boxes_only:
        schema |= _of_box_files(kind, schema)
    fields = schema["properties"]
    whole = [name for name in fields if _only_whole(fields[name], root)]
    validator = jsonschema_rs.validator_for({**schema, "$defs": root["$defs"]})

    def check(entry: Any) -> FormError | None:
        try:
            if not validator.is_valid(entry):
                wrong = next(_errors(validator.iter_errors(entry), entry, schema, root), None)
                if wrong is not None:
                    return wrong
        except UnicodeEncodeError:
            if isinstance(entry, dict) and not set(entry) <= set(fields):
                return check({name: entry[name] for name in fields if name in entry})
            return FormError("", "holds half a character, which no text can")
        for name in whole:
            if type(entry.get(name)) is float:
                wanted = _wanted(_resolved(fields[name], root))
                return FormError(name, f"{name!r} is a number instead of {wanted}")
        box = entry.get("bbox")
        if box and len(box) != 4 and kind == "annotation" and not boxes_only:
            return FormError("bbox", f"'bbox' has {len(box)} items instead of 4")
        return None

    return check


@cache
def fields_of(kind: str) -> frozenset[str]:
    """Return the names of the fields that the schema knows of an entry."""
    return frozenset(annotation_schema()["$defs"][kind]["properties"])


def unwritable_fields(entry: Any, kind: str) -> list[str]:
    """Return the other fields of an entry with NaN or half a character, which cannot be written."""
    known = fields_of(kind)
    if not isinstance(entry, dict) or known.issuperset(entry):
        return []
    others = ((name, entry[name]) for name in entry if name not in known)
    return [n for n, value in others if writable(n) is not n or writable(value) is not value]


def writable(value: Any) -> Any:
    r"""Return a value in a form that JSON and UTF-8 can hold, itself where it is in one.

    >>> writable({"a": [1, float("nan")], "b": "\ud800"})
    {'a': [1, None], 'b': '\\ud800'}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str) and not value.isascii():
        text = value.encode(errors="backslashreplace").decode()
        return value if text == value else text
    if isinstance(value, list):
        made = [writable(one) for one in value]
        return made if any(a is not b for a, b in zip(made, value, strict=True)) else value
    if isinstance(value, dict):
        pairs = {writable(name): writable(one) for name, one in value.items()}
        names = all(writable(name) is name for name in value)
        return value if names and all(pairs[name] is value[name] for name in value) else pairs
    return value


def wrong_categories(categories: Any) -> str | None:
    """Tell what is wrong with the form of the list of categories, or None."""
    if not isinstance(categories, list):
        return f"is {_kind(categories)} instead of a list"
    if not categories:
        return "has 0 items instead of 1"
    check = entry_check("category")
    for position, category in enumerate(categories):
        if wrong := check(category):
            return f"[{position}] {wrong.message}"
    return None


def _of_box_files(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    if kind == "image":
        return {"required": ["id", "file_name"]}
    five = {"type": "array", "items": {"type": "number"}, "minItems": 5, "maxItems": 5}
    return {
        "required": ["image_id", "bbox"],
        "properties": {**schema["properties"], "bbox": five},
    }


def _errors(
    errors: Iterator[Any], entry: Any, schema: Mapping[str, Any], root: Mapping[str, Any]
) -> Iterator[FormError]:
    """Put the errors of the validator into words; numbers that are none are left out."""
    for error in errors:
        path = error.instance_path
        value = entry
        for step in path:
            value = value[step]
        rules = _rules(schema, path, root)
        no_number = isinstance(value, float) and not math.isfinite(value)
        if path and path[0] in MEASURES and no_number and "number" in _types(rules):
            continue
        message = _message(error.kind, value, rules)
        yield FormError(str(path[0]) if path else "", f"{_place(path)}{message}")


def _message(kind: Any, value: Any, rules: Mapping[str, Any]) -> str:
    if kind.name == "required":
        return f"has no {kind.property!r}"
    if kind.name in ("minItems", "maxItems"):
        return f"has {len(value)} items instead of {kind.limit}"
    if kind.name == "minLength":
        return "is empty"
    if kind.name == "enum":
        return f"is not one of {', '.join(map(str, kind.options))}"
    if kind.name in ("minimum", "maximum"):
        least, largest = rules.get("minimum", -math.inf), rules.get("maximum", math.inf)
        huge = abs(value) >= 1e300
        return "is huge" if huge else f"is {value:.6g}, outside {least}..{largest}"
    numbers = not {"integer", "number"}.isdisjoint(_types(rules))
    if kind.name == "multipleOf" or (isinstance(value, float) and numbers):
        return f"is {value:.6g}, not a whole number"
    return f"is {_kind(value)} instead of {_wanted(rules)}"


def _wanted(rules: Mapping[str, Any]) -> str:
    return " or ".join(_WORDS[name] for name in _types(rules))


def _types(rules: Mapping[str, Any]) -> list[str]:
    types = rules.get("type", [])
    return [types] if isinstance(types, str) else types


def _place(path: list[Any]) -> str:
    """Return the words for a path into an entry: 'bbox' [2]."""
    text = ""
    for step in path:
        name = f"[{step}]" if isinstance(step, int) else repr(step)
        text += f": {name}" if text and not isinstance(step, int) else f" {name}"
    return f"{text.strip()} " if text else ""


def _rules(
    schema: Mapping[str, Any], path: list[Any], root: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the part of the schema that a path into an entry leads to."""
    for step in path:
        schema = _resolved(schema, root)
        inner = schema.get("items") if isinstance(step, int) else schema["properties"].get(step)
        schema = inner or {}
    return _resolved(schema, root)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _only_whole(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    return "integer" in _types(_resolved(schema, root))


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
    names |= {float: "number", type(None): "null"}
    name = names.get(type(value))
    return _WORDS[name] if name else type(value).__name__
