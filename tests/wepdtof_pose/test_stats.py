from collections.abc import Callable

import numpy as np

from wepdtof_pose.stats import box_table, counts, joint_table


def test_counts(make_dataset: Callable) -> None:
    dataset = make_dataset(
        [2, 0, 3, 1],
        scenes=["a", "a", "b", "b"],
        track_id=[1, 2, 1, 2, None, 1],
        iscrowd=[0, 0, 0, 0, 1, 0],
        area=[1, 1, np.nan, 1, 1, 1],
    )
    assert counts(dataset) == {
        "people": 6,
        "usable people": 5,
        "crowds": 1,
        "frames": 4,
        "frames with people": 3,
        "most people on a frame": 3,
        "scenes": 2,
        "tracks": 4,
        "labelled joints": 6 * 13,
        "areas from boxes": 1,
    }


def test_what_is_not_known_is_none(make_dataset: Callable) -> None:
    found = counts(make_dataset())
    assert (found["scenes"], found["tracks"]) == (None, None)


def test_joints(make_dataset: Callable) -> None:
    table = joint_table(make_dataset())
    assert table.loc["right_shoulder"].tolist() == [6, 0, 6]
    assert table.loc["right_elbow"].tolist() == [6, 6, 0]
    assert table.loc["right_wrist"].tolist() == [0, 0, 0]


def test_boxes_of_usable_people(make_dataset: Callable) -> None:
    dataset = make_dataset([5], w=[10, 20, 30, 40, 500], h=[40] * 5, iscrowd=[0, 0, 0, 0, 1])
    table = box_table(dataset)
    assert table["width"].loc[["least", "half", "most"]].tolist() == [10, 25, 40]
    assert table.loc["least", "area root"] == 20


def test_nobody(make_dataset: Callable) -> None:
    dataset = make_dataset([0, 0])
    assert counts(dataset)["most people on a frame"] == 0
    assert box_table(dataset).isna().all(axis=None)
