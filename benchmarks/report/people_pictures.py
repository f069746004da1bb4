"""Pictures of test people, annotated beside predicted poses: a random choice, and the hardest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.analyses.people_scores import cell_predictions
from benchmarks.report.html_page import Block, Picture, photo
from benchmarks.results.results import CellResult, Comparison
from benchmarks.results.statistics import summarise
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.pictures import annotators
from wepdtof_pose.pictures.people import person_picture
from wepdtof_pose.scores.people import match_people, people_scores
from wepdtof_pose.scores.predictions import Predictions

SHOWN = 6
"""Number of people of each kind."""
PICTURES_CAPTION = (
    "{place}: annotated pose, then predictions of the first run of each method shown, with their "
    "OKS. Orange is the right side, blue the left; rings and dashes are hidden joints."
)
_SIZE = (165, 220)


def hardest_and_samples(
    comparison: Comparison, baseline: str | None, score: str
) -> tuple[Block, Block]:
    """Return pictures of the hardest people, and of a random choice of people.

    The poses are those of the baseline and of the best other method at the smallest label budget;
    the hardest people are those of the latter.

    Raises:
        InputError: predictions or data are missing.
    """
    cells = _shown(comparison, baseline, score)
    found = [cell_predictions(cell) for cell in cells]
    test = found[0][0]
    poses = [predictions for _, predictions in found]
    oks = [people_scores(test, predictions).oks for predictions in poses]
    counted = np.flatnonzero((match_people(test, poses[-1]) >= 0) & ~np.isnan(oks[-1]))
    hardest = counted[np.argsort(oks[-1][counted], kind="stable")[:SHOWN]]
    chosen = np.sort(np.random.default_rng(0).permutation(counted)[:SHOWN])
    hard, samples = (
        Block("people", [_row_of_pictures(test, int(row), cells, poses, oks) for row in rows])
        for rows in (hardest, chosen)
    )
    return hard, samples


def _shown(comparison: Comparison, baseline: str | None, score: str) -> list[CellResult]:
    groups = comparison.first_groups
    base = [group for group in groups if group.method == baseline]
    others = [group for group in groups if group.method != baseline]
    means = [s.mean if (s := summarise(g.values(score))) else -1.0 for g in others]
    best = [others[int(np.argmax(means))]] if others else []
    return [group.cells[0] for group in (*base, *best)]


def _row_of_pictures(
    test: PoseDataset,
    row: int,
    cells: Sequence[CellResult],
    poses: Sequence[Predictions],
    oks: Sequence[np.ndarray],
) -> Picture:
    pictures = [person_picture(test, row, test.keypoints[row], size=_SIZE)]
    texts = ["annotated"]
    for cell, predictions, values in zip(cells, poses, oks, strict=True):
        pose_of = match_people(test, predictions)
        points = predictions.keypoints[pose_of[row]].astype(np.float64)
        pose = np.concatenate([points[:, :2], np.full((len(points), 1), 2.0)], axis=1)
        pictures.append(person_picture(test, row, pose, size=_SIZE))
        texts.append(f"{cell.result.method} {values[row]:.2f}")
    frame = test.frames["file_name"].iloc[test.frame_rows[row]]
    caption = f"{', '.join(texts)}. Person {test.people['id'].iloc[row]}, {frame}"
    return photo(annotators.grid(pictures, columns=len(pictures), gap=4), caption)
