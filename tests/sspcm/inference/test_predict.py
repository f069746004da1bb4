"""Predictions on images, folders and videos: the poses of the evaluation, and clear errors."""

import json
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from sspcm.commands.main import main
from sspcm.inference import predict
from sspcm.inference.frames import Frame, Source, find_sources, read_frames
from sspcm.inference.open import open_networks
from sspcm.inference.predict import FRAMES_AT_ONCE, predict_inputs
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.geometry import PIXEL_STD, boxes_to_center_scale, clip_boxes
from wepdtof_pose.scores.predictions import from_results, suppress


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def images(test_people: PoseDataset) -> list[Path]:
    return [test_people.root / name for name in test_people.frames["file_name"]]


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "clip.mp4", frames: int = 5, size: tuple[int, int] = (96, 64)) -> Path:
        path = tmp_path / name
        code = cv2.VideoWriter.fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
        writer = cv2.VideoWriter(str(path), code, 10, size)
        for number in range(frames):
            image = np.full((size[1], size[0], 3), 40 + 20 * (number % 8), dtype=np.uint8)
            cv2.circle(image, (20 + number % 40, 30), 12, (200, 120, 60), -1)
            writer.write(image)
        writer.release()
        return path

    return write


def boxes_by_name(people: PoseDataset) -> list[dict[str, Any]]:
    names = people.frames["file_name"].to_numpy()[people.frame_rows]
    return [
        {"file_name": name, "category_id": 1, "bbox": box.tolist(), "score": 1.0}
        for name, box in zip(names, people.boxes, strict=True)
    ]


def test_poses_are_those_of_the_evaluation(
    tiny_run: Path, test_people: PoseDataset, images: list[Path], tmp_path: Path
) -> None:
    write_json(tmp_path / "boxes.json", boxes_by_name(test_people))
    done = run(
        "predict", tiny_run, *images, "--boxes", tmp_path / "boxes.json", "-o", tmp_path / "out"
    )
    assert done.exit_code == 0, done.output
    # The run wrote the pose of every annotated box; prediction leaves one of poses that coincide.
    wanted = from_results(read_json(tiny_run / "predictions.json"), test_people, source="run")
    clipped, _ = clip_boxes(
        test_people.boxes, test_people.frames[["width", "height"]].to_numpy()[0]
    )
    _, scale = boxes_to_center_scale(clipped, (64, 64))
    areas = np.prod(scale.astype(np.float64) * PIXEL_STD, axis=1)
    kept = suppress(wanted, areas, test_people.keypoint_set.require_sigmas(), 0.9)
    frame_names = dict(zip(test_people.frames["id"], test_people.frames["file_name"], strict=True))
    rows = read_json(tmp_path / "out" / "predictions.json")
    assert [Path(frame_names[frame]).name for frame in kept.frame_ids] == [
        row["file_name"] for row in rows
    ]
    found = np.array([row["keypoints"] for row in rows]).reshape(kept.keypoints.shape)
    np.testing.assert_allclose(found, kept.keypoints, atol=2e-3)
    assert [row["score"] for row in rows] == pytest.approx(kept.scores, abs=1e-6)


def test_a_whole_image_is_one_person(single_run: Path, images: list[Path], tmp_path: Path) -> None:
    done = run("predict", single_run, images[0], "-o", tmp_path / "out", "--draw")
    assert done.exit_code == 0, done.output
    (row,) = read_json(tmp_path / "out" / "predictions.json")
    height, width = cv2.imread(str(images[0])).shape[:2]
    assert row["bbox"] == [0, 0, width, height]
    assert (row["file_name"], row["image_id"]) == (images[0].name, images[0].stem)
    assert len(row["keypoints"]) == 42
    drawn = cv2.imread(str(tmp_path / "out" / "drawings" / images[0].name))
    assert drawn.shape == (height, width, 3)


