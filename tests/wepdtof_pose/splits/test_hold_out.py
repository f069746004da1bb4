from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose.dataset import PoseDataset, with_scenes
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.splits.hold_out import (
    first_people,
    hold_out,
    label_budget,
    random_people,
    read_subset,
    subset_record,
)
from wepdtof_pose.splits.partitions import partition

Make = Callable[..., PoseDataset]


@pytest.mark.parametrize(
    ("text", "people", "count"),
    [
        ("1k", 20_000, 1000),
        ("5K", 20_000, 5000),
        ("10k", 10_000, 10_000),
        ("all", 2451, 2451),
        ("300", 2451, 300),
        (" 300 ", 300, 300),
        ("10%", 2451, 245),
        ("50%", 3, 2),
        ("0.1%", 2451, 2),
        ("100%", 7, 7),
    ],
)
def test_budget(text: str, people: int, count: int) -> None:
    assert label_budget(text, people) == count


@pytest.mark.parametrize(
    ("text", "people", "error"),
    [
        ("5k", 2451, "asks for 5000 labelled people, but the data has only 2451"),
        ("101%", 100, "asks for 101 labelled people, but the data has only 100"),
        ("101%", 26, "is more than everybody"),
        ("0", 100, "asks for 0 labelled people out of 100"),
        ("0.1%", 100, "asks for 0 labelled people out of 100"),
        ("all", 0, "no usable people"),
        ("-1", 100, "not understood"),
        ("1e3", 100, "not understood"),
        ("１０", 100, "not understood"),
        ("10 %", 100, "not understood"),
        ("", 100, "not understood"),
    ],
)
def test_impossible_budget(text: str, people: int, error: str) -> None:
    with pytest.raises(InputError, match=error):
        label_budget(text, people)


def test_first_people_go_by_frames_then_annotations(make_dataset: Make) -> None:
    dataset = make_dataset([1, 1, 1, 1], frame_id=[35, 5, 25, 5])
    assert first_people(dataset, 3).tolist() == [1, 3, 2]


def test_first_people_skips_unusable_ones(make_dataset: Make) -> None:
    dataset = make_dataset([2, 1, 3], iscrowd=[0, 1, 0, 1, 0, 0])
    assert first_people(dataset, 3).tolist() == [0, 2, 4]
    with pytest.raises(InputError, match="5 labelled people asked for out of 4"):
        first_people(dataset, 5)


def test_random_people_are_nested_and_seeded(make_dataset: Make) -> None:
    dataset = make_dataset([10] * 20, iscrowd=[0, 1] * 100)
    chosen = [random_people(dataset, n, np.random.default_rng(7)) for n in (10, 50, 100)]
    assert set(chosen[0]) < set(chosen[1]) < set(chosen[2])
    assert set(chosen[2]) == set(range(0, 200, 2))
    again = random_people(dataset, 50, np.random.default_rng(7))
    np.testing.assert_array_equal(again, chosen[1])
    assert set(random_people(dataset, 50, np.random.default_rng(8))) != set(chosen[1])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scenes", [None, ["a", "b", "c", "d", "e"] * 8], ids=["frame", "scene"])
def test_hold_out_leaks_nothing(make_dataset: Make, scenes: list | None, seed: int) -> None:
    dataset = make_dataset([seed + 1, 2, 0, 3] * 10, scenes=scenes)
    split = hold_out(dataset, fraction=0.25, seed=seed)
    assert split.kind == ("frame" if scenes is None else "scene")
    assert sorted([*split.train, *split.test]) == list(range(len(dataset)))
    column = "file_name" if scenes is None else "scene"
    groups = dataset.frames[column].to_numpy()[dataset.frame_rows]
    assert not set(groups[split.train]) & set(groups[split.test])
    # A group more or less: 4 people on a frame at most (seed + 1), or a fifth of them in a scene.
    largest = np.unique(groups, return_counts=True)[1].max()
    assert abs(len(split.test) - 0.25 * len(dataset)) <= largest


def test_hold_out_is_seeded_and_named_by_its_hash(make_dataset: Make) -> None:
    dataset = make_dataset([2] * 30)
    split, again = (hold_out(dataset, fraction=0.2, seed=3) for _ in range(2))
    np.testing.assert_array_equal(split.test, again.test)
    assert split.hash == again.hash == "acbac9270fb98bcd"
    assert hold_out(dataset, fraction=0.2, seed=4).hash != split.hash


def test_frames_of_one_file_stay_together(make_dataset: Make) -> None:
    dataset = make_dataset([1] * 8)
    dataset = replace(dataset, frames=dataset.frames.assign(file_name=["a", "a", "b", "b"] * 2))
    split = hold_out(dataset, fraction=0.4, seed=0)
    names = dataset.frames["file_name"].to_numpy()
    assert set(names[split.train]).isdisjoint(names[split.test])


