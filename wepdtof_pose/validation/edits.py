"""Changes to the entries of a parsed annotation file: what is not changed stays the same object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from wepdtof_pose.validation.label_counts import LabelCounts, count_person
from wepdtof_pose.validation.raw_file import place
from wepdtof_pose.validation.schema import writable

Table = Literal["images", "annotations"]


class Edits:
    """The entries of a file as they are after the changes so far, and the list of the changes.

    Rows keep their numbers: an entry that was taken out is None.

    Attributes:
        source: name of the file, for messages.
        category: name of the category of people, where the user says it.
        changes: code, where and what of each change.
        dropped: labels taken out because the user said so.

    >>> edits = Edits({"images": [{"id": 1.0}], "annotations": []}, "a.json")
    >>> edits.set("structure", "images", 0, "id", 1)
    >>> edits.result()["images"], edits.changes[0]["change"]
    ([{'id': 1}], "'id' 1.0 -> 1")
    """

    def __init__(
        self, content: dict[str, Any], source: str, *, category: str | None = None
    ) -> None:
        self.source = source
        self.category = category
        self.changes: list[dict[str, str]] = []
        self.dropped = LabelCounts()
        self._original = content
        self._members: dict[str, Any] = {}
        self._lists: dict[str, list[Any]] = {
            name: list(content[name]) for name in ("images", "annotations")
        }
        self._out: dict[tuple[str, int], Any] = {}

    @property
    def content(self) -> dict[str, Any]:
        """The file as it is now, with None for entries that were taken out."""
        return {**self._original, **self._members, **self._lists}

    def entry(self, table: Table, row: int) -> Any:
        """Return an entry as it is now."""
        return self._lists[table][row]

    def entries(self, table: Table) -> Iterator[tuple[int, dict[str, Any]]]:
        """Iterate over the entries that are objects, with their rows."""
        for row, entry in enumerate(self._lists[table]):
            if isinstance(entry, dict):
                yield row, entry

    def is_out(self, table: Table, row: int) -> bool:
        """Return whether an entry was taken out."""
        return (table, row) in self._out

    def note(self, code: str, table: str, row: int, change: str) -> None:
        """Record a change."""
        entry = self._original[table][row] if table else None
        where = place(self.source, table, row, entry)
        self.changes.append({"code": code, "where": where, "change": change})

    def edit(self, table: Table, row: int) -> dict[str, Any]:
        """Return the entry to be changed: a copy of the file's."""
        if self._lists[table][row] is self._original[table][row]:
            self._lists[table][row] = dict(self._original[table][row])
        return self._lists[table][row]

    def set(self, code: str, table: Table, row: int, name: str, value: Any, why: str = "") -> None:
        """Give a field another value, and record it."""
        entry = self.entry(table, row)
        before = f"{_short(entry[name])} -> " if name in entry else ""
        self.edit(table, row)[name] = value
        self.note(code, table, row, f"{name!r} {before}{_short(value)}{why}")

    def remove(self, code: str, table: Table, row: int, name: str, why: str) -> None:
        """Take a field out of an entry, and record it."""
        before = self.edit(table, row).pop(name)
        self.note(code, table, row, f"{name!r} {_short(before)} {why}")

    def put_aside(self, code: str, table: Table, row: int, name: str) -> None:
        """Keep a value that cannot be read under another name, where no reader looks."""
        entry = self.edit(table, row)
        other = f"original_{name}"
        while other in entry:
            other = f"original_{other}"
        entry[other] = writable(entry.pop(name))
        self.note(code, table, row, f"{name!r} {_short(entry[other])} kept as {other!r}")

    def set_member(self, code: str, name: str, value: Any, change: str) -> None:
        """Give a field of the file itself another value."""
        self._members[name] = value
        self.note(code, "", 0, change)

    def take_out(self, code: str, table: Table, row: int, why: str, *, labels: bool = True) -> None:
        """Take an entry out; its labels are counted as dropped, but for a copy that has none."""
        if self.is_out(table, row):
            return
        if labels:
            entry = self.entry(table, row)
            of_frame = LabelCounts(frames=int(isinstance(entry, dict) and bool(entry)))
            self.dropped += of_frame if table == "images" else count_person(entry)
        self._out[table, row] = self.entry(table, row)
        self._lists[table][row] = None
        self.note(code, table, row, f"dropped: {why}")

    def all_entries(self, table: Table) -> list[Any]:
        """Return the entries as they are now, and those that were taken out as they were then."""
        return [self._out.get((table, row), entry) for row, entry in enumerate(self._lists[table])]

    def result(self) -> dict[str, Any]:
        """Return the file without the entries that were taken out."""
        kept = {
            name: [entry for row, entry in enumerate(rows) if (name, row) not in self._out]
            for name, rows in self._lists.items()
        }
        return {**self._original, **self._members, **kept}


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:
        return "a very long number"
    return text if len(text) <= 400 else f"{text[:400]}..."
