"""The bytes of a file so far, and what tells whether they still belong together.

Beside `FILE` lie, until it is whole, `FILE.part` (the bytes) and `FILE.part.json` (the server's
validators). Killed at any point, a part is never left with the note of another file.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wepdtof_pose.download.http import Failed, Refused
from wepdtof_pose.files import file_sha256


@dataclass(frozen=True)
class Expected:
    """What is known of the file before it comes: bytes and SHA-256, None where unknown."""

    size: int | None = None
    sha256: str | None = None


ANYTHING = Expected()


class Part:
    """The bytes so far, and the note beside them that says whose bytes they are."""

    def __init__(self, final: Path) -> None:
        self.final = final
        self.path = final.with_name(f"{final.name}.part")
        self.note = final.with_name(f"{final.name}.part.json")

    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def read_note(self) -> dict[str, Any]:
        """The note, empty where there is none or where it was cut while written."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def resumable(self, note: dict[str, Any], *, same_url: bool, sha256_known: bool) -> int:
        """The byte to go on from, or 0.

        Without a validator of the same server nothing but a known SHA-256 can tell whether old
        and new bytes belong to one file. A part that is whole asks for its last byte again: that
        lets the server say whether the file changed meanwhile.
        """
        trusted = sha256_known or (same_url and bool(validator(note)))
        if not note or not trusted:
            return 0
        total = note.get("total")
        have = self.size()
        if not isinstance(total, int):
            return have
        return 0 if have > total else min(have, total - 1)

    def begin(self, offset: int, note: dict[str, Any]) -> None:
        """Make ready to write from `offset` on.

        Killed at any point, a part is never left with the note of another file: old bytes go
        before the new note comes.
        """
        if not offset:
            self.path.unlink(missing_ok=True)
        else:
            os.truncate(self.path, offset)
        self.note.write_text(json.dumps(note), encoding="utf-8")

    def discard(self) -> None:
        """Forget all of it."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def remove_note(self) -> None:
        """Remove the note of a file that is whole."""
        self.note.unlink(missing_ok=True)

    def finish(self, expected: Expected, *, resumed: bool) -> str:
        """Check the whole, give it its name, and return its SHA-256."""
        digest = file_sha256(self.path)
        wrong = ""
        if expected.size is not None and self.size() != expected.size:
            wrong = f"has {self.size()} bytes, expected {expected.size}"
        elif expected.sha256 is not None and digest != expected.sha256:
            wrong = f"has SHA-256 {digest}, expected {expected.sha256}"
        if wrong:
            self.discard()
            if resumed:
                raise Failed(f"what was resumed {wrong}: starting over")
            raise Refused(f"{wrong}: it is another file, or damaged")
        self.path.replace(self.final)
        self.remove_note()
        return digest


def validator(note: dict[str, Any]) -> str:
    """What If-Range may carry: a strong ETag, else the date of the last change."""
    etag = note.get("etag")
    if isinstance(etag, str) and not etag.startswith("W/"):
        return etag
    date = note.get("last_modified")
    return date if isinstance(date, str) else ""


def mark(url: str) -> str:
    """The URL as the note keeps it: its hash, since a URL may carry a key."""
    return hashlib.sha256(url.encode()).hexdigest()
