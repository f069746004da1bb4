"""Summarise the data of a run before it starts: counts, people left out, doubts.

A doubt is something that does not stop a run but is probably not intended.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sspcm.config import OptimisationConfig, TrainConfig
from sspcm.data.crop_places import places_of
from sspcm.data.pool import ONLY_A_BOX, left_out_line
from sspcm.data.sets import TrainingSets
from sspcm.runs.records import RunSummary
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError, not_read
from wepdtof_pose.formats.layout import counts_in_words
from wepdtof_pose.geometry import transform_points
from wepdtof_pose.validation.joints import unpaired_joints
from wepdtof_pose.validation.validate import validate

LEAST_IN_CROPS = 0.1
"""Lowest share of labelled joints in their crops with which a run can learn and be scored."""


def summarise(config: TrainConfig, sets: TrainingSets, *, validated: bool = True) -> RunSummary:
    """Return a summary of the people that a run will train and test on.

    Args:
        config: of the run.
        sets: its people.
        validated: read the annotations again, to count the findings of `wepdtof-pose validate`.

    Raises:
        InputError: almost no labelled joint lies in the crop of its person.
    """
    labelled = sets.train.select_people(sets.labelled)
    shares = {
        "labelled": joints_in_crops(config, labelled),
        "tested": joints_in_crops(config, sets.test.select_people(sets.tested)),
    }
    for people, share in shares.items():
        if share < LEAST_IN_CROPS:
            raise InputError(
                f"{config.data.path}: {100 * share:.1f} % of the joints of {people} people lie in "
                "the crops of their boxes: joints and boxes are not in the same pixels, or boxes "
                "are far too small; wepdtof-pose validate says more"
            )
    findings = validate(config.data.path).counts if validated else {}
    return RunSummary(
        labelled=len(sets.labelled),
        pool=len(sets.unlabelled),
        test=len(sets.tested),
        left_out=sets.left_out,
        reading=sets.reading,
        unread=sets.unread,
        shared_images=sets.shared,
        joints_in_crops={people: round(share, 4) for people, share in shares.items()},
        joints_without_partner=unpaired_joints(sets.test.keypoint_set),
        findings=findings,
        doubts=list(_doubts(config, sets, shares, findings)),
    )


def summary_lines(summary: RunSummary) -> Iterator[str]:
    """Yield the summary as readable lines."""
    tested = f"{summary.test} to test on" if summary.test else "nobody to test on: no evaluation"
    yield f"{summary.labelled} labelled people, {summary.pool} in the unlabelled pool, {tested}"
    if summary.left_out:
        yield left_out_line(summary.left_out)
    if counts_read := counts_in_words(summary.reading):
        yield f"on reading {counts_read}"
    yield from not_read(summary.unread, see="result.json")
    for doubt in summary.doubts:
        yield f"warning: {doubt}"


def joints_in_crops(config: TrainConfig, people: PoseDataset) -> float:
    """Return the share of labelled joints that lie in their crops; 1 if no joint is labelled."""
    size = config.data.crop_size
    matrices = places_of(people, size, upright=config.data.upright).matrices(size, size)
    labelled = people.keypoints[..., 2] > 0
    if not labelled.any():
        return 1.0
    moved = transform_points(people.keypoints[..., :2], matrices)
    inside = np.all((moved >= -0.5) & (moved <= np.array(size) - 0.5), axis=2)
    return float(inside[labelled].mean())


def unreached_milestones(config: OptimisationConfig) -> list[int]:
    """Return the milestones of the learning rate that lie after the end of the run."""
    if config.schedule != "steps":
        return []
    return [epoch for epoch in config.milestones if epoch >= config.epochs]


def _doubts(
    config: TrainConfig, sets: TrainingSets, shares: dict[str, float], findings: dict[str, int]
) -> Iterator[str]:
    if sets.shared:
        yield f"{sets.shared}; the people on them are left out"
    only_boxes = sets.left_out.get(f"training split: {ONLY_A_BOX}", 0)
    if only_boxes and not config.data.unlabelled:
        yield (
            f"{only_boxes} people of the training split have {ONLY_A_BOX} and are not used: "
            "data.unlabelled_boxes=true puts them into the unlabelled pool"
        )
    if config.data.unlabelled and config.method.name == "supervised":
        yield (
            "supervised learns from labelled people alone: those of data.unlabelled are not used "
            "(--method sspcm_ema learns from them)"
        )
    for people, share in shares.items():
        if share < _FEW_IN_CROPS:
            yield f"only {100 * share:.1f} % of the joints of {people} people lie in their crops"
    alone = unpaired_joints(sets.test.keypoint_set)
    scored = config.evaluation
    mirrored = config.easy_view.flip_probability or scored.flip_test or scored.looks > 1
    if alone and mirrored:
        yield (
            f"the joints {', '.join(alone)} are called left, right or a number and have no partner "
            "in a mirror, but views are mirrored: name them left_... and right_..., or state "
            "'flip_pairs' in the category (easy_view.flip_probability=0 with "
            "evaluation.flip_test=false and evaluation.looks=1 mirrors none)"
        )
    seen = (sets.train.keypoints[sets.labelled][..., 2] > 0).any(axis=0)
    joints = zip(sets.train.keypoint_set.joints, seen, strict=True)
    unseen = [name for name, has in joints if not has and name in sets.vocabulary]
    if unseen:
        yield f"no labelled person has {', '.join(unseen)}: the networks cannot learn where that is"
    missed = unreached_milestones(config.optimisation)
    if missed:
        epochs = ", ".join(map(str, missed))
        yield (
            f"optimisation.milestones: the learning rate does not drop at {epochs}, as the run "
            f"has {config.optimisation.epochs} epochs"
        )
    if findings:
        counts = ", ".join(f"{count} {code}" for code, count in findings.items())
        yield f"wepdtof-pose validate {config.data.path} finds {counts}"


_FEW_IN_CROPS = 0.9
