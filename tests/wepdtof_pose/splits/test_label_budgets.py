from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.splits.hold_out import first_people, random_people
from wepdtof_pose.splits.label_budgets import choose_people

Make = Callable[..., PoseDataset]
ORDERS = [
    ("file", "person"),
    ("random", "person"),
    ("stratified", "person"),
    ("file", "frame"),
    ("random", "frame"),
    ("file", "scene"),
    ("random", "scene"),
]


@pytest.fixture
def dataset(make_dataset: Make) -> PoseDataset:
    """Scenes of 40, 20 and 20 people, four on a frame, the first person of each frame a crowd."""
    return make_dataset(
        [4] * 20,
        scenes=["a", "b", "a", "c"] * 5,
        iscrowd=[1, 0, 0, 0] * 20,
    )


@pytest.mark.parametrize(("order", "by"), ORDERS)
def test_budgets_are_nested_exact_seeded_and_usable(
    dataset: PoseDataset, order: str, by: str
) -> None:
    chosen = [choose_people(dataset, n, order=order, by=by, seed=3) for n in (1, 7, 20, 59, 60)]
    assert [len(rows) for rows in chosen] == [1, 7, 20, 59, 60]
    for small, large in pairwise(chosen):
        assert set(small) < set(large)
        assert sorted(small) == small.tolist()
    assert dataset.trainable()[chosen[-1]].all()
    again = choose_people(dataset, 20, order=order, by=by, seed=3)
    np.testing.assert_array_equal(again, chosen[2])
    other = choose_people(dataset, 20, order=order, by=by, seed=4)
    assert (set(other) == set(again)) == (order == "file")


@pytest.mark.parametrize("count", [4, 8, 13, 30])
def test_every_scene_has_its_share(dataset: PoseDataset, count: int) -> None:
    rows = choose_people(dataset, count, order="stratified", seed=1)
    scenes = dataset.frames["scene"].to_numpy()[dataset.frame_rows][rows]
    found = np.array([(scenes == scene).sum() for scene in "abc"])
    assert np.abs(found - count * np.array([0.5, 0.25, 0.25])).max() <= 1


@pytest.mark.parametrize(
    "sizes",
    [(1000, *[10] * 30), (3, 58, 2, 27, 253, 184, 2, 27, 15, 2), (7, 7, 7), (5,)],
    ids=["one large scene", "one that lacks much behind others", "equal scenes", "one scene"],
)
def test_no_scene_is_a_person_off_its_share(make_dataset: Make, sizes: tuple[int, ...]) -> None:
    dataset = make_dataset(sizes, scenes=[f"s{i}" for i in range(len(sizes))])
    people = sum(sizes)
    before = np.zeros(len(sizes))
    for count in [*range(1, people, 1 + people // 60), people]:
        rows = choose_people(dataset, count, order="stratified", seed=1)
        found = np.bincount(dataset.frame_rows[rows], minlength=len(sizes))
        assert np.abs(found - count * np.array(sizes) / people).max() < 1
        assert (found >= before).all()
        before = found


@pytest.mark.parametrize("by", ["frame", "scene"])
def test_only_the_last_group_is_cut(dataset: PoseDataset, by: str) -> None:
    rows = choose_people(dataset, 20, order="random", by=by, seed=2)
    column = {"frame": "file_name", "scene": "scene"}[by]
    groups = dataset.frames[column].to_numpy()[dataset.frame_rows]
    usable = dataset.trainable()
    partly = [
        group
        for group in set(groups[rows])
        if (groups[rows] == group).sum() < ((groups == group) & usable).sum()
    ]
    assert len(partly) <= 1


def test_people_are_those_of_the_published_orders(dataset: PoseDataset) -> None:
    np.testing.assert_array_equal(choose_people(dataset, 9), first_people(dataset, 9))
    np.testing.assert_array_equal(
        choose_people(dataset, 9, order="random", seed=5),
        random_people(dataset, 9, np.random.default_rng(5)),
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"count": 61}, "61 labelled people asked for out of 60"),
        ({"count": 61, "order": "stratified"}, "61 labelled people asked for out of 60"),
        ({"count": 5, "order": "stratified", "by": "frame"}, "leave out --by"),
        ({"count": 5, "order": "rand"}, "order is 'rand': choose one of file, random, stratified"),
        ({"count": 5, "by": "camera"}, "by is 'camera': choose one of person, frame, scene"),
    ],
)
def test_refused(dataset: PoseDataset, arguments: dict, error: str) -> None:
    with pytest.raises(InputError, match=error):
        choose_people(dataset, **arguments)


def test_no_scenes(make_dataset: Make) -> None:
    with pytest.raises(InputError, match="no scenes are known"):
        choose_people(make_dataset(), 2, by="scene")
