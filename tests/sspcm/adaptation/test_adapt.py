"""Adaptation to frames of one's own: what is learned from, measured, kept and refused."""

import shutil

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

import sspcm
from sspcm.adaptation.adapt import AdaptOptions, adapt
from sspcm.adaptation.learning import learning_config
from sspcm.commands.main import main
from sspcm.inference.journal import hash_of_files
from sspcm.inference.open import open_networks
from sspcm.runs.folder import RunFolder
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.loading import load_dataset

FEW = {"people": 12, "style": "plain", "steps": 5}


@pytest.fixture(scope="module")
def my_frames(tiny_fisheye, tmp_path_factory):
    """A folder of images without anything, and a file of the boxes on them."""
    whole = load_dataset(tiny_fisheye)["all"]
    folder = tmp_path_factory.mktemp("mine")
    (folder / "frames").mkdir()
    names = [name.replace("/", "_") for name in whole.frames["file_name"]]
    for name, old in zip(names, whole.frames["file_name"], strict=True):
        shutil.copy(whole.root / old, folder / "frames" / name)
    mine = coco.read(tiny_fisheye / "annotations" / "person_keypoints.json")
    mine.frames["file_name"] = names
    coco.write(mine, folder / "labels" / "annotations" / "person_keypoints.json")
    (folder / "labels" / "images").symlink_to(folder / "frames")
    boxes = read_json(folder / "labels" / "annotations" / "person_keypoints.json")
    for one in boxes["annotations"]:
        del one["keypoints"]
    from wepdtof_pose.files import write_json

    write_json(folder / "boxes.json", boxes)
    return folder


@pytest.fixture(scope="module")
def networks(single_run):
    return open_networks(single_run, device="cpu")


def test_it_learns_from_boxes_and_measures_on_held_out_frames(
    networks, my_frames, tmp_path, caplog
):
    caplog.set_level("INFO")
    said = []
    options = AdaptOptions(
        boxes=my_frames / "boxes.json", labels=my_frames / "labels", held_out=0.3, **FEW
    )
    out = tmp_path / "mine"
    report = adapt(networks, [my_frames / "frames"], out, options, say=said.append)
    assert report == read_json(out / "adaptation" / "report.json")
    for side in ("before", "after"):
        assert 0 < report[side]["inconsistency"] < 5
        assert 0 <= report[side]["scores"]["PCK@0.2"] <= 1
    assert report["before"] != report["after"]
    assert (out / "adaptation" / "before_after.png").stat().st_size > 10_000
    (forecast,) = [line for line in [*said, *caplog.messages] if "about " in line]
    assert forecast.endswith("of training: 5 steps of sspcm_ema; scoring comes on top")
    assert any(line.startswith("position inconsistency") for line in said)
    sides = load_dataset(out / "adaptation" / "frames")
    learned, measured = (set(sides[s].frames["file_name"]) for s in ("train", "val"))
    assert learned
    assert measured
    assert not {name.split("/")[-1] for name in learned} & {n.split("/")[-1] for n in measured}
    assert not sides["train"].keypoints.any()
    result = RunFolder(out).read_result()
    assert (result.people_test, result.last) == (0, {})
    assert result.people_unlabelled == len(sides["train"])
    labels = load_dataset(out / "adaptation" / "labels")
    assert result.people_labelled == 12 + len(labels["train"])
    assert report["labelled_people_measured"] == len(labels["val"])
    adapted = open_networks(out, device="cpu")
    assert (adapted.crop_size, adapted.reported) == (networks.crop_size, "L")
    again = []
    assert adapt(networks, [my_frames / "frames"], out, options, say=again.append) == report
    assert again == said[-len(again) :]
    with pytest.raises(InputError, match="holds an adaptation of other networks, frames or"):
        adapt(networks, [my_frames / "labels" / "images"], out, options, say=again.append)


