"""What was stopped, and goes on: predictions and found people are those without the stop."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sspcm.inference import predict
from sspcm.inference.finder import FindCount, find_inputs
from sspcm.inference.frames import Frame, FrameReader
from sspcm.inference.journal import Journal, hash_of_files
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.open import open_networks
from sspcm.inference.predict import PredictionOptions, predict_inputs
from sspcm.inference.tracks import Tracker
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json


def rows_of(out: Path) -> list[dict[str, Any]]:
    return read_json(out / "predictions.json")


def frame_by_frame(networks: TrainedNetworks) -> TrainedNetworks:
    """Let each frame go through the networks alone, so that each counts when it is written."""
    return replace(networks, evaluation=replace(networks.evaluation, batch_size=1))


def test_a_stopped_prediction_goes_on_where_it_was(
    single_run: Path, write_video: Callable[..., Path], tmp_path: Path, monkeypatch: Any
) -> None:
    inputs = [write_video("a.mp4", frames=6), write_video("b.mp4", frames=6)]
    networks = frame_by_frame(open_networks(single_run).only("A"))
    predict_inputs(networks, inputs, tmp_path / "whole")
    real = Tracker.update

    def stop(tracker: Any, poses: Any, time: float) -> Any:
        if poses.file_name == "b.mp4" and poses.frame == 3:
            raise KeyboardInterrupt
        return real(tracker, poses, time)

    monkeypatch.setattr(Tracker, "update", stop)
    with pytest.raises(KeyboardInterrupt):
        predict_inputs(networks, inputs, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["unfinished.jsonl"]
    monkeypatch.undo()
    # As if it had been killed while it wrote a line.
    with (tmp_path / "out" / "unfinished.jsonl").open("a") as stream:
        stream.write('{"source": "b.mp4", "fra')
    opened: list[str] = []

    class Reader(FrameReader):
        def __iter__(self) -> Iterator[Frame]:
            opened.append(self.source.name)
            return super().__iter__()

    monkeypatch.setattr(predict, "FrameReader", Reader)
    count = predict_inputs(networks, inputs, tmp_path / "out")
    assert opened == ["b.mp4"]
    assert count.notes == [
        f"{tmp_path / 'out'}: goes on after 1 input and 2 frames of b.mp4 done before"
    ]
    assert (count.frames, count.poses, count.frames_before) == (12, 12, 8)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")


def half_done(
    networks: Any,
    inputs: list[Path],
    out: Path,
    stop_at: str,
    options: PredictionOptions,
    frame: int | None = None,
) -> None:
    """Predict until this image, or this frame of a film, has been predicted; be stopped there."""
    real = Journal.add

    def stop(journal: Journal, reached: Frame, poses: Any) -> None:
        if reached.source.name == stop_at and frame in (None, reached.number):
            raise KeyboardInterrupt
        real(journal, reached, poses)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            predict_inputs(networks, inputs, out, options)


WRITTEN = ("predictions.json", "joints.csv", "frames.csv", "drawings/film.mp4")


@pytest.mark.parametrize("stop", [1, 4, 11, 12, 13, 25])
@pytest.mark.parametrize("options", [{"draw": True}, {"track": False, "draw": True}])
def test_a_prediction_that_goes_on_within_a_film_is_the_same_to_the_byte(
    stop: int,
    options: dict[str, Any],
    single_run: Path,
    write_video: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    (tmp_path / "a.png").write_text("no picture")  # is tried again before the film
    inputs = [tmp_path / "a.png", write_video("film.mp4", frames=26)]
    networks = open_networks(single_run).only("A")
    networks = replace(networks, evaluation=replace(networks.evaluation, batch_size=4))
    how = PredictionOptions(**options)
    predict_inputs(networks, inputs, tmp_path / "whole", how)
    real, seen = Journal.add, 0
    sizes: list[int] = []

    def stopping(journal: Journal, frame: Frame, poses: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > stop:
            raise KeyboardInterrupt
        real(journal, frame, poses)

    monkeypatch.setattr(Journal, "add", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            predict_inputs(networks, inputs, tmp_path / "out", how)
        seen = 0
    monkeypatch.undo()
    looked_at = TrainedNetworks.predict

    def counting(self: TrainedNetworks, crops: Any) -> Any:
        sizes.append(len(crops[0]))
        return looked_at(self, crops)

    monkeypatch.setattr(TrainedNetworks, "predict", counting)
    predict_inputs(networks, inputs, tmp_path / "out", how)
    assert sizes == [4] * (6 - stop // 4) + [2]
    for name in WRITTEN:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_film_whose_joints_are_averaged_begins_again(
    single_run: Path, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    inputs, options = [write_video("film.mp4", frames=6)], PredictionOptions(smooth=0.2)
    networks = frame_by_frame(open_networks(single_run).only("A"))
    half_done(networks, inputs, tmp_path / "out", "film.mp4", options, frame=4)
    count = predict_inputs(networks, inputs, tmp_path / "out", options)
    assert (count.frames_before, count.notes) == (0, [])
    predict_inputs(networks, inputs, tmp_path / "whole", options)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")


def test_a_film_is_drawn_before_it_counts_as_done(
    single_run: Path, write_video: Callable[..., Path], tmp_path: Path, monkeypatch: Any
) -> None:
    inputs = [write_video("a.mp4"), write_video("b.mp4")]
    networks = frame_by_frame(open_networks(single_run).only("A"))
    options = PredictionOptions(draw=True)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for done in range(2):
        with monkeypatch.context() as patch:
            patch.setattr("sspcm.inference.pictures.require_whole_film", killed)
            with pytest.raises(KeyboardInterrupt):
                predict_inputs(networks, inputs[: 1 + done], tmp_path / str(done), options)
        predict_inputs(networks, inputs[: 1 + done], tmp_path / str(done), options)
        drawn = sorted(path.name for path in (tmp_path / str(done) / "drawings").iterdir())
        assert drawn == ["a.mp4", "b.mp4"][: 1 + done]


def walk(folder: Path) -> list[dict[str, Any]]:
    """Write numbered images on which people come and go, and return their boxes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    boxes = []
    for number in range(1, 9):
        image = rng.integers(0, 255, (96, 240, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"frame_{number}.png"), image)
        for first, last, left in ((1, 4, 10), (3, 8, 100), (6, 8, 170)):
            if first <= number <= last:
                box = [left + 3 * number, 20, 30, 50]
                boxes.append({"file_name": f"frame_{number}.png", "bbox": box})
    return boxes


