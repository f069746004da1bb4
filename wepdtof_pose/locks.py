"""One process at a time on one output."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import current_process
from pathlib import Path

from filelock import FileLock, Timeout

from wepdtof_pose.errors import InputError

PATIENCE = 10.0
"""Seconds to wait for a lock: a process that is being killed still holds it for a moment."""
_LONGEST_NAME = 200


class LockedError(InputError):
    """Another process works on the output."""


@contextmanager
def exclusive(path: Path, *, patience: float = PATIENCE, waiting: str = "") -> Iterator[bool]:
    """Hold the lock of an output within the block, and say whether a killed process left it.

    The lock is the file `lock_of(path)`, which is gone after the block: one that is there although
    nobody holds it is what a process left that was killed at work on this output. The system ends
    the lock with its process.

    Args:
        path: the file or folder that one process at a time may work on; need not exist.
        patience: seconds to wait for another process.
        waiting: printed once where another process holds the lock.

    Raises:
        LockedError: another process held it for `patience` seconds.
        InputError: the lock cannot be made there.
    """
    file = lock_of(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{file.parent}: the folder cannot be made: {error.strerror}") from None
    lock = FileLock(file)
    until = time.monotonic() + patience
    while True:
        left = file.exists()
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            if time.monotonic() >= until and not file.exists():
                raise InputError(f"{path}: cannot be locked: no file can be made there") from None
            # A script that does not guard its calls is run anew by each process that it starts:
            # that would wait for the lock of this script, which waits for the process.
            if time.monotonic() >= until or getattr(current_process(), "_inheriting", False):
                raise LockedError(
                    f"{path}: another process is writing it: wait until that has ended, "
                    "or name another output"
                ) from None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{path}: cannot be locked: {reason}") from None
        if waiting:
            print(waiting, flush=True)
            waiting = ""
        time.sleep(0.05)
    try:
        yield left
    finally:
        # Removed while it is held: who opened it before sees that it is gone, and tries anew.
        file.unlink(missing_ok=True)
        lock.release()


def lock_of(path: Path) -> Path:
    """Return the lock file of an output, beside it; "." and ".." are resolved.

    Raises:
        InputError: it is the root of all folders.
    """
    if path.name in ("", ".."):
        path = path.resolve()
    if not path.name:
        raise InputError(f"{path}: is the root of all folders: name one below it")
    return path.with_name(f"{hidden_name(path)}.lock")


def hidden_name(path: Path) -> str:
    """Return what the names of all that lies beside an output for a while begin with.

    Of a long name it is the beginning and a hash: no file system takes more than 255 bytes.
    """
    name = path.name.encode(errors="surrogateescape")
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(name).hexdigest()[:16]
        name = name[:_LONGEST_NAME].decode(errors="ignore").encode() + f".{digest}".encode()
    return "." + name.decode(errors="surrogateescape")
