"""Reading and writing whole files: errors that say what is wrong, and no half-written output."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wepdtof_pose.cores import signals_after
from wepdtof_pose.errors import InputError
from wepdtof_pose.file_kinds import kind_of_bytes, kind_of_stand_in, kind_of_text
from wepdtof_pose.locks import exclusive, hidden_name
from wepdtof_pose.outputs import require_json_name, require_plain_file

FILES_OF_DESKTOPS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What desktops leave in folders that somebody has looked at."""


class NoRoomError(InputError):
    """The disk is too small for what is to be written."""


def read_text(path: Path, *, encodings: Sequence[str] = ("utf-8-sig",), kind: str = "text") -> str:
    """Return a file's text in the first of these encodings that fits; `kind` names it in errors.

    Raises:
        InputError: it is missing, unreadable, empty, in none of these encodings, or a Git LFS
            pointer or a web page in place of the file.
    """
    content = read_bytes(Path(path), kind=kind)
    position = 0
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            position = position or error.start
            continue
        if not text.strip():
            raise InputError(f"{path}: the file is empty")
        if kind != "JSON" and (what := kind_of_stand_in(text)):
            raise InputError(f"{path}: is {what}")
        return text
    names = " or ".join("UTF-8" if name == "utf-8-sig" else name.upper() for name in encodings)
    what = kind_of_bytes(content)
    other = f": it is {what}" if what else ": save it as UTF-8" if b"\0" not in content else ""
    raise InputError(f"{path}: is not {names} text (byte {position}){other}")


