"""The long lists of a JSON file, a thousand items at a time.

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
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from wepdtof_pose.errors import InputError

BLOCK_BYTES = 1 << 22
"""How much is read at a time; a file no larger than this is cheaper parsed whole."""
ITEMS = 1024
"""Items of a list that are in memory at a time."""


@dataclass(frozen=True)
class LongLists:
    """A JSON object whose long lists stay in the file.

    Attributes:
        path: the file.
        members: its other members.
        file: the open file.
        starts: byte at which each long list begins.
        lengths: items of each long list.
    """

    path: Path
    members: dict[str, Any]
    file: BinaryIO
    starts: dict[str, int]
    lengths: dict[str, int]

    def chunks(self, key: str) -> Iterator[list[Any]]:
        """The items of a long list, in lists of up to `ITEMS`.

        Raises:
            InputError: the file was changed since it was opened.
        """
        left = self.lengths[key]
        text = _Text(self.file, self.starts[key]).items()
        while True:
            try:
                items = list(islice(text, ITEMS))
            except _BROKEN:
                raise self._changed() from None
            left -= len(items)
            if left < 0 or (left and len(items) < ITEMS):
                raise self._changed()
            yield items
            if len(items) < ITEMS:
                return

    def _changed(self) -> InputError:
        return InputError(f"{self.path}: was changed while it was read; try again")


@contextmanager
def long_lists(path: Path, keys: Sequence[str]) -> Iterator[LongLists | None]:
    """Open a large JSON file (UTF-8) that holds an object with a list under each of these keys.

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
            lengths[key] = sum(1 for _ in text.items())
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

    def items(self) -> Iterator[Any]:
        """The items of the list that comes next, and past it."""
        self.take("[")
        separator = self.take("]") if self.next() == "]" else ","
        while separator == ",":
            yield self.value()
            separator = self.take(",]")

    def position(self) -> int:
        """The byte of the file at which the rest of the text begins."""
        return self._start + len(self._text[: self._at].encode())

    def _more(self) -> bool:
        # What is left may be one broken value: reading twice as much each time keeps this linear.
        block = self._file.read(max(BLOCK_BYTES, len(self._text) - self._at))
        more = self._decoder.decode(block, final=not block)
        self._start = self.position()
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(block)


_BROKEN = (ValueError, RecursionError, OSError)
_NO_SPACE = re.compile(r"[^ \t\n\r]")
_DIGITS = re.compile(r"[-+.eE0-9]*")
_DECODER = json.JSONDecoder()
