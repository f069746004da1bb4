"""What `validate` finds: findings, all places of one kind of problem, and the report."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from wepdtof_pose.errors import counted
from wepdtof_pose.validation.codes import CODES, Severity

if TYPE_CHECKING:
    import numpy as np

PLACES = 1000
"""Findings kept of one code; the counts are always exact."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or probably wrong, with a data set.

    Attributes:
        code: a key of CODES.
        severity: "error" where a reader refuses it or a number comes out wrong, else "warning".
        where: file, list, position and id.
        message: what is wrong there.
        fix: what to do.

    >>> Finding("box-empty", "error", "a.json: annotations[3] (id 7)", "0 x 12 pixels", "...").code
    'box-empty'
    """

    code: str
    severity: Severity
    where: str
    message: str
    fix: str


@dataclass(frozen=True)
class Problem:
    """All places of a file with one code, before they become findings.

    Attributes:
        code: a key of CODES.
        table: list of the file that `rows` are positions in, or "" for the file as a whole.
        rows: positions, ascending.
        describe: the message about the i-th of them.
    """

    code: str
    table: str
    rows: Sequence[int] | np.ndarray
    describe: Callable[[int], str]


@dataclass
class Report:
    """Findings of all files of a data set, at most PLACES of each code, and exact counts.

    >>> report = Report()
    >>> report.add("box-empty", "a.json: annotations[3] (id 7)", "0 x 12 pixels")
    >>> report.counts, report.errors
    ({'box-empty': 1}, 1)
    """

    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    checked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """Number of errors (not of warnings)."""
        return sum(n for code, n in self.counts.items() if CODES[code].severity == "error")

    def add(self, code: str, where: str, message: str) -> None:
        """Record one finding."""
        self.add_all(code, 1, [(where, message)])

    def add_all(self, code: str, count: int, places: Iterable[tuple[str, str]]) -> None:
        """Record `count` findings of a code; of the places only as many as are kept are taken."""
        if not count:
            return
        known = self.counts.get(code, 0)
        self.counts[code] = known + count
        kind = CODES[code]
        for (where, message), _ in zip(places, range(PLACES - known), strict=False):
            self.findings.append(Finding(code, kind.severity, where, message, kind.fix))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return {
            "checked": self.checked,
            "errors": self.errors,
            "warnings": sum(self.counts.values()) - self.errors,
            "counts": self._sorted_counts(),
            "findings": [asdict(f) for f in self.findings],
            "findings_left_out": sum(self.counts.values()) - len(self.findings),
        }

    def as_text(self, *, places: int = 3, width: int = 100) -> str:
        """Return a table for people: codes with counts, first places of each, and the remedy."""
        lines = []
        for file in self.checked:
            people = counted(file["people"], "person", "people")
            images = counted(file["images"], "image")
            lines.append(f"{file['file']}: {people} on {images}")
            if file["others"]:
                lines[-1] += f"; {counted(file['others'], 'annotation')} of other categories"
        for code, count in self._sorted_counts().items():
            kind = CODES[code]
            head = f"{kind.severity:8}{count:>9}  {code}: "
            lines.append("")
            lines += _wrapped(kind.title, width, head, 19 * " ")
            found = [f for f in self.findings if f.code == code][:places]
            for finding in found:
                lines.append(f"{'':19}{finding.where}")
                lines += _indented(finding.message, width, 21)
            if count > len(found):
                lines.append(f"{'':19}... and {count - len(found)} more")
            lines += _indented(f"-> {kind.fix}", width, 19)
        warnings = sum(self.counts.values()) - self.errors
        return "\n".join(
            [*lines, "", f"{counted(self.errors, 'error')}, {counted(warnings, 'warning')}"]
        )

    def _sorted_counts(self) -> dict[str, int]:
        order = sorted(self.counts, key=lambda c: (CODES[c].severity, list(CODES).index(c)))
        return {code: self.counts[code] for code in order}


def _indented(text: str, width: int, by: int) -> list[str]:
    return _wrapped(text, width, by * " ", by * " ")


def _wrapped(text: str, width: int, first: str, later: str) -> list[str]:
    # Paths stay whole, so that they can be copied.
    wrapper = textwrap.TextWrapper(
        width, first, later, break_long_words=False, break_on_hyphens=False
    )
    return wrapper.wrap(text)
