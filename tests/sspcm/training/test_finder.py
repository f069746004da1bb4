import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sspcm.inference.finder import open_finder
from sspcm.training import finder as training
from sspcm.training.finder import (
    FinderConfig,
    Frames,
    draw_views_of_frames,
    evaluate_finder,
    move_boxes,
    train_finder,
)
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.synthetic.generate import ANNOTATIONS

TINY = FinderConfig(
    steps=4,
    batch_size=2,
    window=64,
    smallest=48,
    largest=96,
    warm_up=1,
    pretrained="",
    frozen_stages=1,
    save_every=2,
)


@pytest.mark.parametrize("mirrored", [False, True])
def test_moved_boxes_are_boxes_of_moved_corners(mirrored: bool) -> None:
    rng = np.random.default_rng(0)
    boxes = rng.uniform([0, 0, 5, 5, -180], [99, 99, 30, 60, 180], (20, 5))
    cos, sin = 0.7 * np.cos(2.0), 0.7 * np.sin(2.0)
    side = -1 if mirrored else 1
    matrix = np.array([[side * cos, -sin, 12.0], [side * sin, cos, -5.0]])
    moved = move_boxes(boxes, matrix)
    corners = rotated_box_corners(boxes) @ matrix[:, :2].T + matrix[:, 2]
    # A mirror exchanges left and right corners.
    order = [1, 0, 3, 2] if mirrored else [0, 1, 2, 3]
    np.testing.assert_allclose(rotated_box_corners(moved)[:, order], corners, atol=1e-8)


def test_a_step_is_a_function_of_its_number(tiny_fisheye: Path) -> None:
    frames = Frames(coco.read(tiny_fisheye / ANNOTATIONS))
    one, two, other = (draw_views_of_frames(frames, TINY, step) for step in (3, 3, 4))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    assert not torch.equal(one[0], other[0])
    assert one[0].shape == (2, 3, 64, 64)
    assert one[1].shape == (2, 7, 8, 8)


@pytest.mark.parametrize("kind", ["clutter", "held"])
def test_clutter_changes_views_and_no_target(tiny_fisheye: Path, kind: str) -> None:
    frames = Frames(coco.read(tiny_fisheye / ANNOTATIONS))
    config = replace(TINY, batch_size=4, window=160, smallest=160, largest=160, **{kind: 1.0})
    one, two = (draw_views_of_frames(frames, config, 3) for _ in range(2))
    tidy = draw_views_of_frames(frames, replace(config, **{kind: 0.0}), 3)
    assert torch.equal(one[0], two[0])
    assert not torch.equal(one[0], tidy[0])
    assert torch.equal(one[1], tidy[1])


def test_interrupted_is_uninterrupted(tiny_fisheye: Path, tmp_path: Path, monkeypatch) -> None:
    dataset = coco.read(tiny_fisheye / ANNOTATIONS)
    whole = train_finder(dataset, tmp_path / "whole", TINY)

    class Killed(Exception):
        pass

    def dies(frames: Frames, config: FinderConfig, step: int) -> None:
        if step == 3:
            raise Killed
        return draw_views_of_frames(frames, config, step)

    with monkeypatch.context() as patched:
        patched.setattr(training, "draw_views_of_frames", dies)
        with pytest.raises(Killed):
            train_finder(dataset, tmp_path / "parts", TINY)
    assert not (tmp_path / "parts" / "weights.pt").exists()
    parts = train_finder(dataset, tmp_path / "parts", TINY, resume=True)
    states = [torch.load(path, weights_only=True)["state_dict"] for path in (whole, parts)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    rows = [
        [
            {key: value for key, value in json.loads(line).items() if key != "seconds"}
            for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        ]
        for name in ("whole", "parts")
    ]
    assert rows[0] == rows[1]
    assert [row["step"] for row in rows[0]] == [2, 4]
    assert states[0]["final_layer.weight"].dtype == torch.float16


def test_a_folder_holds_one_run(tiny_fisheye: Path, tmp_path: Path) -> None:
    dataset = coco.read(tiny_fisheye / ANNOTATIONS)
    folder = tmp_path / "run"
    short = replace(TINY, steps=1)
    file = train_finder(dataset, folder, short)
    before = file.read_bytes()
    assert train_finder(dataset, folder, short, resume=True).read_bytes() == before
    with pytest.raises(InputError, match="holds a run already"):
        train_finder(dataset, folder, short)
    with pytest.raises(InputError, match=r"holds another run \(other seed"):
        train_finder(dataset, folder, replace(short, seed=5), resume=True)
    assert json.loads((folder / "config.json").read_text())["steps"] == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("window", 50),
        ("batch_size", 0),
        ("largest", 10),
        ("clutter", 1.5),
        ("held", -0.1),
    ],
)
def test_bad_settings_are_named(field: str, value: int) -> None:
    with pytest.raises(InputError, match=field):
        FinderConfig(**{**asdict(FinderConfig()), field: value})


def test_evaluation_counts_people_and_both_kinds_of_boxes(
    tiny_fisheye: Path, tmp_path: Path
) -> None:
    dataset = coco.read(tiny_fisheye / ANNOTATIONS)
    file = train_finder(dataset, tmp_path / "run", replace(TINY, steps=1))
    finder = open_finder(file, device="cpu", side=64)
    for kind in ("body", "file"):
        scores = evaluate_finder(finder, dataset, boxes=kind)
        assert scores["frames"] == len(dataset.frames)
        assert scores["people"] == len(dataset)
        assert 0 <= scores["AP50"] <= scores["AP30"] <= 1
        assert 0 <= scores["recall"] <= 1


def test_scores_of_a_finder_that_knows(tiny_fisheye: Path) -> None:
    dataset = coco.read(tiny_fisheye / ANNOTATIONS)
    frames = Frames(dataset)
    boxes = iter(frames.boxes)

    class Knows:
        """Gives the true boxes, frame by frame, and one too many with a low score."""

        def find(self, images: list[np.ndarray]) -> list[np.ndarray]:
            true = next(boxes)
            found = np.concatenate([true, np.full((len(true), 1), 0.8)], axis=1)
            return [np.concatenate([found, [[-500.0, 0.0, 9.0, 9.0, 0.0, 0.1]]])]

    scores = evaluate_finder(Knows(), dataset, threshold=0.5)  # type: ignore[arg-type]
    assert scores["people"] == len(dataset)
    for name in ("AP50", "AP30", "precision", "recall", "precision30", "recall30"):
        assert scores[name] == pytest.approx(1)
    assert scores["best_threshold"] == 0.8