def test_networks_that_python_loaded_are_adapted(single_run, my_frames, tmp_path):
    model = sspcm.load(single_run)
    boxes, frames = my_frames / "boxes.json", my_frames / "frames"
    report = sspcm.adapt(
        frames, tmp_path / "mine", model=model, boxes=boxes, steps=2, people=12, style="plain"
    )
    assert report == read_json(tmp_path / "mine" / "adaptation" / "report.json")
    assert report["before"] != report["after"]


def test_the_command_needs_boxes_or_a_finder_and_leaves_nothing_of_a_failure(
    single_run, my_frames, tmp_path
):
    out = tmp_path / "mine"
    arguments = ["adapt", "--model", str(single_run), "--data", str(my_frames / "frames")]
    arguments += ["-o", str(out), "--steps", "1", "--drawn", "4", "--style", "plain"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "name their boxes with --boxes, or a network that finds them" in result.output
    assert not out.exists()
    empty = tmp_path / "boxes.json"
    from wepdtof_pose.files import write_json

    write_json(empty, [{"image_id": "no such frame", "bbox": [1, 2, 3, 4]}])
    result = CliRunner().invoke(main, [*arguments, "--boxes", str(empty)])
    assert result.exit_code == 2
    assert "boxes.json: no box belongs to the" in result.output
    assert not out.exists()


def test_few_frames_are_all_learned_from_and_that_is_said(networks, my_frames, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for path in sorted((my_frames / "frames").iterdir())[:3]:
        shutil.copy(path, frames)
    said = []
    options = AdaptOptions(
        boxes=my_frames / "boxes.json", test=my_frames / "labels", **(FEW | {"steps": 1})
    )
    report = adapt(networks, [frames], tmp_path / "mine", options, say=said.append)
    assert not report["held_out"]
    assert report["measured_people"] == report["people"]
    assert "no frame is held out: what is measured is on frames that it also learns from" in said
    tested = load_dataset(my_frames / "labels")["all"]
    assert report["labelled_people_measured"] == int(tested.trainable().sum())
    learned = {path.name for path in frames.iterdir()}
    on_them = tested.frames["file_name"].isin(learned).to_numpy()[tested.frame_rows]
    seen = report["labelled_people_seen"]
    # Frames on which nobody moved to speak of are the same picture.
    assert seen >= (tested.trainable() & on_them).sum() > 0
    assert any(f", {seen} of them on frames that it learned from without" in line for line in said)
    assert RunFolder(tmp_path / "mine").read_result().steps == 1


@pytest.mark.parametrize(
    ("steps", "epochs"), [(1, 1), (7, 1), (148, 4), (150, 5), (153, 3), (400, 5)]
)
def test_as_many_steps_are_trained_as_are_asked_for(networks, tmp_path, steps, epochs):
    config = learning_config(
        networks,
        drawn=tmp_path,
        unlabelled=tmp_path,
        labels=None,
        start=tmp_path / "start.pt",
        steps=steps,
        seed=0,
    ).optimisation
    assert (config.epochs, config.epochs * config.epoch_steps) == (epochs, steps)
    assert config.warm_up_epochs / config.epochs == pytest.approx(0.04)
    assert epochs != 5 or config.warm_up_epochs == 0.2


def test_nobody_is_learned_from_and_measured_on(networks, my_frames, tmp_path):
    labels = my_frames / "labels"
    options = AdaptOptions(boxes=my_frames / "boxes.json", labels=labels, test=labels, **FEW)
    with pytest.raises(InputError, match=r"share images \(.*split --train 60 --test 40"):
        adapt(networks, [my_frames / "frames"], tmp_path / "mine", options, say=print)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"held_out": 1.0}, "held-out share"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"style": "baroque"}, "unknown style 'baroque': choose one of plain, office"),
    ],
    ids=["all held out", "no steps", "style"],
)
def test_options_that_cannot_be_are_one_line(values, said):
    with pytest.raises(InputError, match=said):
        AdaptOptions(**values)


