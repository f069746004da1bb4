"""What is wrong with annotations: findings in a file, a folder, or a data set in memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np

from wepdtof_pose.dataset import BOX_COLUMNS, ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.coco import to_dict
from wepdtof_pose.formats.loading import annotation_files, names_of_files
from wepdtof_pose.validation.annotations import (
    check_boxes,
    check_categories,
    check_counts_and_areas,
    check_fields,
    check_file_names,
    check_ids,
    check_other_fields,
    check_people,
    check_rotated_boxes,
)
from wepdtof_pose.validation.codes import CODES
from wepdtof_pose.validation.findings import Problem, Report
from wepdtof_pose.validation.joints import (
    check_joint_names,
    check_keypoints,
    check_people_of_an_image,
    check_sides,
)
from wepdtof_pose.validation.raw_file import RawFile, read_raw
from wepdtof_pose.validation.units import OF_ANGLES, UNITS, check_angles, check_units

CHECKS: tuple[Callable[[RawFile], Iterator[Problem]], ...] = (
    check_joint_names,
    check_categories,
    check_people,
    check_units,
    check_angles,
    check_ids,
    check_fields,
    check_other_fields,
    check_file_names,
    check_boxes,
    check_rotated_boxes,
    check_keypoints,
    check_counts_and_areas,
    check_sides,
    check_people_of_an_image,
)

SAMPLED = 2000
"""People from whom units are told."""

_OF_PLACES = ("box-small", "box-over-edge", "joint-outside-box", "area-doubtful")


def validate(path: Path | str, *, images: bool = False, category: str | None = None) -> Report:
    """Find everything that is wrong, or probably wrong, under a path.

    Args:
        path: an annotation file, or a data set folder.
        images: read the image files too.
        category: name of the category of people, where several have joints.

    Raises:
        InputError: there is no such path, or no annotation file in the folder.

    >>> from wepdtof_pose.annotations import sample_folder
    >>> report = validate(sample_folder(), images=True)
    >>> report.errors, len(report.checked)
    (0, 1)
    """
    with _without_garbage_collection():
        return _validate(annotation_files(Path(path)), images=images, category=category)


def validate_dataset(dataset: PoseDataset) -> Report:
    """Find what is wrong with a data set in memory, whatever format it came from."""
    report = Report()
    raw = read_raw(to_dict(dataset), source=dataset.keypoint_set.name)
    add_problems(report, raw, check_raw(raw))
    return report


# Boxes and joints may hold NaN and infinity, of which numpy would warn in the middle of findings.
@np.errstate(all="ignore")
def doubts_about(dataset: PoseDataset) -> list[str]:
    """Return what says that places or angles are in another unit or convention than ours.

    So does a file that is several images: people may be those of another picture; and so do people
    with the box and the joints of another, or with a box of no size, and joints at 0, 0. This is
    for commands that read data in whatever way: the units are those of SAMPLED people, evenly
    spread.
    """
    rows = np.unique(np.linspace(0, len(dataset) - 1, min(SAMPLED, len(dataset))).astype(int))
    raw = read_raw(to_dict(dataset.select_people(rows)), source=dataset.keypoint_set.name)
    found = [problem.describe(0) for check in (check_units, check_angles) for problem in check(raw)]
    again = dataset.frames["file_name"][dataset.frames["file_name"].duplicated()].tolist()
    if again:
        images = counted(len(again), "image has", "images have")
        found.append(f"{images} the file of another one, {again[0]!r} first: are all people its?")
    people = dataset.people
    empty = int(((people[["w", "h"]] <= 0).any(axis=1) & (people["iscrowd"] == 0)).sum())
    if empty:
        having = counted(empty, "person has", "people have")
        found.append(f"{having} a box without width or height: training and scores leave them out")
    turned = people[list(ROTATED_BOX_COLUMNS)]
    if flat := int((turned.iloc[:, 2:4] <= 0).any(axis=1).sum()):
        having = counted(flat, "person has", "people have")
        found.append(f"{having} a rotated box without width or height")
    places, seen = dataset.keypoints[..., :2], dataset.keypoints[..., 2] > 0
    nowhere = int((seen & ((places == 0).all(axis=2) | (places == -1).all(axis=2))).sum())
    if nowhere:
        having = counted(nowhere, "labelled joint is", "labelled joints are")
        found.append(f"{having} at 0, 0 or -1, -1, where programs put joints that are not there")
    if copies := _copies(dataset):
        having = counted(copies, "person has", "people have")
        found.append(f"{having} the box and all joints of another one on the image: given twice?")
    return found


def _copies(dataset: PoseDataset) -> int:
    """Return how many people have the box and the joints of an earlier one on their frame.

    A box of no size without joints says nothing, and is found as such.
    """
    boxes = dataset.people[["frame_id", *BOX_COLUMNS, *ROTATED_BOX_COLUMNS]]
    says = (dataset.people[["w", "h"]] > 0).all(axis=1) | (dataset.keypoints[..., 2] > 0).any(
        axis=1
    )
    rows = np.flatnonzero(boxes.duplicated(keep=False).to_numpy() & says.to_numpy())
    joints = (dataset.keypoints[row].tobytes() for row in rows.tolist())
    return int(boxes.iloc[rows].assign(joints=list(joints)).duplicated().sum())


@np.errstate(all="ignore")
def check_raw(raw: RawFile) -> list[Problem]:
    """Return all problems of a file that are seen without its images, in no particular order."""
    found = [*raw.problems, *(p for check in CHECKS for p in check(raw) if len(p.rows))]
    if any(problem.code in UNITS - OF_ANGLES for problem in found):
        # Every box and joint is out of place then, for one reason.
        found = [problem for problem in found if problem.code not in _OF_PLACES]
    return found


def add_problems(
    report: Report, raw: RawFile, problems: list[Problem], *, count_file: bool = True
) -> None:
    """Put the problems of a file into a report, ordered as the codes are."""
    if count_file:
        others = len(raw.other_rows)
        counts = {"images": len(raw.images), "people": len(raw.annotations) - others}
        report.checked.append({"file": raw.source, **counts, "others": others})
    for code in CODES:
        for problem in problems:
            if problem.code == code:
                report.add_all(code, len(problem.rows), _places(raw, problem))


def _places(raw: RawFile, problem: Problem) -> Iterator[tuple[str, str]]:
    for i, row in zip(count(), problem.rows, strict=False):
        yield raw.where(problem.table, int(row)), problem.describe(i)


def _validate(files: dict[str, Path], *, images: bool, category: str | None) -> Report:
    from wepdtof_pose.validation.images import check_image_files, check_leaks

    report = Report()
    listed = {}
    for file, name in names_of_files(files).items():
        try:
            raw = read_raw(read_json(file), source=name, category=category)
        except InputError as error:
            report.checked.append({"file": name, "images": 0, "people": 0, "others": 0})
            report.add("json", name, str(error))
            continue
        add_problems(report, raw, check_raw(raw))
        listed[file] = raw if images or len(files) > 1 else None
        if images:
            add_problems(report, raw, check_image_files(raw, file), count_file=False)
    if not any(entry["images"] for entry in report.checked) and "json" not in report.counts:
        report.add("no-images", report.checked[0]["file"], "'images' is empty")
    # A file of frames without people is one, too.
    compared = {file: raw for file, raw in listed.items() if raw is not None}
    _check_joints_agree(report, list(compared.values()))
    check_leaks(report, compared, contents=images)
    return report


def _check_joints_agree(report: Report, files: list[RawFile]) -> None:
    named = [(raw.source, raw.keypoint_set) for raw in files if raw.keypoint_set]
    for source, keypoint_set in named[1:]:
        first, expected = named[0]
        if keypoint_set.joints != expected.joints:
            message = f"{keypoint_set.name}, but {first} has {expected.name}"
            report.add("joints-differ", source, message)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Millions of small objects are made and none lies in a cycle: looking costs half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
