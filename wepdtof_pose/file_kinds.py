"""What a file is that is not what it was taken for, and what to do with it, for errors."""

from __future__ import annotations

import re
from pathlib import Path

from wepdtof_pose.errors import InputError


def has_text_name(path: Path) -> bool:
    """Return whether a path is UTF-8; JSON cannot hold others, and OpenCV crashes at them.

    >>> has_text_name(Path("frame" + chr(0xDCFF)))
    False
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def text_path(path: Path) -> str:
    """Return a path as OpenCV takes it, which crashes at one that is not UTF-8.

    Raises:
        InputError: it is not.
    """
    if not has_text_name(path):
        raise InputError(f"{path}: its name is not UTF-8: rename it")
    return str(path)


def kind_of_bytes(content: bytes) -> str:
    """Return what a file is that is no text, by its beginning; "" where nobody knows.

    >>> kind_of_bytes(b"PK\\x03\\x04...")
    'a zip file: unpack it, or wepdtof-pose convert it'
    """
    if content.startswith(_PICTURES):
        return "a picture or a film"
    if content[257:262] == b"ustar":
        return "a tar archive: unpack it"
    return next((what for start, what in _STARTS if content.startswith(start)), "")


def kind_of_text(text: str) -> str:
    """Return what a text is that is no JSON; "" where nobody knows."""
    return next((what for test, what in _TEXTS if test.match(text)), "")


def kind_of_stand_in(text: str) -> str:
    """Return what a text is that a server or Git gave in place of a file; "" for other texts.

    >>> kind_of_stand_in("version https://git-lfs.github.com/spec/v1")
    'a Git LFS pointer, not the file itself: git lfs pull'
    """
    return next((what for test, what in _TEXTS[:2] if test.match(text)), "")


def kind_of_no_picture(content: bytes, *, films: bool = False) -> str:
    """Return what a file is that cannot be decoded as a picture; "" where nobody knows.

    Films count as such where `films` says so.

    >>> kind_of_no_picture(b"<!DOCTYPE html><html>...")
    'a web page: download the file itself'
    """
    if films and _FILM.match(content) and not _UNREAD_PICTURES[0][0].match(content):
        return "a film: name it as the input of sspcm predict, or write its frames as pictures"
    for test, what in _UNREAD_PICTURES:
        if test.match(content):
            return f"{what}, which is not read: convert it to JPEG or PNG"
    if content.startswith(_TIFF):
        return (
            "a TIFF that is damaged or of a kind that is not read: store it as whole numbers of 8 "
            "or 16 bits, without signs"
        )
    if content.startswith(_PICTURES):
        return ""
    if not content.strip(b"\0"):
        return _ZEROS
    text = content[:_LOOKED_AT].decode(errors="replace")
    if text.isascii() and all(letter.isprintable() or letter.isspace() for letter in text):
        page = next((what for test, what in _TEXTS[:2] if test.match(text)), "")
        return page or f"a text that begins {text.strip()[:40]!r}"
    return kind_of_bytes(content)


def kind_of_name(name: str) -> str:
    """Return what to say of a file that is not there by what its name is; "" where it is a name.

    >>> kind_of_name("frames/*.jpg")
    ' (a pattern: name the folder, or write it without quotes)'
    """
    return next((f" ({what})" for test, what in _NAMES if test.search(name)), "")


_LOOKED_AT = 200
"""Bytes that say whether a file is a text."""

_UTF_16 = "UTF-16 text: save it as UTF-8"
_ZEROS = "nothing but zeros, as of a copy that broke off: copy it again"

_STARTS = (
    (b"\x1f\x8b", "a gzip file, unpack it"),
    (b"PK\x03\x04", "a zip file: unpack it, or wepdtof-pose convert it"),
    (b"7z\xbc\xaf", "a 7-Zip archive, unpack it"),
    (b"Rar!", "a RAR archive, unpack it"),
    (b"\x89HDF", "an HDF5 file (DeepLabCut, SLEAP, MATLAB 7.3), which is not read"),
    (b"MATLAB", "a MATLAB file: wepdtof-pose convert --from lsp, lspet or mpii reads those sets"),
    (b"\x93NUMPY", "a NumPy file, which is not read"),
    (b"\x80", "a Python pickle, which is never read: it could run code"),
    (b"SQLite", "an SQLite database, which is not read"),
    ((b"\xff\xfe", b"\xfe\xff"), _UTF_16),
    (b"%PDF", "a PDF document, which is not read"),
)
"""What files that are no text begin with, and what they are."""

_NAMES = (
    (re.compile(r"^(rtsp|rtmp|udp)s?:/"), "a stream of a camera, not read: record a video first"),
    (
        re.compile(r"^[a-z][a-z0-9+]+:/"),
        "an address, from which nothing is fetched: save what is there as a file",
    ),
    (re.compile(r"[*?]|%(0\d+)?d"), "a pattern: name the folder, or write it without quotes"),
    (re.compile(r"^\d+$|^/dev/video"), "a camera? Cameras are not read: record a video first"),
)
"""What names of files that are not there may be."""

_TIFF = (b"II*", b"MM\0")
_PICTURES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF", b"BM", *_TIFF)

_UNREAD_PICTURES = (
    (re.compile(rb"....ftyp(hei|hev|mif1|msf1)", re.DOTALL), "HEIC, as phones take them"),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "), "JPEG XL"),
    (re.compile(rb".{128}DICM", re.DOTALL), "DICOM"),
    (re.compile(rb"8BPS"), "a Photoshop file"),
    (re.compile(rb"v/1\x01|#\?RADIANCE"), "a picture of high dynamic range"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?<svg"), "SVG"),
)
"""What pictures that are not read begin with, and what they are."""

_FILM = re.compile(rb"....ftyp(?!avi)|RIFF....AVI |\x1aE\xdf\xa3", re.DOTALL)

_TEXTS = tuple(
    (re.compile(pattern, re.IGNORECASE), what)
    for pattern, what in (
        (r"version https://git-lfs", "a Git LFS pointer, not the file itself: git lfs pull"),
        (r"\s*<(!doctype html|html)", "a web page: download the file itself"),
        (r"\0+\Z", _ZEROS),
        (r"\S\0\S\0|\0\S\0\S", _UTF_16),
        (
            r"MATLAB",
            "a MATLAB file: wepdtof-pose convert --from lsp, lspet or mpii reads those sets",
        ),
        (r"\s*<", "XML: wepdtof-pose convert --from cvat (CVAT) or voc (Pascal VOC)"),
        (r"\s*\{[^{}]{0,200}'", "what Python prints of an object: write it with json.dump"),
        (r"\s*(//|/\*|#)", "JSON with comments: take them out"),
        (
            r'\s*\{"type":\s*"dataset"',
            "NDJSON of Ultralytics, which is not read: export a YOLO data set from there",
        ),
        (r"\s*\{.*\}\s*\n\s*\{", "JSON lines: put the objects of the lines into one list"),
        (r"[^\n{}\[\]]*,[^\n{}\[\]]*\n", "a table (CSV), which is not read: write COCO JSON"),
        (
            r"\s*[\w-]+:(\s|$)",
            "YAML: wepdtof-pose convert --from yolo reads that of a YOLO data set",
        ),
    )
)
"""What texts that are no JSON begin with, and what they are."""
