"""What `validate` finds: the codes with their severity and remedy, findings, and the report."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np

Severity = Literal["error", "warning"]


class Code(NamedTuple):
    """A kind of problem: how bad it is, what it is, what to do, and whether --fix does it."""

    severity: Severity
    title: str
    fix: str
    repaired: bool = False


CODES: dict[str, Code] = {
    "json": Code(
        "error", "file that is no annotation file, or no JSON", "export or download the file again"
    ),
    "structure": Code(
        "error",
        "entry that does not have the form of annotations/schema.json",
        "correct the field; --fix drops entries of that kind",
        True,
    ),
    "category": Code(
        "error",
        "file whose categories do not say which joints there are",
        "keep one category with 'keypoints', the list of joint names in the file's order",
    ),
    "category-unknown": Code(
        "error",
        "person of a category that is not listed, and so is never read",
        "set category_id to the id of the category that names the joints",
    ),
    "image-id-repeated": Code(
        "error",
        "image id used twice",
        "give each image its own id; --fix drops entries that are equal in all fields",
    ),
    "image-unknown": Code(
        "error",
        "person on an image that is not listed",
        "add the image to 'images'; --fix drops the person",
        True,
    ),
    "person-id-repeated": Code(
        "error",
        "annotation id used twice: pycocotools keeps only the last of them",
        "number the annotations anew; --fix gives the later ones new ids",
        True,
    ),
    "person-id-missing": Code(
        "error",
        "annotation without an id: pycocotools stops with KeyError",
        "number the annotations from 1; --fix does",
        True,
    ),
    "person-id-zero": Code(
        "warning",
        "annotation id 0: pycocotools counts a match with it as no match, so AP drops",
        "number the annotations from 1; --fix gives a new id",
        True,
    ),
    "not-finite": Code(
        "error",
        "NaN, infinite or enormous number",
        "correct it; --fix makes such joints not labelled and rebuilds such boxes and areas",
        True,
    ),
    "keypoint-count": Code(
        "error",
        "keypoints of the wrong length",
        "give three numbers for each joint of the category; --fix makes the joints not labelled",
        True,
    ),
    "visibility": Code(
        "error",
        "visibility that is not 0, 1 or 2",
        "0 not labelled, 1 hidden, 2 visible; --fix takes what is above 0 as 2, else 0",
        True,
    ),
    "box-empty": Code(
        "error",
        "box without width or height: nobody is cut out, trained on or scored",
        "draw the box; --fix takes the extent of the labelled joints, or drops the person",
        True,
    ),
    "box-outside": Code(
        "error",
        "box that lies wholly outside its image",
        "check units and image; --fix takes the extent of the labelled joints, or drops the person",
        True,
    ),
    "box-over-edge": Code(
        "warning",
        "box that reaches over the edge of its image",
        "harmless: readers cut it to the image",
    ),
    "joint-outside-image": Code(
        "warning",
        "labelled joint outside its image",
        "label it 0; --fix does, and moves joints at most 2 pixels outside onto the edge",
        True,
    ),
    "joint-outside-box": Code(
        "warning",
        "visible joint a tenth of the box outside its box, or a hidden one half of it",
        "check that box and joints are of one person; the crop of training may miss the joint",
    ),
    "num-keypoints": Code(
        "error",
        "num_keypoints missing or wrong",
        "count the joints with visibility above 0; --fix does",
        True,
    ),
    "area-missing": Code(
        "error",
        "person without an area: pycocotools stops with KeyError, or AP is 0",
        "convert, or --fix: 0.53 x width x height, as in the released evaluation",
        True,
    ),
    "area-not-positive": Code(
        "error",
        "area of 0 or less: OKS is 0 and AP is 0, or -1 where the area is negative",
        "--fix: 0.53 x width x height, as in the released evaluation",
        True,
    ),
    "area-doubtful": Code(
        "warning",
        "area above that of the box, or below a hundredth of it: OKS is too kind or too strict",
        "check the unit of 'area' (square pixels of this image)",
    ),
    "rotated-box": Code(
        "warning",
        "rotated box that is wider than high, or turned by more than 90 degrees",
        "w <= h and an angle in [-90, 90]; exchange the sides and turn by 90 degrees; --fix does",
        True,
    ),
    "sides-exchanged": Code(
        "warning",
        "left and right are exchanged with high probability",
        "look at the person with 'wepdtof-pose visualize'",
    ),
    "track-repeated": Code(
        "error",
        "track id used by several people of one image",
        "never key on (image, track id); only the pictures tell which of them it is",
    ),
    "people-alike": Code(
        "warning",
        "two people of an image with nearly the same pose: one is counted as a miss",
        "keep one of them; --fix drops exact copies",
    ),
    "box-repeated": Code(
        "warning",
        "two people of an image with exactly the same box",
        "keep one of them; --fix drops exact copies",
    ),
    "file-name": Code(
        "error",
        "file name that no file can have, or that leads out of the image folder",
        "rename the image in 'images'",
    ),
    "file-name-repeated": Code(
        "warning",
        "one file listed as several images of a split",
        "merge the entries, or some of the people will be taken for background",
    ),
    "file-name-case": Code(
        "warning",
        "file names that differ only in upper and lower case",
        "rename one: on Windows and macOS they are one file",
    ),
    "file-name-leak": Code(
        "error",
        "one file listed in several splits",
        "take it out of one of them: test scores are too high",
    ),
    "image-missing": Code("error", "image file that is not there", "copy it to the image folder"),
    "image-unreadable": Code("error", "file that is no readable image", "download it again"),
    "image-truncated": Code("error", "image file that is cut short", "download it again"),
    "image-size": Code(
        "error",
        "width or height that are not those of the file",
        "joints and image may not belong together; --fix --images takes the size of the file",
        True,
    ),
    "image-repeated": Code(
        "warning", "files of one split with the same content", "keep one of them"
    ),
    "image-leak": Code(
        "error",
        "files of different splits with the same content",
        "take it out of one of them: test scores are too high",
    ),
}
"""All codes, in the order in which they are shown."""

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
        """Everything as plain data, for JSON."""
        return {
            "checked": self.checked,
            "errors": self.errors,
            "warnings": sum(self.counts.values()) - self.errors,
            "counts": self._sorted_counts(),
            "findings": [asdict(f) for f in self.findings],
            "findings_left_out": sum(self.counts.values()) - len(self.findings),
        }

    def as_text(self, *, places: int = 3, width: int = 100) -> str:
        """A table for people: codes with counts, the first few places of each, and the remedy."""
        lines = []
        for file in self.checked:
            lines.append(f"{file['file']}: {file['people']} people on {file['images']} images")
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
        return "\n".join([*lines, "", f"{self.errors} errors, {warnings} warnings"])

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
