"""Which labels of a data set are people, where it labels several things.

Every reader asks here, so that labels mean the same in all formats: what the user named with
`--category` is people; else what says so (`person`, `People`, `person_pose`); else the only label
there is, where only people can have what it labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import shown
from wepdtof_pose.formats.layout import count_in_words

PERSON_WORDS = frozenset({"person", "persons", "people", "pedestrian", "pedestrians", "human"})
"""Words that say person, in lower case."""

CATEGORY_OPTION = (
    "--category NAME (sspcm: data.category, data.unlabelled_category; evaluate --data-category)"
)
"""How a user says which of several labels are people, in errors."""

LISTED = 10
"""Labels that an error lists: a file may have thousands."""


def people_labels(
    labels: Iterable[str], category: str | None = None, *, source: str, alone: bool = True
) -> set[str]:
    """Return those of the labels that are people; all of them are as the file spells them.

    >>> sorted(people_labels(["Person", "dog", "person_hand"], source="a.json"))
    ['Person']

    Args:
        labels: the labels met.
        category: the label that the user says is people, or several with commas between; upper and
            lower case are the same.
        source: names the file in errors.
        alone: whether the only label is people, whatever it says: it is where it has joints.

    Raises:
        InputError: no label has such a name, or none says person.
    """
    known = set(labels)
    if not known:
        return known
    if category is not None:
        whole = _called(category, known)
        named = [whole] if whole else [_called(part, known) for part in category.split(",")]
        if not all(named):
            raise InputError(f"{source}: has no {shown(category)}, only {listed(known)}")
        return set().union(*named)
    for test in (_is_person, _mentions_person):
        found = {label for label in known if test(label)}
        if found:
            return found
    if alone and len(known) == 1:
        return known
    raise InputError(
        f"{source}: labels {listed(known)}, none of which says person: "
        f"say which are people with {CATEGORY_OPTION}"
    )


def require_people(people: int, left_out: Mapping[str, int], *, source: str) -> None:
    """Refuse a result with nobody in it where something was left out: that is no success."""
    counts = [count_in_words(count, what) for what, count in left_out.items() if count]
    if not people and counts:
        raise InputError(f"{source}: nobody is left: left out {', '.join(counts[:LISTED])}")


def says_person(label: str) -> bool:
    """Return whether a label says person, alone or among other words."""
    return _is_person(label) or _mentions_person(label)


def listed(labels: Iterable[str]) -> str:
    """Return the labels as an error lists them: in order, and never pages of them.

    >>> listed(["dog", "cat"])
    "'cat', 'dog'"
    """
    names = sorted(labels)
    rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(shown(name) for name in names[:LISTED]) + rest


def _called(name: str, labels: set[str]) -> set[str]:
    return {label for label in labels if label.strip().lower() == name.strip().lower()}


def _is_person(label: str) -> bool:
    # Some tools number what they label: person_0, person_1.
    return re.sub(r"[\W_]*\d+$", "", label.strip().lower()) in PERSON_WORDS


def _mentions_person(label: str) -> bool:
    return not PERSON_WORDS.isdisjoint(re.split(r"[\W_]+", label.lower()))