def test_the_last_frames_of_each_folder_are_held_out():
    from sspcm.adaptation.own_frames import _last_of_each

    names = ["a"] * 10 + ["b"] * 5

    def held_out(names, share, empty=()):
        peopled = ~np.isin(np.arange(len(names)), empty)
        return np.flatnonzero(_last_of_each(names, share, peopled=peopled)).tolist()

    assert held_out(names, 0.2) == [8, 9, 14]
    assert held_out(["a"] * 4, 0.5) == held_out(["a"] * 9, 0.0) == []
    assert held_out(list("abcdef"), 0.2) == [5]
    # Somebody is measured on, and somebody learned from.
    assert held_out(["a"] * 8, 0.2, empty=[6, 7]) == [5, 6, 7]
    assert held_out(list("abcdef"), 0.2, empty=[5]) == [4]
    assert held_out(["a"] * 6, 0.9, empty=[0]) == [2, 3, 4, 5]
    assert held_out(["a"] * 6, 0.5, empty=[0, 1, 2, 3, 4]) == []


def test_two_at_once_do_not_remove_each_others_folder(networks, my_frames, tmp_path, monkeypatch):
    """The other process makes the folder after this one has seen that there is none."""
    out = tmp_path / "mine"

    def prepared_by_another(run, config, *, resume):
        run.path.mkdir()
        (run.path / "config.yaml").write_text("of another process")
        raise InputError(f"{run.path}: holds another run")

    monkeypatch.setattr(RunFolder, "prepare", prepared_by_another)
    options = AdaptOptions(boxes=my_frames / "boxes.json", **FEW)
    with pytest.raises(InputError, match="holds another run"):
        adapt(networks, [my_frames / "frames"], out, options)
    assert (out / "config.yaml").read_text() == "of another process"


@pytest.mark.parametrize("changed", ["frames", "boxes"])
def test_files_that_were_changed_are_not_said_to_be_learned_from(
    networks, my_frames, tmp_path, monkeypatch, changed
):
    frames, boxes = tmp_path / "frames", tmp_path / "boxes.json"
    shutil.copytree(my_frames / "frames", frames)
    shutil.copy(my_frames / "boxes.json", boxes)

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sspcm.adaptation.adapt.own_frames", stop)
    options = AdaptOptions(boxes=boxes, **FEW)
    # What a run keeps from its first step on; without one nothing is left of it.
    monkeypatch.setattr(RunFolder, "resumable", True)
    hashed = []
    monkeypatch.setattr(
        "sspcm.adaptation.adapt.hash_of_files",
        lambda files: (hashed.append(len(files)), hash_of_files(files))[1],
    )
    for touched in (False, False, True, False):  # the same files are gone on with
        if touched:
            next(frames.iterdir()).touch()
        with pytest.raises(KeyboardInterrupt):
            adapt(networks, [frames], tmp_path / "out", options)
    assert len(hashed) == 4  # frames and boxes: at first, and after the change of time
    if changed == "frames":
        shutil.copy(next(frames.iterdir()), frames / "one_more.jpg")
    else:
        boxes.write_text(boxes.read_text() + "\n")
    with pytest.raises(InputError, match="or their files were changed since"):
        adapt(networks, [frames], tmp_path / "out", options)


def test_films_of_one_name_keep_their_pictures_apart(tmp_path):
    from sspcm.adaptation.own_frames import own_frames
    from sspcm.inference.chain import WholeFrames
    from wepdtof_pose.keypoints import get_keypoint_set

    (tmp_path / "films" / "a").mkdir(parents=True)
    for name, grey in (("a.tif", 40), ("a.tiff", 120), ("a/b.tif", 200), ("a_b.tif", 250)):
        pages = [np.full((16, 16, 3), grey, dtype=np.uint8)] * 2
        assert cv2.imwritemulti(str(tmp_path / "films" / name), pages)
    found = own_frames(
        [tmp_path / "films"],
        WholeFrames(),
        get_keypoint_set("coco-17"),
        most=99,
        held_out=0,
        pictures=tmp_path / "pictures",
    )
    people = found.people
    greys = [cv2.imread(str(people.root / name)).mean() for name in people.frames["file_name"]]
    assert sorted(np.round(greys)) == [40, 40, 120, 120, 200, 200, 250, 250]
