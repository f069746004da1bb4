"""The long lists of a JSON file, a megabyte at a time.

Parsed whole, the annotations of a million people take gigabytes, most of them for numbers that are
one Python object each. Here a file is gone through twice: once to find where its lists begin and
what else is in it, then list by list, so that memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from wepdtof_pose.errors import InputError

BLOCK_BYTES = 1 << 20
"""How much is read at a time; a file no larger than this is cheaper parsed whole."""


@dataclass(frozen=True)
class LongLists:
    """A JSON object whose long lists of objects stay in the file.

    Attributes:
        path: the file.
        members: its other members.
        file: the open file.
        starts: byte at which each long list begins.
        lengths: number of items of each long list.
    """

    path: Path
    members: dict[str, Any]
    file: BinaryIO
    starts: dict[str, int]
    lengths: dict[str, int]

    def blocks(self, key: str) -> Iterator[str]:
        """Return the items of a long list as texts of shorter JSON lists.

        Raises:
            InputError: the file was changed since it was opened.
        """
        left = self.lengths[key]
        try:
            for block, items in _Text(self.file, self.starts[key]).blocks():
                left -= items
                if left < 0:
                    break
                yield block
        except _BROKEN:
            left = -1
        if left:
            raise InputError(f"{self.path}: was changed while it was read; try again")


@contextmanager
def long_lists(path: Path, keys: Sequence[str]) -> Iterator[LongLists | None]:
    """Open a large JSON file (UTF-8): an object with a list of objects under each of these keys.

    None for every other file, be it small, broken, a pipe or not there: `read_json` takes those and
    says what is wrong with them.
    """
    with ExitStack() as stack:
        lists = None
        try:
            # A pipe is not even opened: what was read of it would be lost.
            if path.is_file() and path.stat().st_size > BLOCK_BYTES:
                lists = _find_lists(path, stack.enter_context(path.open("rb")), keys)
        except _BROKEN:
            lists = None
        yield lists


def _find_lists(path: Path, file: BinaryIO, keys: Sequence[str]) -> LongLists:
    file.seek(0)
    text = _Text(file, len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0)
    members: dict[str, Any] = {}
    starts: dict[str, int] = {}
    lengths: dict[str, int] = {}
    text.take("{")
    separator = text.take("}") if text.next() == "}" else ","
    while separator == ",":
        if text.next() != '"':
            raise ValueError("not a name")
        key = text.value()
        text.take(":")
        if key not in keys:
            members[key] = text.value()
        elif key in starts:
            raise ValueError("the same list twice")
        else:
            text.next()
            starts[key] = text.position()
            lengths[key] = sum(items for _, items in text.blocks())
        separator = text.take(",}")
    if text.next() or len(starts) < len(keys):
        raise ValueError("more text, or a list less, than expected")
    return LongLists(path, members, file, starts, lengths)


class _Text:
    """A JSON text in UTF-8, parsed value by value while it is read.

    Everything raises ValueError where the text is none, and RecursionError where it is too deep.
    """

    def __init__(self, file: BinaryIO, start: int) -> None:
        file.seek(start)
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._start = "", 0, start

    def next(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            found = _NO_SPACE.search(self._text, self._at)
            if found:
                self._at = found.start()
                return found.group()
            self._at = len(self._text)
            if not self._more():
                return ""

    def take(self, wanted: str) -> str:
        """The next character, which must be one of those wanted, and past it."""
        character = self.next()
        if not character or character not in wanted:
            raise ValueError(f"not {wanted}")
        self._at += 1
        return character

    def value(self) -> Any:
        """The next value, and past it."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            # A number may go on in what has not been read yet: 1.5e is 1.5, and then 1.5e-7.
            cut = isinstance(value, (int, float)) and _DIGITS.fullmatch(self._text, end)
            if not cut or not self._more():
                self._at = end
                return value

    def blocks(self) -> Iterator[tuple[str, int]]:
        """The next list of objects, in parts: the text of a list and its length; and past it."""
        self.take("[")
        separator = self.take("]") if self.next() == "]" else ","
        while separator == ",":
            if self.next() != "{":
                raise ValueError("not a list of objects")
            block, items = self._block()
            yield block, items
            separator = self.take(",]")

    def position(self) -> int:
        """The byte of the file at which the rest of the text begins."""
        return self._start + len(self._text[: self._at].encode())

    def _block(self) -> tuple[str, int]:
        """The text of a list of as many objects as are whole in what was read, and its length."""
        while True:
            rest = "[" + self._text[self._at :]
            end = _end_of_list(rest)
            ends = [end] if end else _ends_of_objects(rest)
            for end in ends:
                block = f"{rest[:end]}]"
                try:
                    items = len(_ITEMS.decode(block))
                except msgspec.DecodeError:
                    continue  # the end of an object within one, or within a text
                self._at += end - 1
                return block, items
            if not self._more():
                raise ValueError("cut short")

    def _more(self) -> bool:
        # What is left may be one broken value: reading twice as much each time keeps this linear.
        block = self._file.read(max(BLOCK_BYTES, len(self._text) - self._at))
        more = self._decoder.decode(block, final=not block)
        self._start = self.position()
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(block)


def _end_of_list(text: str) -> int | None:
    """Where the "]" is that ends the list with which a JSON text begins; None where it is cut.

    Raises:
        ValueError: the text is no JSON.
    """
    content = text.encode()
    try:
        _ITEMS.decode(content)
    except msgspec.DecodeError as error:
        place = _PLACE.search(str(error))
        after = int(place.group(1)) if place else len(content)
        if "trailing characters" in str(error):
            content = content[:after]
        elif after >= len(content) - 2:
            return None  # cut in the middle, of a number perhaps
        else:
            raise
    return len(content[: content.rindex(b"]")].decode())


def _ends_of_objects(text: str) -> Iterator[int]:
    """Where an object may end that another follows, from the end of the text on."""
    found = len(text)
    for _ in range(_TRIES):
        found = text.rfind("}", 0, found)
        if found < 0:
            return
        if _NEXT_OBJECT.match(text, found + 1):
            yield found + 1
    raise ValueError("objects too deep in others")


_BROKEN = (ValueError, RecursionError, OSError, msgspec.MsgspecError)
_TRIES = 200
_NO_SPACE = re.compile(r"[^ \t\n\r]")
_NEXT_OBJECT = re.compile(r"[ \t\n\r]*,")
_DIGITS = re.compile(r"[-+.eE0-9]*")
_PLACE = re.compile(r"\(byte (\d+)\)")
_DECODER = json.JSONDecoder()
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
