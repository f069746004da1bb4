"""Predictions on images, folders and videos: the poses of the evaluation, and clear errors."""

import json
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from command_line import runner

from sspcm.commands.main import main
from sspcm.inference import pictures, predict
from sspcm.inference.chain import FRAMES_AT_ONCE
from sspcm.inference.frames import Frame, FrameReader, find_sources
from sspcm.inference.open import open_networks
from sspcm.inference.predict import PredictionOptions, predict_inputs
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.geometry import PIXEL_STD, boxes_to_center_scale, clip_boxes
from wepdtof_pose.scores.predictions import from_results, suppress

run = runner(main)


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


def test_nobody_is_on_a_frame_of_one_pixel(single_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, shape in (("a", (40, 30)), ("dot", (1, 1)), ("line", (1, 96)), ("small", (3, 3))):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((*shape, 3), 90, dtype=np.uint8))
    done = run("predict", single_run, folder, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "nobody on 2 frames of one pixel in width or height" in done.output
    found = read_json(tmp_path / "out" / "predictions.json")
    assert [entry["file_name"] for entry in found] == ["a.png", "small.png"]


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

    class CountedReader(FrameReader):
        def __iter__(self) -> Iterator[Frame]:
            nonlocal most
            for frame in super().__iter__():
                image = frame.image.view(Image)
                handles.append(weakref.ref(image))
                most = max(most, sum(handle() is not None for handle in handles))
                yield replace(frame, image=image)

    monkeypatch.setattr(predict, "FrameReader", CountedReader)
    networks = open_networks(single_run).only("A")
    options = PredictionOptions(draw=draw)
    count = predict_inputs(networks, [write_video(frames=50)], tmp_path / "out", options)
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
    assert "1 pose on 1 frame" in done.output
    assert "1 pose is drawn as a box: no joint of theirs scores 9" in done.output
    assert read_json(tmp_path / "out" / "predictions.json")[0]["bbox"][0] == 90


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (["missing.png"], "missing.png: no such file or folder"),
        (["text.png"], "text.png: is not a readable image"),
        (["empty.png"], "empty.png: the file is empty"),
        (["text.mp4"], "text.mp4: cannot be opened as a video: it is none, or damaged, or cut"),
        (["empty.mp4"], "empty.mp4: cannot be opened as a video: it is empty"),
        (["empty"], "empty: the folder holds no image and no video"),
        (["good.png", "sub/good.png"], "two inputs are called 'good.png'"),
        (["good.png", "--boxes", "text.png"], "text.png: not valid JSON"),
        (
            ["good.png", "--boxes", "other.json"],
            "other.json: no box belongs to the 1 frame",
        ),
        (
            ["good.png", "--boxes", "low.json", "--box-threshold", "0.5"],
            "low.json: the 2 boxes that belong to the 1 frame score less than "
            "--box-threshold 0.5 or lie outside their frame",
        ),
        (["good.png", "--boxes", "broken.json"], "broken.json: entry 0: 'bbox' is not a list of 4"),
        (
            ["good.png", "--boxes", "corners.json"],
            "corners.json: the boxes fit their images as cor",
        ),
        (["good.png", "-o", "sub"], "sub: is there already"),
        (["good.png", "--network", "Z"], "has no network 'Z'"),
        (["good.png", "--box-threshold", "0.5"], "--box-threshold: without effect on whole frames"),
        (["good.png", "--threshold", "0.5"], "--threshold: without effect on poses that are not"),
        (["good.png", "--turns", "2"], "--turns: without effect on boxes that no finder has"),
        (["good.png", "--no-refine"], "--no-refine: without effect on boxes that no finder has"),
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
    Path("empty.mp4").touch()
    box = {"file_name": "other.png", "category_id": 1, "bbox": [1, 1, 9, 9], "score": 1}
    Path("other.json").write_text(json.dumps([box]))
    low = {**box, "file_name": "good.png"}
    boxes = [{**low, "score": 0.3}, {**low, "bbox": [900, 1, 9, 9]}]
    Path("low.json").write_text(json.dumps(boxes))
    corners = [{**low, "bbox": [x, x, x + 9, x + 8]} for x in (1, 20, 22, 25, 30)]
    Path("corners.json").write_text(json.dumps(corners))
    Path("broken.json").write_text(json.dumps([{**box, "bbox": [1, 1, 9]}]))
    before = sorted(tmp_path.rglob("*"))
    options = [] if "-o" in inputs else ["-o", "out"]
    done = run("predict", single_run, *inputs, *options)
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_video_without_frames(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    (source,) = find_sources([tmp_path / "clip.mp4"]).sources
    reader = FrameReader(source)
    assert not list(reader)
    assert "video" in str(reader.problem)


def rows_of(out: Path) -> list[dict[str, Any]]:
    return read_json(out / "predictions.json")


def cut_short(path: Path) -> bytes:
    """Cut a file to half, and return what it was."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return content


def test_texts_of_boxes_that_were_changed_since_are_not_mixed(
    single_run: Path, tmp_path: Path
) -> None:
    for folder in ("photos", "labels"):
        (tmp_path / folder).mkdir()
    for name in ("1.png", "2.png"):
        cv2.imwrite(str(tmp_path / "photos" / name), np.full((40, 40, 3), 90, dtype=np.uint8))
        (tmp_path / "labels" / name).with_suffix(".txt").write_text("0 0.5 0.5 0.5 0.5\n")
    cut_short(tmp_path / "photos" / "2.png")
    command = ("predict", single_run, tmp_path / "photos", "--boxes", tmp_path / "labels")
    for _ in range(2):
        assert run(*command, "-o", tmp_path / "out").exit_code == 1
    (tmp_path / "labels" / "2.txt").write_text("0 0.5 0.5 0.9 0.9\n")
    other = run(*command, "-o", tmp_path / "out")
    assert other.exit_code == 2
    assert "unfinished prediction of other networks, inputs or options" in other.output


def test_prediction_goes_on_past_bad_photos_and_can_be_continued(
    single_run: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("1.png", "2.png", "3.png"):
        cv2.imwrite(str(photos / name), np.full((40, 40, 3), 90, dtype=np.uint8))
    whole = cut_short(photos / "2.png")
    (photos / "notes.txt").write_text("text")
    out = tmp_path / "out"
    done = run("predict", single_run, photos, "-o", out, "--no-track")
    assert done.exit_code == 1, done.output
    assert "2 poses on 2 frames" in done.output
    assert "2.png: is not a readable image" in done.output
    assert "left out, neither images nor videos: 1 .txt" in done.output
    assert [row["file_name"] for row in rows_of(out)] == ["1.png", "3.png"]
    summary = read_json(out / "summary.json")
    assert (summary["inputs_read"], summary["inputs_not_wholly_read"]) == (2, 1)
    assert summary["files_left_out"] == {".txt": 1}
    assert [row["file_name"] for row in summary["inputs_in_detail"]] == ["2.png"]

    other = run("predict", single_run, photos, "-o", out)
    assert other.exit_code == 2
    assert "unfinished prediction of other networks, inputs or options" in other.output

    (photos / "2.png").write_bytes(whole)
    again = run("predict", single_run, photos, "-o", out, "--no-track")
    assert again.exit_code == 0, again.output
    assert "goes on after 2 inputs done before" in again.output
    assert [row["file_name"] for row in rows_of(out)] == ["1.png", "2.png", "3.png"]
    assert sorted(path.name for path in out.iterdir()) == [
        "frames.csv",
        "joints.csv",
        "predictions.json",
        "summary.json",
    ]


def test_a_damaged_video_keeps_what_there_is_of_it_and_of_the_others(
    single_run: Path, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    good, cut = write_video(frames=4), write_video("cut.avi", frames=40)
    cut_short(cut)
    out = tmp_path / "out"
    done = run("predict", single_run, good, cut, "-o", out, "--draw", "--threshold", "-1")
    assert done.exit_code == 1, done.output
    read = len(read_video(cut))
    assert 0 < read < 40
    assert f"{read} of 40 stated frames" in done.output
    frames = [row["frame"] for row in rows_of(out)]
    assert frames == [1, 2, 3, 4, *range(1, read + 1)]
    assert len(read_video(out / "drawings" / "cut.mp4")) == read
    assert len(read_video(out / "drawings" / "clip.mp4")) == 4


def test_times_and_tables(
    single_run: Path, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    clip = write_video(frames=4)
    write_json(tmp_path / "boxes.json", [{"image_id": n, "bbox": [9, 9, 40, 40]} for n in (1, 3)])
    out = tmp_path / "out"
    done = run("predict", single_run, clip, "--boxes", tmp_path / "boxes.json", "-o", out)
    assert done.exit_code == 0, done.output
    assert [(row["frame"], row["time"]) for row in rows_of(out)] == [(1, 0.0), (3, 0.2)]
    frames = pd.read_csv(out / "frames.csv")
    assert frames["people"].tolist() == [1, 0, 1, 0]
    assert frames["time"].tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    joints = pd.read_csv(out / "joints.csv")
    assert joints["track_id"].tolist() == [1, 1]
    row = rows_of(out)[1]
    assert joints["neck_x"][1] == row["keypoints"][3 * 13]
    used = read_json(out / "summary.json")["boxes_used"]
    assert (used["images"], used["images_with_boxes"], used["on_no_image"]) == (4, 2, 0)


def test_boxes_that_are_not_used_are_counted(
    single_run: Path, images: list[Path], tmp_path: Path
) -> None:
    boxes = [
        {"file_name": images[0].name, "bbox": [60, 60, 50, 60]},
        {"file_name": "unknown.jpg", "bbox": [60, 60, 50, 60]},
        {"file_name": images[0].name, "bbox": [-500, -500, 50, 80]},
        {"file_name": images[0].name, "bbox": [900, 900, 50, 80]},
        {"file_name": images[0].name, "bbox": [60, 60, 50, 60], "category_id": 7},
    ]
    write_json(tmp_path / "boxes.json", boxes)
    done = run(
        "predict", single_run, images[0], "--boxes", tmp_path / "boxes.json", "-o", tmp_path / "out"
    )
    assert "1 pose on 1 frame" in done.output
    assert (
        "boxes on 1 of 1 images; 1 box on no image, 2 outside their frame or without sides"
        in done.output
    )
    assert "1 box of other categories" in done.output


def test_a_box_over_the_left_edge_gives_the_pose_of_its_part_in_the_frame(
    single_run: Path, images: list[Path], tmp_path: Path
) -> None:
    found = []
    for number, box in enumerate(([-30, 40, 81, 90], [0, 40, 51, 90])):
        file = tmp_path / f"{number}.json"
        write_json(file, [{"file_name": images[0].name, "bbox": box}])
        options = ["--boxes", file, "-o", tmp_path / str(number)]
        assert run("predict", single_run, images[0], *options).exit_code == 0
        found.append(rows_of(tmp_path / str(number))[0]["keypoints"])
    assert found[0] == found[1]


def test_turned_crops_refuse_whole_frames(
    single_run: Path, images: list[Path], tmp_path: Path
) -> None:
    networks = replace(open_networks(single_run).only("A"), upright=True)
    with pytest.raises(InputError, match="cannot take whole frames"):
        predict_inputs(networks, [images[0]], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_finder_says_where_people_are(
    single_run: Path, images: list[Path], tmp_path: Path
) -> None:
    found = np.array([[90.0, 60, 40, 80, 30, 0.9], [9, 9, 9, 9, 0, 0.1]])
    finder = SimpleNamespace(record={"source": "told"}, find=lambda pictures: [found])
    networks = replace(open_networks(single_run).only("A"), upright=True)
    options = PredictionOptions(threshold=0.5)
    predict_inputs(networks, images[:2], tmp_path / "out", options, finder=finder)
    rows = rows_of(tmp_path / "out")
    assert [row["rotated_box"] for row in rows] == [[90, 60, 40, 80, 30]] * 2
    # The same boxes out of the file that was written.
    boxed = PredictionOptions(boxes=tmp_path / "out" / "predictions.json")
    predict_inputs(networks, images[:2], tmp_path / "again", boxed)
    for before, after in zip(rows, rows_of(tmp_path / "again"), strict=True):
        np.testing.assert_allclose(after["keypoints"], before["keypoints"], atol=1e-3)


def test_the_networks_are_the_first_input_or_named(
    single_run: Path, images: list[Path], tmp_path: Path
) -> None:
    for number, arguments in enumerate(
        ([single_run, images[0]], ["--model", single_run, images[0]])
    ):
        assert run("predict", *arguments, "-o", tmp_path / str(number)).exit_code == 0
    assert rows_of(tmp_path / "0") == rows_of(tmp_path / "1")
    nowhere = run("predict", "--model", "ceiling-nothing", images[0], "-o", tmp_path / "out")
    assert nowhere.exit_code == 2
    assert "no ready-trained network of that name" in nowhere.output
    assert run("predict", single_run, "-o", tmp_path / "out").exit_code == 2


def test_a_full_disk_leaves_no_cut_video(
    single_run: Path, write_video: Callable[..., Path], tmp_path: Path, monkeypatch: Any
) -> None:
    """OpenCV's writer says nothing when the disk is full: the file then lacks its end."""
    clip = write_video(frames=6)
    real = pictures.cv2.VideoWriter

    class FullDisk:
        def __init__(self, path: str, *rest: Any) -> None:
            self.path, self.real = path, real(path, *rest)

        def isOpened(self) -> bool:
            return True

        def write(self, image: np.ndarray) -> None:
            self.real.write(image)

        def release(self) -> None:
            self.real.release()
            cut_short(Path(self.path))

        fourcc = staticmethod(real.fourcc)

    monkeypatch.setattr(pictures.cv2, "VideoWriter", FullDisk)
    done = run("predict", single_run, clip, "--draw", "--threshold", "-1", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "drawings/clip.mp4: cannot be written" in done.output
    assert not list(tmp_path.rglob("drawings/*"))
    assert not (tmp_path / "out" / "predictions.json").exists()


def test_cells_of_tables_are_no_formulas(single_run: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "=1+1.png"), np.full((40, 40, 3), 90, dtype=np.uint8))
    assert run("predict", single_run, tmp_path / "=1+1.png", "-o", tmp_path / "out").exit_code == 0
    assert "\n'=1+1.png," in (tmp_path / "out" / "frames.csv").read_text()


def test_weights_that_give_no_numbers_are_one_line(
    single_run: Path, images: list[Path], tmp_path: Path
) -> None:
    content = torch.load(single_run / "checkpoints" / "last.pt", weights_only=True)
    for name, value in content["method"].items():
        if name.endswith("running_var"):
            content["method"][name] = -value
    torch.save(content, tmp_path / "weights.pt")
    done = run("predict", tmp_path / "weights.pt", images[0], "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "network A gives heatmaps that are no finite numbers" in done.output
    assert not (tmp_path / "out").exists()


def test_a_box_given_twice_is_used_once_and_counted(
    single_run: Path, images: list[Path], tmp_path: Path
) -> None:
    name = images[0].name
    boxes = [
        {"file_name": name, "bbox": [60, 60, 50, 60], "score": 0.6},
        {"file_name": name, "bbox": [60, 60, 50, 60], "score": 0.9},
        {"image_id": images[0].stem, "bbox": [60, 60, 50, 60], "score": 0.6},
        {"file_name": name, "bbox": [60, 60, 50, 61], "score": 0.6},
        {"file_name": images[1].name, "bbox": [60, 60, 50, 60], "score": 0.6},
    ]
    write_json(tmp_path / "boxes.json", boxes)
    out = tmp_path / "out"
    done = run("predict", single_run, *images[:2], "--boxes", tmp_path / "boxes.json", "-o", out)
    assert done.exit_code == 0
    assert "left out: 2 boxes given twice for their frame, of which one is used" in done.output
    used = [(row["file_name"], row["bbox"]) for row in rows_of(out)]
    assert used.count((name, [60, 60, 50, 60])) == 1
    counts = read_json(out / "summary.json")["boxes_used"]
    assert counts["boxes given twice for their frame, of which one is used"] == 2
    assert (counts["boxes"], counts["on_no_image"]) == (5, 0)