def read_bytes(path: Path, *, kind: str) -> bytes:
    """Return the bytes of a file; `kind` names it in errors.

    A pipe on disk or a device is not opened: to read it might never end. A pipe that the shell
    opened, as `<(...)` does, is read.

    Raises:
        InputError: it is missing, unreadable, a folder, a pipe or a device.
    """
    try:
        mode = path.stat().st_mode
        opened = str(path).startswith(_OPENED) and stat.S_ISFIFO(mode)
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or opened):
            what = "a pipe" if stat.S_ISFIFO(mode) else "a device"
            raise InputError(f"{path}: is {what} and no {kind} file")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not a {kind} file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def read_json(path: Path, *, encodings: Sequence[str] = ("utf-8-sig",)) -> Any:
    """Return the content of a JSON file (UTF-8, or what `encodings` says).

    Raises:
        InputError: it is missing, unreadable, empty, of another encoding, cut short, no JSON, or
            gives a key of an object twice, with different values.
    """
    text = read_text(Path(path), encodings=encodings, kind="JSON")
    try:
        return json.loads(text, object_pairs_hook=one_value_a_key)
    except json.JSONDecodeError as error:
        if other := kind_of_text(text):
            raise InputError(f"{path}: not valid JSON: it is {other}") from None
        at_end = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated")
        hint = " (the file is cut short?)" if at_end else ""
        if text[error.pos : error.pos + 1] in ("]", "}") and text[: error.pos].rstrip()[-1:] == ",":
            hint = " (the comma before it is one too many)"
        place = f"line {error.lineno}, column {error.colno}{hint}"
        raise InputError(f"{path}: not valid JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise InputError(f"{path}: not usable JSON: nested too deeply") from None
    except ValueError as error:  # a key that is there twice, a number of thousands of digits
        raise InputError(f"{path}: not usable JSON: {error}") from None


def one_value_a_key(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these keys and values, for `json.loads`.

    Raises:
        ValueError: a key is there twice, with different values: the last would be taken in silence.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next((key for key, value in pairs if found[key] != value), None)
        if twice is not None:
            of = found.get("id", found.get("file_name"))
            where = f" (of {of!r})" if isinstance(of, (int, str)) and twice != "id" else ""
            raise ValueError(f"an object{where} has {twice!r} twice, with different values")
    return found


def write_json(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write JSON (UTF-8); the file appears whole or not at all.

    Raises:
        InputError: it cannot be written there, a file that is no JSON, or annotations, would be
            lost, or the content has no JSON form (NaN, for one).
    """
    path = Path(path)
    if not (isinstance(content, dict) and "annotations" in content):
        require_no_annotations(path)
    require_json_name(path)
    if path.suffix.lower() != ".json" and path.is_file():
        with path.open("rb") as stream:
            head = stream.read(64).lstrip()
        if head and head[:1] not in b"[{":
            raise InputError(f"{path}: is there already and holds no JSON: name another file")
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        try:
            json.dump(content, stream, ensure_ascii=False, indent=indent, allow_nan=False)
        except (ValueError, RecursionError) as error:
            hint = ""
            if isinstance(content, dict) and "annotations" in content:
                hint = " (wepdtof-pose validate on what was read names the field, --fix mends it)"
            why = f"{error.object} is not UTF-8" if isinstance(error, UnicodeEncodeError) else error
            raise InputError(f"{path}: cannot be written as JSON: {why}{hint}") from None
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


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def size_in_words(size: float) -> str:
    """Return a number of bytes in a unit that suits it.

    >>> [size_in_words(n) for n in (0, 812, 2_500_000, 5 * 2**30)]
    ['0 B', '812 B', '2.5 MB', '5.37 GB']
    """
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"


def require_room(folder: Path, needed: int, *, what: str, advice: str, spare: int = 0) -> None:
    """Require `needed` free bytes on the folder's disk, and some to spare.

    Raises:
        NoRoomError: there are fewer; `what` says for what, and `advice` what else one may do.
    """
    free = shutil.disk_usage(folder).free
    if needed > 0 and free < needed + spare:
        more = f" (and {size_in_words(spare)} to spare)" if spare else ""
        raise NoRoomError(
            f"{folder}: no room for {what}: {size_in_words(needed)}{more} are needed, but only "
            f"{size_in_words(free)} are free: make room, or {advice}"
        )


def require_other_file(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write a file over one of those that were read."""
    if os.path.realpath(out) in map(os.path.realpath, inputs):
        raise InputError(f"{out}: is the file that is read: name another")


def require_no_annotations(out: Path) -> None:
    """Refuse to write a result over a file that holds a data set's annotations.

    They lie in a list `annotations`, beside a list `images` (COCO and its like) or, in Label
    Studio's tasks, beside an object `data`.
    """
    if out.is_file() and out.suffix.lower() == ".json":
        content = out.read_bytes()
        if re.search(rb'"annotations"\s*:\s*\[', content) and re.search(
            rb'"images"\s*:\s*\[|"data"\s*:\s*\{[^{}]*"image"', content
        ):
            raise InputError(f"{out}: holds annotations, and would be written over: name another")


def make_folder(path: Path) -> None:
    """Make a folder and its parents where they are missing.

    Raises:
        InputError: a file is in the way, or it is not permitted.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        what = "a link to nothing" if path.is_symlink() and not path.exists() else "a file"
        raise InputError(f"{path}: the folder cannot be made: {what} is in the way") from None
    except OSError as error:
        raise InputError(f"{path}: the folder cannot be made: {error.strerror}") from None


def require_inside(names: Iterable[str], source: Path | str) -> None:
    """Refuse a data set whose image names lead out of its folder; `source` names its file.

    They do with `..` between slashes of either kind, with a slash at their beginning, or with the
    letter of a drive. Links that lead out are found where images are opened:
    `wepdtof_pose.images.image_file`.
    """
    name = next(filter(leads_out, names), None)
    if name is not None:
        raise InputError(
            f"{source}: image file name {name!r} leads out of the image folder: names must be "
            "relative to that folder and stay in it (wepdtof-pose convert --images DIR goes by the "
            "ends of the names)"
        )


def leads_out(name: str) -> bool:
    """Return whether an image name leads out of its folder; see `require_inside`."""
    return _LEADS_OUT.search(name) is not None


def with_home(place: str) -> str:
    """Return a path with the user's folder in place of ~, which shells leave in --output=~/mine."""
    # Unlike pathlib, it takes a file that is called ~x for what it is.
    return os.path.expanduser(place)  # noqa: PTH111


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file, or what a link stands for, into another place: a hard link, else a copy.

    Raises:
        InputError: there is a file already, or the copy cannot be written.
    """
    make_folder(target.parent)
    source = source.resolve()
    try:
        os.link(source, target)
        return
    except FileExistsError:
        raise InputError(f"two files have the same path {target.name!r}") from None
    except OSError:  # another file system, or one without links
        pass
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of `path` when the block ends without an error.

    One process at a time does so, and removes first what one that was killed at it has left. Of a
    link the file that it leads to is replaced, and the link stays.

    Raises:
        InputError: it cannot be written there, or another process has been at it for a while.
    """
    require_plain_file(Path(path))
    path = Path(os.path.realpath(path))
    make_folder(path.parent)
    with exclusive(path) as left:
        if left:
            for part in _leftovers(path, ".part"):
                part.unlink(missing_ok=True)
        try:
            handle, name = tempfile.mkstemp(
                prefix=f"{hidden_name(path)}.", suffix=".part", dir=path.parent
            )
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except OSError as error:
            raise _about(path, temporary, error) from None
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(
    path: Path, *, allowed: Callable[[Path], object] | None = None
) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `path` if the block ends without an error.

    One process at a time does so, and clears up first what one that was killed at it has left: a
    half-made folder is removed, an old one that had been moved aside is put back.

    Args:
        path: the folder to make or to replace.
        allowed: called with `path` where that exists; raises an InputError if it must stay.

    Raises:
        InputError: it cannot be written there, or another process is writing it.
    """
    path = Path(os.path.realpath(path))
    make_folder(path.parent)
    with exclusive(path, patience=1) as left:
        if left:
            _clear_up(path)
        if path.exists() and allowed is not None:
            allowed(path)
        temporary = _new_folder(path, ".part")
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            with signals_after():
                _exchange(path, temporary)
        except OSError as error:
            raise _about(path, temporary, error) from None
        except InputError as error:
            raise InputError(str(error).replace(str(temporary), str(path))) from None
        finally:
            with signals_after():
                shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Give an empty folder that is gone after the block, in `parent` or the system's place.

    Those that killed processes left there are removed first.

    Raises:
        InputError: it cannot be made there.
    """
    place = Path(parent or tempfile.gettempdir())
    try:
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=place))
    except OSError as error:
        raise InputError(f"{place}: no folder can be made there: {error.strerror}") from None
    lock = FileLock(folder / "new")
    try:
        # Where a file system has no locks, nobody can tell whose folder it is: it is never swept.
        with contextlib.suppress(OSError, NotImplementedError):
            lock.acquire()
            # Others see the lock only when it is held: they take the folder of one that is not.
            (folder / "new").rename(folder / _HELD)
        _remove_left_folders(place, owner=folder.lstat().st_uid)
        (folder / "files").mkdir()
        yield folder / "files"
    finally:
        with signals_after():
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def sweep(folder: Path, *, older_than: float = 0) -> None:
    """Remove what processes that were killed left below a folder that this one works on alone.

    These are files of `replacing` and locks; `older_than` (seconds) spares what others may write.
    """
    now = time.time()
    for path in (*folder.rglob(".*.part*"), *folder.rglob(".*.lock")):
        ours = path.suffix == ".lock" or _TEMPORARY.search(path.name)
        with contextlib.suppress(FileNotFoundError):
            if ours and not path.is_dir() and now - path.lstat().st_mtime >= older_than:
                path.unlink()


def _remove_left_folders(place: Path, *, owner: int) -> None:
    """Remove temporary folders of killed processes; in a shared place not those of other users."""
    for held in place.glob(f"{_SCRATCH}*/{_HELD}"):
        # One that is in use, is gone by now or belongs to others stays: it is not ours to judge.
        with contextlib.suppress(OSError, Timeout, NotImplementedError):
            if {held.lstat().st_uid, held.parent.lstat().st_uid} == {owner}:
                with FileLock(held).acquire(blocking=False):
                    shutil.rmtree(held.parent, ignore_errors=True)


def _exchange(path: Path, new: Path) -> None:
    """Let a folder take the place of another, which is removed."""
    if not path.exists():
        new.replace(path)
        return
    old = _new_folder(path, ".old")
    try:
        path.replace(old)
        new.replace(path)
    finally:
        if not path.exists():
            old.replace(path)
        elif not new.exists() or not any(old.iterdir()):
            shutil.rmtree(old, ignore_errors=True)


def _clear_up(path: Path) -> None:
    for old in _leftovers(path, ".old"):
        if path.exists() or not any(old.iterdir()):
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.replace(path)
    for part in _leftovers(path, ".part"):
        shutil.rmtree(part, ignore_errors=True)


def _leftovers(path: Path, end: str) -> list[Path]:
    """Return what a killed process left beside an output: names that mkstemp and mkdtemp gave."""
    start = f"{hidden_name(path)}."
    return [
        entry
        for entry in path.parent.iterdir()
        if entry.name.startswith(start)
        and end in entry.name
        and _TEMPORARY.fullmatch(entry.name[len(start) - 1 :])
        and not entry.is_symlink()
    ]


def _new_folder(path: Path, end: str) -> Path:
    try:
        name = tempfile.mkdtemp(prefix=f"{hidden_name(path)}.", suffix=end, dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    return Path(name)


def _about(path: Path, temporary: Path, error: OSError) -> OSError | InputError:
    """Return the error with the name of the output: temporary names say nothing, some have none."""
    named = [str(name) for name in (error.filename, error.filename2) if name is not None]
    ours = not named or any(name.startswith(str(temporary)) for name in named)
    if not ours and error.errno not in _CANNOT_WRITE:
        return error
    return InputError(f"{path}: cannot be written: {error.strerror or error}")


def _umask() -> int:
    """mkstemp and mkdtemp make private files; what is published follows the user's umask."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


_LEADS_OUT = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[A-Za-z]:")
_OPENED = ("/dev/fd/", "/dev/stdin", "/proc/")
_SCRATCH = "wepdtof-pose-"
_HELD = "held"
_TEMPORARY = re.compile(r"\.[a-z0-9_]{8}\.(?:part(?:\.\w+)?|old)")
_CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@dataclass(frozen=True)
class Below:
    """The place of a file in a folder: an attribute of the folder's class, below its `path`."""

    name: str

    def __get__(self, folder: Any, kind: type) -> Path:
        return folder.path / self.name
