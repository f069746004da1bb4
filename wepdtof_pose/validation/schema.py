"""A small part of JSON Schema, compiled to functions: fast enough for every person of a big file.

The keywords are those that `annotations/schema.json` uses: type, required, properties, items,
minItems, maxItems, minLength, minimum, maximum, multipleOf 1, enum and $ref into $defs. A general
validator takes minutes for a million people; these functions take seconds. One departure from the
standard: 1.0 is no integer, because the readers refuse ids and sizes that are written so. Whole
numbers that they take as 1.0, too, are numbers and multiples of 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any

Check = Callable[[Any], str | None]
"""Tells what is wrong with a value, or None."""

_TYPES: dict[str, frozenset[type]] = {
    "object": frozenset({dict}),
    "array": frozenset({list}),
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "null": frozenset({type(None)}),
}
_KNOWN = {
    *("type", "required", "properties", "items", "minItems", "maxItems", "minLength", "minimum"),
    *("maximum", "multipleOf", "enum", "$ref", "$defs", "$schema", "title", "description"),
}


_OF_NUMBERS = {"minimum", "maximum", "multipleOf"}


@cache
def annotation_schema() -> dict[str, Any]:
    """The content of `annotations/schema.json`."""
    text = resources.files("wepdtof_pose.annotations").joinpath("schema.json")
    return json.loads(text.read_text(encoding="utf-8"))


def compile_schema(schema: Mapping[str, Any], *, root: Mapping[str, Any] | None = None) -> Check:
    """A function that tells the first thing wrong with a value, or None.

    Args:
        schema: the schema, with the keywords of this module only.
        root: where $ref points into; the schema itself by default.

    Raises:
        ValueError: a keyword that is not supported here.

    >>> check = compile_schema({"type": "object", "properties": {"w": {"type": "integer"}}})
    >>> check({"w": "12"})
    "'w' is a text instead of a whole number"
    """
    root = schema if root is None else root
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if set(schema) - _KNOWN:
        raise ValueError(f"unsupported keywords {sorted(set(schema) - _KNOWN)}")
    names = schema.get("type", list(_TYPES))
    names = [names] if isinstance(names, str) else names
    types = frozenset().union(*(_TYPES[name] for name in names))
    wanted = " or ".join(_word(next(iter(_TYPES[name])), name) for name in names)
    required = tuple(schema.get("required", ()))
    members = {k: compile_schema(v, root=root) for k, v in schema.get("properties", {}).items()}
    each = _each(schema["items"], root) if "items" in schema else None
    limits = _limits(schema)

    def check(value: Any) -> str | None:
        kind = type(value)
        if kind not in types:
            return f"is {_word(kind)} instead of {wanted}"
        if limits is not None and (wrong := limits(value)):
            return wrong
        if kind is list:
            return None if each is None else each(value)
        if kind is dict:
            for name in required:
                if name not in value:
                    return f"has no {name!r}"
            for name, member in members.items():
                if name in value and (wrong := member(value[name])):
                    return f"{name!r} {wrong}" if wrong[0] != "'" else f"{name!r}: {wrong}"
        return None

    return check


def _each(items: Mapping[str, Any], root: Mapping[str, Any]) -> Check:
    """The check of all items of a list; plain numbers and texts by their types alone."""
    check = compile_schema(items, root=root)
    plain = set(items) == {"type"} and isinstance(items["type"], str)
    types = _TYPES[items["type"]] if plain else frozenset()

    def each(values: list[Any]) -> str | None:
        if plain and types.issuperset(map(type, values)):
            return None
        for position, value in enumerate(values):
            if wrong := check(value):
                return f"[{position}] {wrong}"
        return None

    return each


def _limits(schema: Mapping[str, Any]) -> Check | None:
    if not {"minItems", "maxItems", "minLength", *_OF_NUMBERS, "enum"} & set(schema):
        return None
    fewest, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
    shortest = schema.get("minLength", 0)
    least, largest = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
    step, choices = schema.get("multipleOf"), schema.get("enum")
    if step not in (None, 1):
        raise ValueError(f"unsupported: multipleOf {step}")

    def check(value: Any) -> str | None:
        if choices is not None and value not in choices:
            return f"is not one of {', '.join(map(str, choices))}"
        if isinstance(value, list) and not fewest <= len(value) <= most:
            return f"has {len(value)} items instead of {fewest if fewest == most else 'enough'}"
        if isinstance(value, str) and len(value) < shortest:
            return "is empty"
        if not isinstance(value, (int, float)):
            return None
        if step and value % 1 != 0:
            return f"is {value:.6g}, not a whole number"
        if not least <= value <= largest:
            return (
                f"is {value:.6g}, outside {least}..{largest}" if abs(value) < 1e300 else "is huge"
            )
        return None

    return check


def _word(kind: type, name: str = "") -> str:
    words = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    words |= {int: "a whole number", float: "a number", type(None): "null"}
    return "a number" if name == "number" else words.get(kind, kind.__name__)
