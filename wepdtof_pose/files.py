"""Reading and writing whole files: errors that say what is wrong, and no half-written output."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wepdtof_pose.errors import InputError

if TYPE_CHECKING:
    import numpy as np


def read_text(path: Path, *, encodings: Sequence[str] = ("utf-8-sig",), kind: str = "text") -> str:
    """The text of a file, in the first of these encodings that fits; `kind` names it in errors.

    Raises:
        InputError: it is missing, unreadable, empty, or in none of these encodings.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not a {kind} file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    position = 0
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            position = position or error.start
            continue
        if not text.strip():
            raise InputError(f"{path}: the file is empty")
        return text
    names = " or ".join("UTF-8" if name == "utf-8-sig" else name.upper() for name in encodings)
    raise InputError(f"{path}: is not {names} text (byte {position})")


def read_json(path: Path, *, encodings: Sequence[str] = ("utf-8-sig",)) -> Any:
    """The content of a JSON file (UTF-8, or what `encodings` says).

    Raises:
        InputError: it is missing, unreadable, empty, of another encoding, cut short, or no JSON.
    """
    text = read_text(Path(path), encodings=encodings, kind="JSON")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated")
        cut = " (the file is cut short?)" if at_end else ""
        raise InputError(
            f"{path}: not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}{cut}"
        ) from None
    except RecursionError:
        raise InputError(f"{path}: not usable JSON: nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{path}: not usable JSON: {error}") from None


def write_json(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write JSON (UTF-8); the file appears whole or not at all.

    Raises:
        InputError: it cannot be written there, or the content has no JSON form (NaN, for one).
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        try:
            json.dump(content, stream, ensure_ascii=False, indent=indent, allow_nan=False)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: cannot be written as JSON: {error}") from None
        stream.write("\n")


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8; the file appears whole or not at all.

    Raises:
        InputError: it cannot be written there, or holds half a surrogate pair.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{path}: cannot be written as UTF-8: {error.reason}") from None
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def missing_image(path: Path) -> str:
    """The message that an image is not there, and whether it only has / where its name has \\."""
    other = Path(str(path).replace("\\", "/"))
    text = f"{path}: no such image"
    if other == path or not other.is_file():
        return text
    return f"{text}, but {other} is there: write / in 'file_name', or convert"


def read_image(path: Path) -> np.ndarray:
    """An image (height, width, 3) uint8, BGR, as stored: an EXIF orientation is not applied.

    Raises:
        InputError: it is missing, unreadable, empty, or no image.
    """
    import cv2
    import numpy as np

    try:
        content = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise InputError(missing_image(path)) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if not len(content):
        raise InputError(f"{path}: the file is empty")
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:  # more pixels than OpenCV takes, for one
        raise InputError(f"{path}: is not a readable image: {error.err}") from None
    if image is None:
        raise InputError(f"{path}: is not a readable image")
    return image


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (height, width, 3) uint8, BGR, in the format of the path's suffix."""
    import cv2

    encoded, content = cv2.imencode(path.suffix, image)
    if not encoded:
        raise InputError(f"{path}: the image cannot be encoded as {path.suffix!r}")
    with replacing(path) as temporary:
        content.tofile(temporary)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def require_other_file(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write a file over one of those that were read."""
    if out.resolve() in {path.resolve() for path in inputs}:
        raise InputError(f"{out}: is the annotation file itself: name another")


def make_folder(path: Path) -> None:
    """Make a folder and its parents where they are missing.

    Raises:
        InputError: a file is in the way, or it is not permitted.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: the folder cannot be made: {error.strerror}") from None


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file, or what a link stands for, into another place: a hard link, else a copy.

    Raises:
        InputError: there is a file already.
    """
    make_folder(target.parent)
    source = source.resolve()
    try:
        os.link(source, target)
    except FileExistsError:
        raise InputError(f"two files have the same path {target.name!r}") from None
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a file to write")
    make_folder(path.parent)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; what we publish follows the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        if error.filename is not None:
            raise
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None  # a full disk
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place when the block ends without an error.

    What a killed run left of it is removed first. The caller has made sure that a folder at `path`
    may be replaced.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary, old = (path.with_name(f".{path.name}.{end}") for end in ("part", "old"))
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    make_folder(temporary)
    try:
        yield temporary
        if path.exists():
            path.replace(old)
        try:
            temporary.replace(path)
        except OSError as error:
            if old.exists():
                old.replace(path)
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
