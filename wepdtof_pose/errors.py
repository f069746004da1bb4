"""The error that bad input raises, and how a text that may come from outside is shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import click

SHOWN = 5
"""Inputs that could not be read that are named where a file has the others."""

_NO_MEMORY = ("Insufficient memory", "can't allocate memory", "out of memory")


class InputError(ValueError):
    """Input that cannot be used: the message says what is wrong, where, and what to do."""


def lacks_memory(error: BaseException) -> bool:
    """Return whether memory ran out in Python, OpenCV or torch, neither of which is imported here.

    >>> lacks_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    """
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def echo(text: object = "", *, err: bool = False) -> None:
    """Print a text for a person; see `printable`.

    Raises:
        OSError: it cannot be written, to a full disk for one; its `filename` says where to.
    """
    try:
        click.echo(printable(str(text)), err=err)
    except OSError as error:
        error.filename = error.filename or f"standard {'error' if err else 'output'}"
        raise


def printable(text: str) -> str:
    r"""Return the text with its control characters as escapes; line ends and tabs stay.

    File names, fields of files and answers of servers come from outside: printed as they are, they
    could steer the terminal.

    >>> printable("\x1b[31mred")
    '\\x1b[31mred'
    """
    if text.isprintable():
        return text
    return "".join(ascii(c)[1:-1] if _controls(c) else c for c in text)


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun, in the plural but for 1.

    >>> [counted(n, "warning") for n in (0, 1, 2)]
    ['0 warnings', '1 warning', '2 warnings']
    >>> counted(1, "person", "people"), counted(1200, "person", "people")
    ('1 person', '1200 people')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def not_read(problems: Sequence[str], *, see: str = "") -> Iterator[str]:
    """Yield lines that name the inputs that could not be read, and say how many these are.

    Where a file has them all, `see` is its name, and the first SHOWN are named here.

    >>> list(not_read(["a.jpg: is empty", "b.jpg: is cut short"]))[1:]
    ['not wholly read: b.jpg: is cut short', '2 inputs were not wholly read']
    """
    for problem in problems[:SHOWN] if see else problems:
        yield f"not wholly read: {problem}"
    if len(problems) > 1:
        more = f": all of them are named in {see}" if see and len(problems) > SHOWN else ""
        yield f"{len(problems)} inputs were not wholly read{more}"


def one_line(text: str) -> str:
    r"""Return the text as `printable` does, with line ends and tabs as escapes too.

    >>> one_line("a name\nthat looks like two")
    'a name\\nthat looks like two'
    """
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _controls(character: str) -> bool:
    category = unicodedata.category(character)
    return category in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in "\n\t"
