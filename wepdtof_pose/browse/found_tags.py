"""The findings of `validate` by the frame and the person they are about."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.validation.raw_file import read_raw
from wepdtof_pose.validation.validate import check_raw


@dataclass(frozen=True)
class FoundTags:
    """Codes of findings, sorted, by row of the frames and of the people; `whole` of the file."""

    frames: dict[int, list[str]] = field(default_factory=dict)
    people: dict[int, list[str]] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)


def found_tags(content: Any, dataset: PoseDataset, *, source: str) -> FoundTags:
    """What is wrong with a parsed annotation file, by row of the data set read from it."""
    category = dataset.meta.get("category")
    people_read = [
        position
        for position, annotation in enumerate(content["annotations"])
        if category is None or annotation.get("category_id", category["id"]) == category["id"]
    ]
    row_of_person = {position: row for row, position in enumerate(people_read)}
    frames: dict[int, set[str]] = defaultdict(set)
    people: dict[int, set[str]] = defaultdict(set)
    whole: set[str] = set()
    for problem in check_raw(read_raw(content, source=source)):
        for position in problem.rows:
            if problem.table == "images":
                frames[int(position)].add(problem.code)
            elif problem.table == "annotations" and int(position) in row_of_person:
                people[row_of_person[int(position)]].add(problem.code)
            else:
                whole.add(problem.code)
    return FoundTags(
        frames={row: sorted(codes) for row, codes in frames.items()},
        people={row: sorted(codes) for row, codes in people.items()},
        whole=sorted(whole),
    )
