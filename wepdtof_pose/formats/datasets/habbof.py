"""HABBOF: people in rotated boxes on overhead-fisheye frames, one text file an image.

A line is `person cx cy w h angle`, in pixels and degrees; the file has the name of its image and
lies beside it, in a folder for each sequence. The angle is taken as clockwise, as in the later sets
of the same group (WEPDTOF, CEPDOF); nothing that says so was found. What becomes of boxes is said
in `boxed_people`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_text
from wepdtof_pose.formats.boxed_people import BoxedPerson, Frame, Sequence, reading_of
from wepdtof_pose.formats.fields import parse_number, require_file_name, without_commas
from wepdtof_pose.formats.layout import Reading, files_in
from wepdtof_pose.images import require_own_file

_NOTES = ("readme", "license", "licence", "classes", "requirements")
"""Beginnings of the names of text files that hold no boxes."""


def read(path: Path, *, images: Path | None = None, category: str | None = None) -> Reading:
    """Return the people of a text file, of a sequence's folder, or of a folder of sequences.

    Raises:
        InputError: there are no such files, or one is not usable; the message names the line.
    """
    files = text_files(path)
    base = path if path.is_dir() else path.parent
    sequences: dict[Path, tuple[list[Frame], list[BoxedPerson]]] = {}
    for file in files:
        require_file_name(file.stem, str(file), key="name")
        frames, people = sequences.setdefault(file.parent, ([], []))
        frames.append(Frame(file.stem, None, file.stem))
        people += parse(file)
    found = [
        Sequence(_name(folder, base), str(folder), frames, people)
        for folder, (frames, people) in sequences.items()
    ]
    roots = [base, base / "images", base / "frames"]
    return reading_of(
        found,
        files,
        roots=roots,
        images=images,
        source=str(path),
        category=category,
        one_each=path.is_dir(),
    )


def text_files(path: Path) -> list[Path]:
    """Return the text files under a path that are not notes, in order.

    Raises:
        InputError: there is none, or one is a link out of the folder.
    """
    if path.is_file():
        return [path]
    files = [
        file
        for file in files_in(path, ".txt", deep=True)
        if not file.name.lower().startswith(_NOTES)
    ]
    if not files:
        raise InputError(f"{path}: has no text files of HABBOF (<sequence>/<image>.txt)")
    for file in files:
        require_own_file(file, path, kind="a text")
    return files


def parse(file: Path) -> Iterator[BoxedPerson]:
    """Yield the boxes of a text file; an empty one has none.

    Raises:
        InputError: a line is not of the form; the message names it.
    """
    if file.is_file() and not file.read_bytes().strip():
        return
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        where = f"{file}: line {number}"
        if len(words) != 6:
            raise InputError(
                f"{where} has {len(words)} words instead of 6 (label cx cy w h angle)"
                + without_commas(line)
            )
        box = tuple(parse_number(word, where) for word in words[1:])
        yield BoxedPerson(file.stem, rotated=box, label=words[0])


def _name(folder: Path, base: Path) -> str:
    inner = folder.relative_to(base).as_posix()
    return base.resolve().name if inner == "." else inner
