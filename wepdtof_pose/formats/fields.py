"""Checks of the fields of parsed annotation files: what is wrong is said with where it is."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import msgspec

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.foreign import form_of, instead_of
from wepdtof_pose.records import LARGEST, OTHER_FORM

if TYPE_CHECKING:
    import numpy as np

Value = TypeVar("Value", bound=Hashable)


def objects(content: Any, key: str, source: str) -> list[dict[str, Any]]:
    """Return the list of objects under `key` of a JSON object."""
    rows = content.get(key) if isinstance(content, dict) else None
    if not isinstance(rows, list):
        known = key not in content if isinstance(content, dict) else True
        otherwise = f"{key!r} is missing or is not a list of objects"
        raise InputError(f"{source}: {instead_of(content, otherwise) if known else otherwise}")
    for row in rows:
        if not isinstance(row, dict):
            raise InputError(
                f"{source}: {key!r} lists {shown(row)}, which is no JSON object: take it out (of a "
                "COCO file wepdtof-pose validate --fix OUT --drop does)"
            )
    return rows


def rows(content: Any, source: str, what: str) -> list[dict[str, Any]]:
    """Return the content, where it is a list of objects; `what` says what was expected in them."""
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        form = f" (it {found})" if (found := form_of(content)) else ""
        raise InputError(f"{source}: expected a JSON list of {what}{form}")
    return content


def are_shares(values: np.ndarray) -> bool:
    """Return whether all positions lie between 0 and 1, and are not whole numbers."""
    return bool(((values >= 0) & (values <= 1)).all() and (values % 1 != 0).any())


def repeated(values: Iterable[Value]) -> list[Value]:
    """Return the values that are there more than once, each once and in order.

    >>> repeated([3, 1, 2, 1, 3])
    [3, 1]
    """
    return [value for value, count in Counter(values).items() if count > 1]


def wrong_field(row: Mapping[str, Any], kind: type[msgspec.Struct]) -> str:
    """Return what is wrong with the first field of a row that such a record cannot hold.

    The empty text if all are right.
    """
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in row:
            if field.required:
                return f"has no {field.encode_name!r}"
            continue
        value = row[field.encode_name]
        try:
            msgspec.convert(value, field.type)
        except OTHER_FORM as error:
            what = repr(field.encode_name)
            item = _ITEM.search(str(error))
            if item and isinstance(value, list):
                value = value[int(item.group(1))]
                what = f"an item of {what}"
            metas = [meta for meta in get_args(field.type) if isinstance(meta, msgspec.Meta)]
            expected = next((meta.description for meta in metas if meta.description), "another")
            return f"{what} is {shown(value)}; expected {expected}"
    return ""


def are_joint_names(names: Any) -> bool:
    """Return whether this is a list of printable texts."""
    return isinstance(names, list) and all(
        isinstance(name, str) and name.isprintable() for name in names
    )


def require_id(value: Any, what: str) -> None:
    """Refuse an id that is neither a whole number nor a printable text."""
    # True would be taken for 1.
    if type(value) not in (int, str) or (isinstance(value, str) and not value.isprintable()):
        raise InputError(f"{what} is neither a whole number nor a text")


def require_file_name(name: Any, where: str, *, key: str = "file_name") -> None:
    """Refuse what no file system here or elsewhere takes as a name."""
    usable = isinstance(name, str) and name and name.isprintable() and len(name.encode()) <= 1024
    if not usable or any(len(part.encode()) > 255 for part in name.split("/")):
        raise InputError(f"{where}: {key!r} is not a usable file name")


def require_numbers(values: Any, count: int, what: str) -> None:
    """Refuse what is not a list of `count` finite numbers."""
    if not isinstance(values, list):
        raise InputError(f"{what} is missing or is not a list")
    if len(values) != count:
        raise InputError(f"{what} has {len(values)} numbers instead of {count}")
    for value in values:
        if type(value) not in (int, float) or not abs(value) < LARGEST:
            raise InputError(f"{what} holds {shown(value)}, which is not a finite number")


def require_whole(value: Any, what: str) -> None:
    """Refuse what is not a whole number (2.0 is one) below 2**53."""
    require_numbers([value], 1, what)
    if value != int(value) or abs(value) >= 2**53:
        raise InputError(f"{what} holds {shown(value)}, which is not a whole number")


def whole(value: Any) -> Any:
    """Return the whole number that 640.0, '640' or '640.0' is; other values as they are.

    >>> whole("640.0"), whole(640.0), whole("640.5"), whole(None)
    (640, 640, '640.5', None)
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value.partition(".")[0])
    return int(value) if isinstance(value, float) and value.is_integer() else value


def parse_size(value: Any, what: str) -> int:
    """Return the positive whole number of pixels that a side of an image is; see `whole`."""
    side = whole(value)
    if type(side) is not int or not 0 < side < 2**31:
        raise InputError(f"{what} is {shown(value)}, not a positive whole number of pixels")
    return side


def parse_number(text: Any, what: str) -> float:
    """Return the finite number that a text spells."""
    if text is None or text == "":
        raise InputError(f"{what} is missing")
    try:
        # Python reads 1_0 as 10.
        value = float(text if "_" not in str(text) else "?")
    except (TypeError, ValueError):
        comma = _COMMA.fullmatch(text) if isinstance(text, str) else None
        hint = ": write a point in place of the comma" if comma else without_commas(str(text))
        raise InputError(f"{what} is {shown(text)}, not a number{hint}") from None
    if not abs(value) < LARGEST:
        raise InputError(f"{what} is {shown(text)}, not a finite number")
    return value


def without_commas(line: str) -> str:
    """Return what to do with a line of numbers that commas part; "" if none does."""
    return ": put spaces between numbers, not commas" if re.search("[,;]", line) else ""


def other_fields(row: dict[str, Any], known: frozenset[str]) -> dict[str, Any] | None:
    """Return the fields of a row that no table holds; None where there are none."""
    # Their names are kept once, not once a row.
    return {sys.intern(key): value for key, value in row.items() if key not in known} or None


def shown(value: Any) -> str:
    """Return a value as an error shows it: never pages of it."""
    if isinstance(value, (dict, list)):
        return f"a {type(value).__name__} of {len(value)}"
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a very long number"
    return text if len(text) <= 60 else f"{text[:57]}..."


_WHOLE = re.compile(r"[0-9]{1,11}(\.0*)?")
_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")
_ITEM = re.compile(r"\$\[(\d+)\]")
