import json
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sspcm.inference.finder import open_finder
from sspcm.inference.open import open_networks
from sspcm.networks.finder import FinderNet
from sspcm.networks.weights import read_weights
from sspcm.ready import labels, make, measure
from sspcm.ready.names import finder_for, ready_networks
from sspcm.training.finder import write_finder
from wepdtof_pose.formats import coco
from wepdtof_pose.images import read_image
from wepdtof_pose.scores.rotated_boxes import average_precision
from wepdtof_pose.synthetic.generate import ANNOTATIONS

LARGEST = 10e6
"""Bytes of a file of weights."""


def test_cards_say_what_was_measured() -> None:
    scores = json.loads(measure.SCORES.read_text())
    assert set(scores) == set(ready_networks())
    for name, file in ready_networks().items():
        assert measure.score_table(scores[name]) in file.with_suffix(".md").read_text()


def test_a_card_takes_the_table_between_its_marks(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text("Before\n<!-- scores -->\nold\n<!-- end of scores -->\nafter\n")
    scores = {"drawn": {"people": 300, "AP50": 71.25}, "real": {"people": 21, "AP50": 50.0}}
    measure.write_card(card, scores)
    measure.write_card(card, scores)
    assert card.read_text() == (
        "Before\n<!-- scores -->\n\n"
        "| measured on | people | AP50 |\n| --- | --- | --- |\n"
        "| drawn | 300 | 71.25 |\n| real | 21 | 50 |\n\n"
        "<!-- end of scores -->\nafter\n"
    )


@pytest.mark.parametrize("name", ["ceiling-pose", "ceiling-find"])
def test_each_network_is_small_and_has_a_card(name: str) -> None:
    file = ready_networks()[name]
    assert file.stat().st_size < LARGEST
    card = file.with_suffix(".md").read_text()
    for word in ("Data", "Recipe", "Seeds", "Hours", "Scores", "Limits", "Licence"):
        assert f"**{word}" in card


def test_finder_finds_drawn_people_of_an_unseen_room(office: Path) -> None:
    scores = measure.finder_scores(
        ready_networks()["ceiling-find"], coco.read(office), boxes="body"
    )
    assert scores["people"] == 12
    assert scores["AP50"] > 50


def test_pose_network_places_joints_of_drawn_people(office: Path) -> None:
    scores = measure.pose_scores(ready_networks()["ceiling-pose"], labels.along_bodies(office))
    assert scores["PCK@0.2"] > 65
    networks = open_networks(ready_networks()["ceiling-pose"], device="cpu")
    assert networks.upright
    assert networks.evaluation.decoding == "dark"
    assert networks.evaluation.looks == 3


def test_pose_network_on_real_people(realdata_dir: Path) -> None:
    data = realdata_dir / "cepdof_pose" / "annotations" / "real.json"
    scores = measure.pose_scores(ready_networks()["ceiling-pose"], data)
    assert scores["PCK@0.2"] > 80
    assert scores["AP50"] > 35


def test_finder_on_real_frames(realdata_dir: Path) -> None:
    folder = realdata_dir / "cepdof_sample"
    content = json.loads((folder / "annotations" / "video_0.json").read_text())
    names = sorted({row["image_id"] for row in content["annotations"]})[::5]
    truth = [
        np.array([row["bbox"] for row in content["annotations"] if row["image_id"] == name])
        for name in names
    ]
    finder = open_finder(ready_networks()["ceiling-find"], device="cpu", threshold=0.05)
    frames = [cv2.imread(str(folder / "video_0" / f"{name}.jpg")) for name in names]
    assert average_precision(finder.find(frames), truth, least_iou=0.3) > 0.7


def test_the_drawn_set_is_what_the_recipe_says(office: Path) -> None:
    manifest = json.loads((office.parents[1] / "synthetic.json").read_text())
    assert manifest["style"] == "office"
    assert office.name == Path(ANNOTATIONS).name


def test_the_finished_finder_is_a_mean_and_draws_larger_boxes(tmp_path: Path) -> None:
    def write(name: str, seed: int) -> FinderNet:
        network = FinderNet(width=8, generator=torch.Generator().manual_seed(seed))
        write_finder(network, tmp_path / name)
        return network

    one, two = write("one.pt", 0), write("two.pt", 1)
    make.write_mean([tmp_path / "one.pt"], tmp_path / "mean_1.pt", growth=make.GROWTH)
    make.write_mean([tmp_path / "one.pt", tmp_path / "two.pt"], tmp_path / "mean_2.pt")
    mean = read_weights(tmp_path / "mean_2.pt")
    # What a fresh network has at random.
    for name in ("mix.0.weight", "final_layer.weight"):
        assert mean[name].dtype == torch.float16
        expected = (one.state_dict()[name] + two.state_dict()[name]) / 2
        torch.testing.assert_close(mean[name].float(), expected, rtol=0, atol=2e-3)
    frame = np.full((64, 96, 3), 128, np.uint8)
    learned, grown = (
        open_finder(tmp_path / name, device="cpu", threshold=0.0).find([frame])[0]
        for name in ("one.pt", "mean_1.pt")
    )
    np.testing.assert_allclose(grown[0, 2:4], make.GROWTH * learned[0, 2:4], rtol=2e-3)
    np.testing.assert_array_equal(grown[0, [0, 1, 4, 5]], learned[0, [0, 1, 4, 5]])


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_turned_camera_sees_the_same_people(quarters: int) -> None:
    class Fixed:
        def find(self, images: list[np.ndarray]) -> list[np.ndarray]:
            # One person, upright in the top left corner of whatever it sees.
            return [np.array([[10.0, 20.0, 8.0, 16.0, 0.0, 0.9]]) for _ in images]

    found = measure.Turned(Fixed(), quarters).find([np.zeros((100, 200, 3), np.uint8)])[0]
    # Turned back by 90 degrees clockwise: from the top left to the top right, lying; or to the
    # bottom left.
    place = {1: [200 - 1 - 20, 10, 8, 16, 90], 3: [20, 100 - 1 - 10, 8, 16, 270]}[quarters]
    assert found[0].tolist() == [*place, 0.9]


def test_a_finder_of_a_lower_threshold_and_more_looks(office: Path) -> None:
    networks = open_networks(ready_networks()["ceiling-pose"], device="cpu")
    people = coco.read(office)
    fullest = int(np.bincount(people.frame_rows).argmax())
    image = read_image(people.root / people.frames["file_name"].iloc[fullest])
    kinds = [{}, {"threshold": 0.1}, {"turns": 2}, {"threshold": 0.1, "refine": False}]
    finders = [finder_for(networks, **options) for options in kinds]
    few, many, _, alone = (len(finder.find([image])[0]) for finder in finders)
    assert 0 < few < many
    assert few < alone
    records = [finder.record for finder in finders]
    assert all(one != other for one, other in combinations(records, 2))
    assert records[2]["refined_by"]["source"].endswith("ceiling-pose.pt")
    assert records[2]["turns"] == 2


def test_the_finished_pose_network_is_the_mean_of_checkpoints_and_files(tmp_path: Path) -> None:
    file = ready_networks()["ceiling-pose"]
    content = torch.load(file)
    state = {name: value.float() for name, value in content["state_dict"].items()}
    more = {name: value + 0.5 for name, value in state.items()}
    checkpoint = tmp_path / "last.pt"
    torch.save({"method": more, "about": content["about"] | {"decoding": "shift"}}, checkpoint)
    make.write_pose_mean({file: 0.75, checkpoint: 0.25}, tmp_path / "mean.pt")
    made = torch.load(tmp_path / "mean.pt")
    assert made["about"] == content["about"]
    for name, value in made["state_dict"].items():
        if value.is_floating_point():
            assert value.dtype == torch.float16
            expected = (state[name] + 0.125).half()
            torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-3)
    open_networks(tmp_path / "mean.pt", device="cpu")


def test_every_phase_starts_from_earlier_ones() -> None:
    phases = list(make.POSE_PHASES)
    for name, starts in make.POSE_STARTS.items():
        assert all(phases.index(start) < phases.index(name) for start in starts)
        assert sum(starts.values()) == pytest.approx(1)
    assert set(make.POSE_FINISHED) <= set(phases)
    assert sum(make.POSE_FINISHED.values()) == pytest.approx(1)


def test_boxes_are_moved_and_resized_by_what_is_said() -> None:
    boxes = np.tile([100.0, 50.0, 20.0, 40.0, 30.0], (20_000, 1))
    moved = measure.moved_boxes(boxes, seed=0)
    np.testing.assert_array_equal(moved[:, 4], 30)
    np.testing.assert_allclose(moved[:, :2].mean(axis=0), [100, 50], atol=0.1)
    np.testing.assert_allclose(moved[:, :2].std(axis=0), 40 * measure.MOVED, rtol=0.03)
    factors = np.log(moved[:, 2:4] / boxes[:, 2:4])
    np.testing.assert_allclose(factors.std(axis=0), measure.RESIZED, rtol=0.03)
    assert not np.array_equal(moved, measure.moved_boxes(boxes, seed=1))