def test_copies_of_one_picture_stay_together(make_dataset: Make) -> None:
    names = [f"{name}_jpg.rf.{n}a.jpg" for name in "abcd" for n in range(3)] + ["a_jpg.jpg"]
    dataset = make_dataset([1] * 13)
    dataset.frames["file_name"] = names
    for seed in range(5):
        split = hold_out(dataset, fraction=0.4, seed=seed)
        sides = [{names[row][0] for row in rows if row < 12} for rows in (split.train, split.test)]
        assert not sides[0] & sides[1]
        assert sorted(sides[0] | sides[1]) == list("abcd")
    named = with_scenes(dataset, by="name")
    assert named.frames["scene"].tolist()[:3] == ["a"] * 3
    parts = partition(dataset, {"train": 0.5, "val": 0.5}, by="frame")
    of = [{names[row] for row in rows if row < 12} for rows in parts.values()]
    assert not {name[0] for name in of[0]} & {name[0] for name in of[1]}


def test_frames_without_a_scene_count_as_their_own(make_dataset: Make) -> None:
    dataset = make_dataset([1] * 6, scenes=["a", None, "a", None, None, "a"])
    for seed in range(6):
        split = hold_out(dataset, fraction=0.5, seed=seed)
        assert split.kind == "scene"
        assert {0, 2, 5} <= set(split.test) or {0, 2, 5} <= set(split.train)


def test_one_scene_is_split_by_frame(make_dataset: Make) -> None:
    split = hold_out(make_dataset([1] * 10, scenes=["a"] * 10), fraction=0.3, seed=0)
    assert (split.kind, len(split.test)) == ("frame", 3)


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_neither_side_is_empty(make_dataset: Make, fraction: float) -> None:
    split = hold_out(make_dataset([5, 5]), fraction=fraction, seed=0)
    assert (len(split.train), len(split.test)) == (5, 5)


@pytest.mark.parametrize(
    ("frames", "fraction", "error"),
    [
        ([3], 0.2, "3 usable people on 1 frame"),
        ([], 0.2, "0 usable people on 0 frames"),
        ([2, 2], -0.1, "from 0 to below 1"),
        ([2, 2], 1.0, "from 0 to below 1"),
    ],
)
def test_impossible_hold_out(make_dataset: Make, frames: list, fraction: float, error: str) -> None:
    with pytest.raises(InputError, match=error):
        hold_out(make_dataset(frames), fraction=fraction, seed=0)


def test_subset_file_round_trip(make_dataset: Make, tmp_path: Path) -> None:
    dataset = make_dataset()
    rows = random_people(dataset, 4, np.random.default_rng(0))
    file = tmp_path / "subset.json"
    write_json(file, subset_record(dataset, rows, labels="4", order="random", seed=0))
    np.testing.assert_array_equal(read_subset(file, dataset), rows)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"annotations_hash": "0"}, "was made from annotations with annotations_hash 0"),
        ({"person_ids_hash": None}, "was made from annotations with person_ids_hash None"),
        ({"person_ids": [100, 100]}, "names 100 twice"),
        ({"person_ids": []}, "names nobody"),
        ({"person_ids": [1]}, "names 1, who is not there"),
        ({"person_ids": [[1]]}, "not there"),
        ({"person_ids": [True]}, "not there"),
        ({"person_ids": ["100"]}, "names '100', who is not there"),
        ({"person_ids": None}, "no list 'person_ids'"),
    ],
)
def test_unusable_subset_files(
    make_dataset: Make, tmp_path: Path, change: dict, error: str
) -> None:
    dataset = make_dataset(id=[100, *range(2, 7)])
    record = subset_record(dataset, np.array([0]), labels="1", order="file", seed=None)
    write_json(tmp_path / "subset.json", {**record, **change})
    with pytest.raises(InputError, match=error):
        read_subset(tmp_path / "subset.json", dataset)
    assert read_json(tmp_path / "subset.json")


def test_a_subset_file_of_people_who_have_other_ids_now(make_dataset: Make, tmp_path: Path) -> None:
    before, now = make_dataset(), make_dataset(id=[101, 100, 102, 103, 104, 105])
    assert before.content_hash() == now.content_hash()
    record = subset_record(before, np.array([0]), labels="1", order="file", seed=None)
    write_json(tmp_path / "subset.json", record)
    with pytest.raises(InputError, match="made from annotations with person_ids_hash"):
        read_subset(tmp_path / "subset.json", now)


def test_ids_that_are_used_twice_are_not_written(make_dataset: Make) -> None:
    with pytest.raises(InputError, match="use a person id twice"):
        subset_record(make_dataset(id=[1] * 6), np.array([0]), labels="1", order="file", seed=None)


def test_a_fraction_of_0_holds_nobody_out(make_dataset: Make) -> None:
    dataset = make_dataset([2, 2])
    split = hold_out(dataset, fraction=0)
    assert (split.train.tolist(), split.test.tolist()) == ([0, 1, 2, 3], [])
    assert split.hash != hold_out(dataset, fraction=0.5).hash
    assert hold_out(make_dataset([3]), fraction=0).train.tolist() == [0, 1, 2]
