"""Whom to label next: who is chosen, and that training reads the list."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sspcm.adaptation import ranking
from sspcm.adaptation.ranking import rank_people
from sspcm.adaptation.steadiness import Steadiness
from sspcm.commands.main import main
from sspcm.config import DataConfig
from sspcm.data.sets import make_sets
from sspcm.inference.open import open_networks
from wepdtof_pose.commands.main import main as toolkit
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.loading import load_dataset


@pytest.fixture(scope="module")
def networks(single_run):
    return open_networks(single_run, device="cpu")


@pytest.fixture
def unsteady_ones(monkeypatch):
    """Networks that are as unsteady on a person as the x of the box says, in one pose."""

    def measured(_, people, *, problems):
        keypoints = np.zeros_like(people.keypoints)
        keypoints[..., :2] = (people.boxes[:, :2] + people.boxes[:, 2:] / 2)[:, None]
        keypoints[..., 2] = 1
        each = people.boxes[:, :1] / 1000
        return Steadiness(keypoints, each.repeat(keypoints.shape[1], axis=1))

    monkeypatch.setattr(ranking, "steadiness", measured)


def test_the_unsteady_half_is_chosen_from_the_least_steady_first(
    networks, tiny_fisheye, unsteady_ones
):
    people = load_dataset(tiny_fisheye)["all"]
    found = rank_people(networks, people, 10)
    assert len(set(found.rows.tolist())) == 10
    assert (np.diff(found.inconsistency) <= 0).all()
    np.testing.assert_allclose(found.inconsistency, people.boxes[found.rows, 0] / 1000)
    assert found.inconsistency.min() >= np.median(people.boxes[:, 0]) / 1000


def test_every_camera_has_its_share(networks, tiny_fisheye, unsteady_ones):
    people = load_dataset(tiny_fisheye)["all"]
    order = np.argsort(-people.boxes[:, 0], kind="stable")
    half = order[: round(len(people) / 2)]
    scenes = people.frames["scene"].to_numpy()[people.frame_rows]
    names, sizes = np.unique(scenes[half].astype(str), return_counts=True)
    chosen = scenes[rank_people(networks, people, 9).rows].astype(str)
    for name, size in zip(names, sizes, strict=True):
        assert abs((chosen == name).sum() - 9 * size / len(half)) < 1


def test_different_poses_are_chosen_before_many_alike():
    random = np.random.default_rng(0)
    poses = np.concatenate([np.zeros((40, 4)), np.full((3, 4), 9.0), np.full((2, 4), -9.0)])
    poses += random.normal(0, 0.01, poses.shape)
    rows = ranking._middles_of_groups(poses, 3, random)
    assert sorted(np.sign(poses[rows, 0].round()).tolist()) == [-1, 0, 1]
    assert sorted(ranking._middles_of_groups(poses, 45, random).tolist()) == list(range(45))


def test_training_reads_the_list_and_so_does_the_next_ranking(single_run, tiny_fisheye, tmp_path):
    first, following = tmp_path / "first.json", tmp_path / "next.json"
    done = CliRunner().invoke(
        toolkit,
        ["split", str(tiny_fisheye), "--labels", "8", "--leave-out-test", "-o", str(first)],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    arguments = ["rank", str(tiny_fisheye), "--model", str(single_run), "--leave-out-test", "-n"]
    result = CliRunner().invoke(
        main,
        [*arguments, "6", "--labelled", str(first), "-o", str(following)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    assert "6 of " in result.output
    before, after = read_json(first)["person_ids"], read_json(following)
    assert len(after["inconsistency"]) == 6
    assert after["person_ids"][6:] == before
    assert not set(after["person_ids"][:6]) & set(before)
    sets = make_sets(DataConfig(path=str(tiny_fisheye), labels=str(following)))
    ids = sets.train.people["id"].iloc[sets.labelled].tolist()
    assert ids == after["person_ids"]
    many = CliRunner().invoke(main, [*arguments, "999", "-o", str(following)])
    assert many.exit_code == 0, many.output
    everybody = read_json(following)["person_ids"]
    said = f"{len(everybody)} candidates, fewer than the 999 asked for: all are ranked"
    assert many.output.splitlines()[0] == said
    assert len(set(everybody)) == len(everybody) > 8


def test_nobody_is_chosen_twice_or_out_of_nobody(networks, tiny_fisheye):
    people = load_dataset(tiny_fisheye)["all"]
    with pytest.raises(InputError, match="1 people to label asked for out of 0 candidates"):
        rank_people(networks, people, 1, candidates=np.arange(0))


def test_nobody_left_to_choose_from_is_one_line(tiny_fisheye, tmp_path):
    everybody = tmp_path / "all.json"
    done = CliRunner().invoke(
        toolkit, ["split", str(tiny_fisheye), "--labels", "48", "-o", str(everybody)]
    )
    assert done.exit_code == 0, done.output
    out = tmp_path / "next.json"
    arguments = ["rank", str(tiny_fisheye), "-n", "3", "-o", str(out)]
    done = CliRunner().invoke(main, [*arguments, "--labelled", str(everybody)])
    assert done.exit_code == 2
    said = f"{tiny_fisheye}: nobody is left to choose from: 48 people have boxes, and all of them"
    assert said in done.output
    assert not out.exists()


def test_crowds_and_empty_boxes_are_counted(single_run, tiny_fisheye, tmp_path):
    shutil.copytree(tiny_fisheye, tmp_path / "set")
    file = next((tmp_path / "set" / "annotations").glob("*.json"))
    content = read_json(file)
    for person in content["annotations"][:2]:
        person["iscrowd"] = 1
    content["annotations"][2] |= {"bbox": [5, 5, 0, 9], "rotated_box": None}
    file.write_text(json.dumps(content))
    out = tmp_path / "next.json"
    arguments = ["rank", str(tmp_path / "set"), "--model", str(single_run), "-n", "3"]
    done = CliRunner().invoke(main, [*arguments, "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "people left out: 2 (crowds), 1 (boxes that are empty in the frame)\n" in done.output
    assert "3 of 45 people" in done.output


@pytest.mark.parametrize("bad", ["cut", "gone"])
def test_images_that_cannot_be_read_are_left_out_and_named(single_run, tiny_fisheye, tmp_path, bad):
    data, out = Path(shutil.copytree(tiny_fisheye, tmp_path / "data")), tmp_path / "next.json"
    people = load_dataset(data)["all"]
    rows = np.flatnonzero(people.boxed())
    names = people.frames["file_name"].to_numpy()[people.frame_rows[rows]]
    image = data / "images" / names[0]
    image = image if image.is_file() else data / names[0]
    content = image.read_bytes()[:200]
    image.unlink()
    if bad == "cut":
        image.write_bytes(content)
    arguments = ["rank", str(data), "--model", str(single_run), "-o", str(out), "-n"]
    done = CliRunner().invoke(main, [*arguments, str(len(rows))], catch_exceptions=False)
    assert done.exit_code == 1, done.output
    assert done.output.count("not wholly read") == 1
    assert names[0] in done.output
    readable = people.people["id"].to_numpy()[rows[names != names[0]]]
    assert f"{len(readable)} of {len(readable)} people" in done.output
    assert sorted(read_json(out)["person_ids"]) == sorted(readable.tolist())
    for image in data.rglob("*.jpg"):
        image.write_bytes(b"")
    done = CliRunner().invoke(main, [*arguments, "2"])
    assert done.exit_code == 2
    assert "error: no image can be read: " in done.output
