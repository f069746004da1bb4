"""Measure the ready-trained networks, and write what was found into their cards.

`python -m sspcm.ready.measure --unseen FOLDER --poses FILE --boxes FOLDER` draws people in rooms
that no network was trained on, and measures on them and on real frames, where these are named.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from sspcm.inference.chain import Finder
from sspcm.inference.evaluate import evaluate_networks, load_test_people
from sspcm.inference.finder import THRESHOLD, find_inputs, open_finder, turned_back
from sspcm.inference.open import open_networks
from sspcm.inference.refined import refined
from sspcm.ready.labels import along_bodies, as_annotated
from sspcm.ready.make import drawn
from sspcm.ready.names import FINDER_NETWORK, POSE_NETWORK, ready_networks
from sspcm.training.finder import EVALUATION_THRESHOLD, evaluate_finder
from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.files import read_json, replacing, write_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.datasets import wepdtof

UNSEEN, UNSEEN_SEED = 1000, 900
"""Drawn people of rooms that no network was trained on."""
WAYS = ("as they are", "turned by 90", "turned by 180", "turned by 270")
"""Ways in which the camera may hang, in degrees counter-clockwise."""
MOVED, RESIZED, DRAWS = 0.08, 0.2, 3
"""Standard deviations of how far boxes are moved, as a share of their longer side, and of the
logarithms of the factors that their sides get; and how often, so that scores are means of these."""
SCORES = Path(__file__).with_name("scores.json")
_BEGIN, _END = "<!-- scores -->", "<!-- end of scores -->"


def pose_scores(
    file: Path,
    data: Path,
    *,
    find: Path | None = None,
    refine: bool = True,
    moved: int | None = None,
    flip_test: bool | None = None,
) -> dict[str, float]:
    """Return AP, AP50 and PCK@0.2 of a pose network on a data set.

    In percent, as the file says it is to be used; "people" are those that count.

    Args:
        file: of the network.
        data: labelled people.
        find: file of a finder, whose boxes the network gets in place of the annotated ones, as
            `sspcm predict` does; people whom it does not find count as missed.
        refine: correct these boxes by the network's joints.
        moved: seed of random changes of the annotated boxes; None leaves them.
        flip_test: a flip test, or none, in place of the looks that the file asks for.
    """
    networks = open_networks(file, device="cpu").with_settings(flip_test=flip_test)
    networks = networks.only(networks.reported)
    test = load_test_people(data, None, networks=networks)
    if moved is not None:
        boxes = test.people.people.copy()
        boxes[list(ROTATED_BOX_COLUMNS)] = moved_boxes(test.people.rotated_boxes, moved)
        test = replace(test, people=replace(test.people, people=boxes))
    if find is None:
        result = evaluate_networks(networks, test)
    else:
        finder: Finder = open_finder(find, device="cpu")
        finder = refined(finder, networks) if refine else finder
        frames = sorted({test.people.root / name for name in test.people.frames["file_name"]})
        with tempfile.TemporaryDirectory() as folder:
            boxes = Path(folder) / "boxes.json"
            find_inputs(finder, frames, boxes)
            result = evaluate_networks(networks, test, detections=boxes)
    scores = result["networks"][networks.reported]
    people = {"people": int(test.people.trainable().sum())}
    return people | {name: round(100 * scores[name], 1) for name in ("AP", "AP50", "PCK@0.2")}


def moved_pose_scores(file: Path, data: Path) -> dict[str, float]:
    """Return the `pose_scores` of people whose boxes are off at random, means of `DRAWS` draws.

    Finders and other annotators do not set boxes as those of the training people are.
    """
    draws = [pose_scores(file, data, moved=seed) for seed in range(DRAWS)]
    return {name: round(float(np.mean([one[name] for one in draws])), 1) for name in draws[0]}


def moved_boxes(boxes: np.ndarray, seed: int) -> np.ndarray:
    """Return rotated boxes (people, 5), moved and resized by random amounts."""
    generator = np.random.default_rng(seed)
    moved = boxes.copy()
    longer = boxes[:, 2:4].max(axis=1, keepdims=True)
    moved[:, :2] += generator.normal(0, MOVED, (len(boxes), 2)) * longer
    moved[:, 2:4] *= np.exp(generator.normal(0, RESIZED, (len(boxes), 2)))
    return moved


class Turned:
    """A finder of a camera that hangs the other way: it sees frames after quarter turns."""

    def __init__(self, finder: Finder, quarters: int) -> None:
        self._finder = finder
        self._quarters = quarters

    def find(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the people on the images as they were."""
        return [self._find(image) for image in images]

    def _find(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        boxes = self._finder.find([np.rot90(image, self._quarters)])[0]
        boxes[:, :5] = turned_back(boxes[:, :5], self._quarters, (width, height))
        return boxes


def finder_scores(
    file: Path,
    data: PoseDataset,
    *,
    pose: Path | None = None,
    boxes: str = "body",
    turns: int = 1,
    quarters: int = 0,
) -> dict[str, float]:
    """Return what `evaluate_finder` says of a finder at the default threshold, in percent.

    Args:
        file: of the finder.
        pose: of networks whose joints correct its boxes; None for the finder alone.
        data: frames and people.
        boxes: see `evaluate_finder`.
        turns: number of quarter turns in which each frame is searched.
        quarters: quarter turns by which the camera is turned.
    """
    finder: Finder = open_finder(file, threshold=EVALUATION_THRESHOLD, device="cpu", turns=turns)
    if pose is not None:
        finder = refined(finder, open_networks(pose, device="cpu"))
    scores = evaluate_finder(Turned(finder, quarters), data, boxes=boxes, threshold=THRESHOLD)
    counts = {name: scores[name] for name in ("frames", "people")}
    names = ("AP50", "AP30", "precision", "recall", "precision30", "recall30")
    shares = {name: 100 * scores[name] for name in names}
    return (
        counts
        | {name: round(value, 1) for name, value in shares.items()}
        | {"best_threshold": round(scores["best_threshold"], 3)}
    )


def write_card(card: Path, scores: dict[str, dict[str, float]]) -> None:
    """Put the table of a network's scores between the marks of its card."""
    before, rest = card.read_text(encoding="utf-8").split(_BEGIN)
    after = rest.split(_END)[1]
    text = f"{before}{_BEGIN}\n\n{score_table(scores)}\n\n{_END}{after}"
    with replacing(card) as temporary:
        temporary.write_text(text, encoding="utf-8")


def score_table(scores: dict[str, dict[str, float]]) -> str:
    """Return a Markdown table of a network's scores, a row for each set of people."""
    columns = list(next(iter(scores.values())))
    rows = [["measured on", *columns], ["---"] * (len(columns) + 1)]
    rows += [[name, *(f"{one[column]:g}" for column in columns)] for name, one in scores.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@click.command()
@click.option("--unseen", type=click.Path(path_type=Path), default=Path("runs/ready"))
@click.option("--poses", type=click.Path(path_type=Path), help="COCO file of real people's joints.")
@click.option("--boxes", type=click.Path(path_type=Path), help="Real boxes in WEPDTOF's form.")
@click.option("--only", type=click.Choice([POSE_NETWORK, FINDER_NETWORK]))
def main(unseen: Path, poses: Path | None, boxes: Path | None, only: str | None) -> None:
    """Measure the shipped networks, into scores.json and the cards beside them."""
    data = drawn(unseen, "unseen", UNSEEN, UNSEEN_SEED)
    report: dict[str, Any] = read_json(SCORES) if SCORES.is_file() else {}
    files = ready_networks()
    if only != FINDER_NETWORK:
        file = files[POSE_NETWORK]
        find = files[FINDER_NETWORK]
        along, seen = as_annotated(along_bodies(data)), as_annotated(data)
        scores = {
            "drawn people of unseen rooms": pose_scores(file, along),
            "the same, --flip-test": pose_scores(file, along, flip_test=True),
            "the same, boxes moved at random": moved_pose_scores(file, along),
            "the same, in boxes that ceiling-find finds": pose_scores(file, seen, find=find),
            "the same, --no-refine": pose_scores(file, seen, find=find, refine=False),
            "drawn people of unseen rooms, joints as drawn": pose_scores(file, along_bodies(data)),
        }
        if poses is not None:
            scores["real people (CEPDOF)"] = pose_scores(file, poses)
            scores["real people, --flip-test"] = pose_scores(file, poses, flip_test=True)
            scores["real people, boxes moved at random"] = moved_pose_scores(file, poses)
            scores["real people, in boxes found"] = pose_scores(file, poses, find=find)
            name = "real people, --no-refine"
            scores[name] = pose_scores(file, poses, find=find, refine=False)
        report[POSE_NETWORK] = scores
    if only != POSE_NETWORK:
        file = files[FINDER_NETWORK]
        people = coco.read(data)
        pose = files[POSE_NETWORK]
        scores = {
            "drawn frames of unseen rooms": finder_scores(file, people, pose=pose),
            "the same, --turns 4": finder_scores(file, people, pose=pose, turns=4),
            "the same, --pose none": finder_scores(file, people),
        }
        if boxes is not None:
            people = next(iter(wepdtof.read(boxes).datasets.values()))
            for quarters, name in enumerate(WAYS):
                scores[f"real frames (CEPDOF), {name}"] = finder_scores(
                    file, people, pose=pose, boxes="file", quarters=quarters
                )
            scores["real frames (CEPDOF), --turns 4"] = finder_scores(
                file, people, pose=pose, boxes="file", turns=4
            )
            scores["real frames (CEPDOF), --pose none"] = finder_scores(file, people, boxes="file")
        report[FINDER_NETWORK] = scores
    write_json(SCORES, report, indent=1)
    for name, scores in report.items():
        write_card(files[name].with_suffix(".md"), scores)
        click.echo(f"{name}\n{score_table(scores)}")


if __name__ == "__main__":
    main()