@pytest.mark.parametrize("smooth", [0.0, 0.15])
def test_people_on_numbered_images_keep_their_numbers_after_a_stop(
    single_run: Path, tmp_path: Path, smooth: float
) -> None:
    boxes = walk(tmp_path / "frames")
    write_json(tmp_path / "boxes.json", boxes)
    networks = frame_by_frame(open_networks(single_run).only("A"))
    inputs = [tmp_path / "frames"]
    options = PredictionOptions(boxes=tmp_path / "boxes.json", smooth=smooth)
    predict_inputs(networks, inputs, tmp_path / "whole", options)
    half_done(networks, inputs, tmp_path / "out", "frame_7.png", options)
    predict_inputs(networks, inputs, tmp_path / "out", options)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")
    assert {row["track_id"] for row in rows_of(tmp_path / "out")} == {1, 2, 3}


@pytest.mark.parametrize("kept_time", [False, True])
def test_an_image_that_changed_since_a_stop_is_predicted_anew(
    single_run: Path, tmp_path: Path, kept_time: bool
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abcd":
        cv2.imwrite(str(folder / f"{name}.bmp"), rng.integers(0, 255, (64, 48, 3), dtype=np.uint8))
    networks = frame_by_frame(open_networks(single_run).only("A"))
    out, options = tmp_path / "out", PredictionOptions()
    half_done(networks, [folder], out, "d.bmp", options)
    before = (folder / "b.bmp").stat()
    cv2.imwrite(str(folder / "b.bmp"), rng.integers(0, 255, (64, 48, 3), dtype=np.uint8))
    if kept_time:
        os.utime(folder / "b.bmp", ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / "c.bmp").unlink()
    (folder / "a.bmp").touch()
    count = predict_inputs(networks, [folder], out, options)
    assert f"{folder / 'b.bmp'}: changed since the prediction began; predicted anew" in count.notes
    assert "1 input done before: no longer there, and left out" in count.notes
    assert f"{out}: goes on after 1 input done before" in count.notes
    assert (count.frames, count.frames_before) == (3, 1)
    predict_inputs(networks, [folder], tmp_path / "whole", options)
    assert rows_of(out) == rows_of(tmp_path / "whole")


def test_a_video_that_changed_since_a_stop_is_predicted_anew(
    single_run: Path, write_video: Callable[..., Path], images: list[Path], tmp_path: Path
) -> None:
    inputs = [write_video("a.mp4", frames=3), write_video("b.mp4", frames=3)]
    networks = frame_by_frame(open_networks(single_run).only("A"))
    half_done(networks, inputs, tmp_path / "out", "b.mp4", PredictionOptions())
    write_video("a.mp4", frames=5)
    count = predict_inputs(networks, inputs, tmp_path / "out")
    assert count.notes == [f"{inputs[0]}: changed since the prediction began; predicted anew"]
    assert (count.frames, count.poses) == (8, 8)


def test_boxes_that_were_not_used_before_a_stop_stay_counted(
    single_run: Path, images: list[Path], tmp_path: Path
) -> None:
    boxes = [
        {"file_name": image.name, "bbox": box, "score": score}
        for image in images[:2]
        for box, score in (
            ([60, 60, 50, 60], 0.9),
            ([60, 60, 50, 60], 0.9),
            ([-500, -500, 50, 80], 0.9),
            ([70, 60, 50, 60], 0.1),
        )
    ]
    write_json(tmp_path / "boxes.json", boxes)
    networks = frame_by_frame(open_networks(single_run).only("A"))
    options = PredictionOptions(boxes=tmp_path / "boxes.json", threshold=0.5, track=False)
    half_done(networks, images[:2], tmp_path / "out", images[1].name, options)
    count = predict_inputs(networks, images[:2], tmp_path / "out", options)
    assert count.boxes == predict_inputs(networks, images[:2], tmp_path / "new", options).boxes
    assert count.boxes is not None
    assert count.boxes["outside_their_frame"] == count.boxes["boxes below the threshold"] == 2


class Counting:
    """Finds one person as wide as the frame is bright; stops after so many frames."""

    def __init__(self, most: int = 99, name: str = "counting") -> None:
        self.record = {"source": name}
        self.left = most
        self.seen = 0

    def find(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self.seen == self.left:
            raise KeyboardInterrupt
        self.seen += 1
        return [np.array([[8, 8, image.mean(), 300, 0, 0.5]]) for image in images]


@pytest.fixture
def frames(tmp_path: Path, write_video: Callable[..., Path]) -> list[Path]:
    for name, grey in (("a.png", 40), ("b.png", 60)):
        cv2.imwrite(str(tmp_path / name), np.full((16, 16, 3), grey, dtype=np.uint8))
    return [tmp_path / "a.png", tmp_path / "b.png", write_video("film.mp4", frames=6)]


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def stopped(frames: list[Path], out: Path, most: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        find_inputs(Counting(most), frames, out)


def go_on(frames: list[Path], out: Path, finder: Counting) -> FindCount:
    whole = out.with_name("whole.json")
    find_inputs(Counting(), frames, whole)
    count = find_inputs(finder, frames, out)
    assert out.read_bytes() == whole.read_bytes()
    assert hidden(out.parent) == []
    assert (count.frames, count.people) == (8, 8)
    return count


def test_a_stopped_search_goes_on_within_a_film(frames: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out" / "boxes.json"
    stopped(frames, out, 3)
    stopped(frames, out, 2)
    assert (hidden(out.parent), out.exists()) == ([".boxes.json.unfinished"], False)
    with (out.parent / ".boxes.json.unfinished").open("a") as journal:  # as if killed at a line
        journal.write('{"source": "film.mp4", "fra')
    finder = Counting()
    count = go_on(frames, out, finder)
    assert (finder.seen, count.notes) == (3, [f"{out}: goes on after 5 frames searched before"])
    assert len(read_json(out)) == 8


def test_what_has_changed_since_is_searched_anew(frames: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out" / "boxes.json"
    stopped(frames, out, 5)
    cv2.imwrite(str(frames[0]), np.full((16, 16, 3), 90, dtype=np.uint8))
    finder = Counting()
    go_on(frames, out, finder)
    assert finder.seen == 4
    assert read_json(out)[0]["rotated_box"][2] == 90
    stopped(frames, out, 5)
    os.utime(frames[2], (1, 1))
    finder = Counting()
    go_on(frames, out, finder)
    assert finder.seen == 6


def test_another_search_is_refused_while_one_is_unfinished(
    frames: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out" / "boxes.json"
    stopped(frames, out, 5)
    journal = out.parent / ".boxes.json.unfinished"
    for finder, inputs in ((Counting(name="another"), frames), (Counting(), frames[:2])):
        with pytest.raises(InputError, match=f"{journal} holds an unfinished search with other"):
            find_inputs(finder, inputs, out)
    finder = Counting()
    go_on(frames, out, finder)
    assert finder.seen == 3
    stopped(frames, out, 5)
    journal.unlink()
    find_inputs(Counting(name="another"), frames[:2], out)
    assert (hidden(out.parent), len(read_json(out))) == ([], 2)


@pytest.mark.parametrize("record", [None, "mine", {"when": np.datetime64("now")}, {"t": np.nan}])
def test_a_finder_must_say_by_what_it_is_known_again(
    record: Any, single_run: Path, frames: list[Path], tmp_path: Path
) -> None:
    finder = Counting()
    finder.record = record
    networks = open_networks(single_run).only("A")
    for work in (
        lambda: find_inputs(finder, frames, tmp_path / "out" / "boxes.json"),
        lambda: predict_inputs(networks, frames, tmp_path / "out" / "poses", finder=finder),
    ):
        with pytest.raises(InputError, match="finder Counting has no usable attribute 'record'"):
            work()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("lines", "again"), [(1, 0), (3, 0), (5, 1)])
def test_a_line_that_lacks_its_end_is_written_anew(
    lines: int, again: int, frames: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out" / "boxes.json"
    stopped(frames, out, 3)
    journal = out.parent / ".boxes.json.unfinished"
    for end in (1, 10):
        kept = b"".join(journal.read_bytes().splitlines(keepends=True)[:lines])
        journal.write_bytes(kept[:-end])
        stopped(frames, out, 3 - again)
    finder = Counting()
    go_on(frames, out, finder)
    assert finder.seen == 5


def test_without_a_frame_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InputError, match="no frame can be read"):
        find_inputs(Counting(), [tmp_path / "a.png"], tmp_path / "out" / "boxes.json")
    assert hidden(tmp_path / "out") == []


def test_what_another_has_put_in_its_place_stays(frames: list[Path], tmp_path: Path) -> None:
    out, name = tmp_path / "boxes.json", tmp_path / ".boxes.json.unfinished"
    write_json(tmp_path / "mine.json", [1, 2])
    for make in (lambda: name.write_text("[1, 2]"), lambda: name.symlink_to("mine.json")):
        make()
        with pytest.raises(InputError, match="is not what sspcm find left there"):
            find_inputs(Counting(), frames, out)
        assert read_json(name) == [1, 2]
        name.unlink()
    find_inputs(Counting(), frames, out)
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("what", ["poses", "boxes"])
def test_a_full_disk_is_one_line_with_the_output(
    what: str, single_run: Path, frames: list[Path], tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    out = tmp_path / "out"
    networks = open_networks(single_run).only("A")

    def work() -> None:
        if what == "poses":
            predict_inputs(networks, frames, out)
        else:
            find_inputs(Counting(), frames, out / "boxes.json")

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match=rf"^{out}\S*: cannot be written: File too large$"):
            work()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    work()
    assert hidden(out) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes")
def test_a_pipe_among_the_images_is_named_and_not_waited_for(
    single_run: Path, frames: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    frames[0].rename(tmp_path / "photos" / "a.png")
    os.mkfifo(tmp_path / "photos" / "b.png")
    assert len(hash_of_files(sorted((tmp_path / "photos").iterdir()))) == 16
    found = find_inputs(Counting(), [tmp_path / "photos"], tmp_path / "boxes.json")
    networks = open_networks(single_run).only("A")
    predicted = predict_inputs(networks, [tmp_path / "photos"], tmp_path / "poses")
    for count in (found, predicted):
        assert count.frames == 1
        assert [problem.partition(": ")[2][:9] for problem in count.problems] == ["is a pipe"]
