from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import write_json
from wepdtof_pose.splits.id_lists import hashes_of
from wepdtof_pose.splits.partitions import partition, partition_record, read_partition

Make = Callable[..., PoseDataset]
SHARES = {"train": 70.0, "val": 10.0, "test": 20.0}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("by", ["scene", "frame", "person"])
def test_sides_share_no_group_and_hold_everybody(make_dataset: Make, by: str, seed: int) -> None:
    dataset = make_dataset([3, 0, 5, 2] * 10, scenes=[f"s{i // 4}" for i in range(40)])
    sides = partition(dataset, SHARES, by=by, seed=seed)
    assert sorted(np.concatenate(list(sides.values()))) == list(range(len(dataset)))
    column = {"scene": "scene", "frame": "file_name"}.get(by)
    groups = np.arange(len(dataset))
    if column:
        groups = dataset.frames[column].to_numpy()[dataset.frame_rows]
    found = [set(groups[rows]) for rows in sides.values()]
    assert sum(map(len, found)) == len(set(groups))
    for side, share in SHARES.items():
        assert abs(len(sides[side]) - share) <= {"scene": 10, "frame": 5, "person": 1}[by]


def test_one_file_listed_in_two_ways_is_one_frame(make_dataset: Make) -> None:
    dataset = make_dataset([2] * 8)
    names = [f"{way}{number}.jpg" for number in range(4) for way in ("cam/", "./cam//")]
    dataset.frames["file_name"] = names
    sides = partition(dataset, {"train": 50, "val": 25, "test": 25}, by="frame")
    found = [set((dataset.frame_rows[rows] // 2).tolist()) for rows in sides.values()]
    assert sum(map(len, found)) == 4


def test_every_side_gets_somebody(make_dataset: Make) -> None:
    dataset = make_dataset([50, 1, 1], scenes=["a", "b", "c"])
    sides = partition(dataset, {"train": 98, "val": 1, "test": 1})
    assert sorted(map(len, sides.values())) == [1, 1, 50]


def test_seed_decides(make_dataset: Make) -> None:
    dataset = make_dataset([1] * 40, scenes=[f"s{i}" for i in range(40)])
    first, again, other = (
        partition(dataset, SHARES, seed=seed)["test"].tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


def test_sides_hold_groups_of_all_sizes(make_dataset: Make) -> None:
    sizes = np.random.default_rng(0).integers(1, 13, 1000)
    dataset = make_dataset(sizes.tolist())
    means = []
    for seed in range(3):
        sides = partition(dataset, SHARES, by="frame", seed=seed)
        on_frames = {side: np.unique(dataset.frame_rows[rows]) for side, rows in sides.items()}
        means.append([sizes[rows].mean() for rows in on_frames.values()])
        off = [len(rows) - SHARES[side] / 100 * len(dataset) for side, rows in sides.items()]
        assert np.abs(off).sum() <= 0.001 * len(dataset)
    # The standard error of the mean of 100 such frames is 0.35 people.
    np.testing.assert_allclose(np.mean(means, axis=0), sizes.mean(), atol=0.7)


def test_seed_decides_where_scenes_differ_in_size(make_dataset: Make) -> None:
    sizes = np.random.default_rng(1).integers(5, 60, 16)
    dataset = make_dataset(sizes.tolist(), scenes=[f"s{i}" for i in range(16)])
    sides = [partition(dataset, SHARES, seed=seed) for seed in range(10)]
    assert len({tuple(chosen["test"]) for chosen in sides}) > 5
    for chosen in sides:
        off = [len(rows) - SHARES[side] / 100 * len(dataset) for side, rows in chosen.items()]
        assert np.abs(off).max() < sizes.mean()


def test_file_round_trip(make_dataset: Make, tmp_path: Path) -> None:
    dataset = make_dataset([2] * 10, scenes=["a", "b"] * 5)
    sides = partition(dataset, {"train": 1, "test": 1}, seed=3)
    record = partition_record(dataset, sides, shares={"train": 1, "test": 1}, by="scene", seed=3)
    assert sorted(s for side in record["sides"].values() for s in side["scenes"]) == ["a", "b"]
    write_json(tmp_path / "sides.json", record)
    again = read_partition(tmp_path / "sides.json", dataset)
    for side, rows in sides.items():
        np.testing.assert_array_equal(again[side], rows)
    with pytest.raises(InputError, match="made from annotations with annotations_hash"):
        read_partition(tmp_path / "sides.json", make_dataset([2] * 10, seed=9))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"sides": None}, "no 'sides'"),
        ({"sides": {"train": {"person_ids": [100, 100]}}}, "twice"),
        ({"sides": {"train": {"person_ids": [100]}, "test": {"person_ids": [100]}}}, "twice"),
        ({"sides": {"train": {"person_ids": [[1]]}}}, "not there"),
        ({"sides": {"train": {"person_ids": [True]}}}, "not there"),
    ],
)
def test_unusable_files(make_dataset: Make, tmp_path: Path, change: dict, error: str) -> None:
    dataset = make_dataset()
    record = {**hashes_of(dataset), **change}
    write_json(tmp_path / "sides.json", record)
    with pytest.raises(InputError, match=error):
        read_partition(tmp_path / "sides.json", dataset)


@pytest.mark.parametrize(
    ("scenes", "shares", "by", "error"),
    [
        (["a", "b", "a"], SHARES, "scene", "3 splits need as many scenes.* or split --by frame"),
        (None, dict.fromkeys("abcdefghi", 1), "frame", "ask for fewer splits$"),
        (None, SHARES, "scene", "no scenes are known"),
        (["a", "b", "a"], {"train": 0}, "scene", "one above 0"),
        (["a", "b", "a"], {"train": -1, "test": 2}, "scene", "one above 0"),
    ],
)
def test_impossible(
    make_dataset: Make, scenes: list | None, shares: dict, by: str, error: str
) -> None:
    with pytest.raises(InputError, match=error):
        partition(make_dataset(scenes=scenes), shares, by=by)
