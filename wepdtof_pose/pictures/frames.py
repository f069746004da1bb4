"""Files with pictures of a data set: frames, grids of people, heatmaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import make_folder
from wepdtof_pose.images import write_image
from wepdtof_pose.pictures import annotators
from wepdtof_pose.pictures.people import (
    as_visible,
    crop_pose,
    frame_picture,
    gaussian_heatmaps,
    person_picture,
    with_pose,
)
from wepdtof_pose.scores.oks import oks_matrix
from wepdtof_pose.scores.people import match_people
from wepdtof_pose.scores.predictions import Predictions


def write_frames(
    dataset: PoseDataset,
    folder: Path,
    *,
    limit: int,
    rng: np.random.Generator,
    problems: list[str] | None = None,
    predictions: Predictions | None = None,
    joint_threshold: float = 0.2,
    rings: bool = False,
) -> list[Path]:
    """Draw a random choice of the frames that have people, and return the PNG files written.

    Args:
        dataset: frames and people.
        folder: made where it is missing.
        limit: at most so many frames, in file order.
        rng: chooses them.
        problems: gets a line for each frame that is left out because its image cannot be read;
            without it one such image is an error.
        predictions: drawn on a second copy of each frame, to the right of the annotations; frames
            without any are left out.
        joint_threshold: predicted joints with a lower score are not drawn.
        rings: draw the fisheye circle and rings of equal angle, too.
    """
    people = _on_predicted_frames(dataset, predictions)[dataset.frame_rows]
    rows = _choice(np.unique(dataset.frame_rows[people]), limit, rng)
    make_folder(folder)
    files = []

    draw = partial(
        frame_picture,
        dataset,
        predictions=predictions,
        joint_threshold=joint_threshold,
        rings=rings,
    )
    for position, picture in drawn(rows, draw, problems):
        # No file system takes longer names than 255 bytes.
        stem = Path(dataset.frames["file_name"].iloc[rows[position]]).stem
        stem = stem.encode(errors="ignore")[:240].decode(errors="ignore")
        files.append(folder / f"{position:03d}_{stem}.png")
        write_image(files[-1], picture)
    return files


def write_grid(
    dataset: PoseDataset,
    file: Path,
    *,
    limit: int,
    rng: np.random.Generator,
    columns: int = 6,
    problems: list[str] | None = None,
    predictions: Predictions | None = None,
    joint_threshold: float = 0.2,
) -> Path:
    """Draw a random choice of the usable people as a grid of captioned crops into a PNG file.

    With predictions each cell has the annotated pose on the left and the prediction matched to it
    on the right, captioned with its OKS and the number of joints drawn. Arguments as in
    `write_frames`.
    """
    usable = dataset.trainable() & _on_predicted_frames(dataset, predictions)[dataset.frame_rows]
    rows = _choice(np.flatnonzero(usable), limit, rng)
    matched = None if predictions is None else match_people(dataset, predictions)

    def draw(row: int) -> np.ndarray:
        crop = person_picture(dataset, row, None)
        annotated = with_pose(crop, dataset, row, dataset.keypoints[row])
        if predictions is None or matched is None:
            labelled = int((dataset.keypoints[row, :, 2] > 0).sum())
            text = f"person {dataset.people['id'].iloc[row]}: {counted(labelled, 'joint')}"
            return annotators.with_caption(annotated, text, size=14)
        text = "not predicted"
        if matched[row] >= 0:
            predicted = predictions.keypoints[matched[row]]
            pose = as_visible(predicted, joint_threshold)
            shown = counted(int((pose[:, 2] > 0).sum()), "joint")
            text = f"predicted: OKS {_oks(dataset, row, predicted):.2f}, {shown}"
            crop = with_pose(crop, dataset, row, pose)
        pair = [
            annotators.with_caption(annotated, "annotated", size=14),
            annotators.with_caption(crop, text, size=14),
        ]
        return np.concatenate(pair, axis=1)

    cells = [cell for _, cell in drawn(rows, draw, problems, kind="people")]
    write_image(file, annotators.grid(cells, columns=columns, gap=8))
    return file


def write_heatmaps(
    dataset: PoseDataset,
    file: Path,
    *,
    limit: int,
    rng: np.random.Generator,
    columns: int = 4,
    problems: list[str] | None = None,
    sigma: float = 2.0,
) -> Path:
    """Draw a random choice of the usable people with the heatmaps that a network learns from.

    Each cell has the annotated pose on the left and its heatmaps over the crop on the right: a
    Gaussian of `sigma` pixels of a 48 x 64 heatmap, in the colour of the side of the body. Other
    arguments as in `write_frames`.
    """
    rows = _choice(np.flatnonzero(dataset.trainable()), limit, rng)

    def draw(row: int) -> np.ndarray:
        pose = dataset.keypoints[row]
        covered = person_picture(dataset, row, None)
        annotated = with_pose(covered, dataset, row, pose)
        heatmaps = gaussian_heatmaps(crop_pose(dataset, row, pose, (48, 64)), (48, 64), sigma)
        annotators.draw_heatmaps(covered, heatmaps, dataset.keypoint_set)
        pair = np.concatenate([annotated, covered], axis=1)
        return annotators.with_caption(pair, f"person {dataset.people['id'].iloc[row]}", size=14)

    cells = [cell for _, cell in drawn(rows, draw, problems, kind="people")]
    write_image(file, annotators.grid(cells, columns=columns, gap=8))
    return file


def drawn(
    rows: np.ndarray,
    draw: Callable[[int], np.ndarray],
    problems: list[str] | None,
    *,
    kind: str = "frames",
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the position and the picture of each row whose image can be read.

    Args:
        rows: what is drawn.
        draw: makes the picture of a row.
        problems: gets a line for each image that cannot be read; see `write_frames`.
        kind: what the rows are, beside the bar.

    Raises:
        InputError: no image can be read, or, without `problems`, one cannot.
    """
    unread: list[str] = []
    for position, row in enumerate(tqdm(rows, desc=kind, disable=None, leave=False)):
        try:
            picture = draw(int(row))
        except InputError as error:
            if problems is None:
                raise
            unread.append(str(error))
            continue
        yield position, picture
    if unread and len(unread) == len(rows):
        raise InputError(unread[0])
    if problems is not None:
        # Several people may be on one image.
        problems += dict.fromkeys(unread)


def _on_predicted_frames(dataset: PoseDataset, predictions: Predictions | None) -> np.ndarray:
    """Return frames (n,) bool that somebody was predicted on; all of them without predictions."""
    if predictions is None:
        return np.ones(len(dataset.frames), dtype=bool)
    return dataset.frames["id"].isin(predictions.frame_ids).to_numpy()


def _choice(rows: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    if not len(rows):
        raise InputError("nobody to draw: no usable people, or no predictions of them")
    return rows[np.sort(rng.permutation(len(rows))[:limit])]


def _oks(dataset: PoseDataset, row: int, pose: np.ndarray) -> float:
    similarity = oks_matrix(
        pose[None],
        dataset.keypoints[row : row + 1],
        dataset.people["area"].to_numpy(dtype=np.float64)[row : row + 1],
        dataset.boxes[row : row + 1],
        dataset.keypoint_set.require_sigmas(),
    )
    return float(similarity[0, 0])