def test_a_video_becomes_a_video(
    single_run: Path, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    clip = write_video(frames=20)
    boxes = [
        {"image_id": number, "category_id": 1, "bbox": [10, 10, 50, 45], "score": 0.5}
        for number in range(1, 20)
    ]
    write_json(tmp_path / "boxes.json", boxes)
    options = ["--boxes", tmp_path / "boxes.json", "--draw", "--threshold", "-1"]
    done = run("predict", single_run, clip, *options, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "19 poses on 20 frames" in done.output
    assert "drawn as boxes" not in done.output
    rows = read_json(tmp_path / "out" / "predictions.json")
    assert [row["frame"] for row in rows] == list(range(1, 20))
    assert (rows[0]["image_id"], rows[0]["file_name"]) == ("clip_000001", "clip.mp4")

    before, after = read_video(clip), read_video(tmp_path / "out" / "drawings" / "clip.mp4")
    assert len(after) == len(before) == 20
    assert after[0].shape == before[0].shape
    changed = [np.abs(a.astype(int) - b).mean() for a, b in zip(after, before, strict=True)]
    # The last frame has no box, so nothing is drawn on it.
    assert min(changed[:19]) > 3 * changed[19]

    # Predictions name their frames, so they are a box file for the same video.
    again = ["--boxes", tmp_path / "out" / "predictions.json", "-o", tmp_path / "again"]
    assert "19 poses" in run("predict", single_run, clip, *again).output


def read_video(path: Path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


@pytest.mark.parametrize("draw", [False, True])
def test_few_frames_are_held(
    single_run: Path,
    write_video: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    draw: bool,
) -> None:
    handles: list[weakref.ref[np.ndarray]] = []
    most = 0

    class Image(np.ndarray):
        """An array that can be followed."""

    def counted(source: Source) -> Iterator[Frame]:
        nonlocal most
        for frame in read_frames(source):
            image = frame.image.view(Image)
            handles.append(weakref.ref(image))
            most = max(most, sum(handle() is not None for handle in handles))
            yield replace(frame, image=image)

    monkeypatch.setattr(predict, "read_frames", counted)
    networks = open_networks(single_run).only("A")
    count = predict_inputs(networks, [write_video(frames=50)], tmp_path / "out", draw=draw)
    assert count.frames == 50
    assert most <= (FRAMES_AT_ONCE if draw else 2) + 2


def test_low_boxes_are_left_out(single_run: Path, images: list[Path], tmp_path: Path) -> None:
    rows = [
        {"file_name": images[0].name, "category_id": 1, "bbox": [60, 60, 50, 60], "score": 0.3},
        {"file_name": images[0].name, "category_id": 1, "bbox": [90, 60, 50, 60], "score": 0.6},
        # Wholly outside: no crop, no pose.
        {"file_name": images[0].name, "category_id": 1, "bbox": [900, 60, 50, 60], "score": 0.9},
    ]
    write_json(tmp_path / "boxes.json", rows)
    options = ["--boxes", tmp_path / "boxes.json", "--box-threshold", "0.5", "--draw"]
    options += ["--threshold", "9"]
    done = run("predict", single_run, images[0], *options, "-o", tmp_path / "out")
    assert "1 poses on 1 frames" in done.output
    assert "1 poses are drawn as boxes: no joint of theirs scores 9" in done.output
    assert read_json(tmp_path / "out" / "predictions.json")[0]["bbox"][0] == 90


def damage(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (["missing.png"], "missing.png: no such file or folder"),
        (["good.png", "text.png"], "text.png: is not a readable image"),
        (["good.png", "empty.png"], "empty.png: the file is empty"),
        (["text.mp4"], "text.mp4: cannot be opened as a video"),
        (["cut.avi"], "cut.avi: "),
        (["empty"], "empty: the folder holds no image and no video"),
        (["good.png", "sub/good.png"], "two inputs are called 'good.png'"),
        (["good.png", "--boxes", "text.png"], "text.png: not valid JSON"),
        (
            ["good.png", "--boxes", "other.json"],
            "other.json: no box belongs to any of the 1 frames",
        ),
        (
            ["good.png", "--boxes", "low.json", "--box-threshold", "0.5"],
            "low.json: the 2 boxes that belong to the 1 frames all score less than "
            "--box-threshold 0.5 or lie outside their frame",
        ),
        (["good.png", "--boxes", "broken.json"], "broken.json: entry 0: 'bbox' is not a list of 4"),
        (["good.png", "-o", "sub"], "sub: is there already"),
        (["good.png", "--network", "Z"], "has no network 'Z'"),
        (["good.png", "--box-threshold", "0.5"], "--box-threshold: without effect on whole frames"),
        (["good.png", "--threshold", "0.5"], "--threshold: without effect on poses that are not"),
    ],
)
def test_unusable_input_is_one_line_and_leaves_nothing(
    single_run: Path,
    write_video: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inputs: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("sub", "empty"):
        Path(folder).mkdir()
    for file in ("good.png", "sub/good.png"):
        cv2.imwrite(file, np.full((40, 40, 3), 90, dtype=np.uint8))
    for file in ("text.png", "text.mp4"):
        Path(file).write_text("not a picture")
    Path("empty.png").touch()
    damage(write_video("cut.avi", frames=40))
    box = {"file_name": "other.png", "category_id": 1, "bbox": [1, 1, 9, 9], "score": 1}
    Path("other.json").write_text(json.dumps([box]))
    low = {**box, "file_name": "good.png"}
    boxes = [{**low, "score": 0.3}, {**low, "bbox": [900, 1, 9, 9]}]
    Path("low.json").write_text(json.dumps(boxes))
    Path("broken.json").write_text(json.dumps([{**box, "bbox": [1, 1, 9]}]))
    before = sorted(tmp_path.rglob("*"))
    options = [] if "-o" in inputs else ["-o", "out"]
    done = run("predict", single_run, *inputs, *options)
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_video_without_frames(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    (source,) = find_sources([tmp_path / "clip.mp4"])
    with pytest.raises(InputError, match="video"):
        list(read_frames(source))
