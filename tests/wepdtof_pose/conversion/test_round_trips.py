"""What a format does not list as not held survives a conversion there and back, exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.conversion.registry import READERS, WRITERS
from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.layout import without_crowds
from wepdtof_pose.formats.loading import load_dataset

JOINTS = {
    "mpii": "mpii-16",
    "crowdpose": "crowdpose-14",
    "ai_challenger": "aic-14",
    "wepdtof_pose": "wepdtof-pose-14",
}


def full(make_dataset: Callable, joints: str) -> PoseDataset:
    """Six people on three frames, with everything that the tables hold."""
    dataset = make_dataset(
        keypoint_set=joints,
        scenes=["a", "a", "b"],
        track_id=[1, None, 2, 3, 4, 4],
        iscrowd=[0, 0, 0, 1, 0, 0],
        area=[100.5, np.nan, 200, 300, 400, 500],
        # 300 is 0.53 of another box than the upright one: of a rotated box, say.
        area_from_box=np.array([False, True, False, True, False, False]),
        rotated_cx=[45.25] * 5 + [np.nan],
        rotated_cy=[50.0] * 5 + [np.nan],
        rotated_w=[20.5] * 5 + [np.nan],
        rotated_h=[30.0] * 5 + [np.nan],
        rotated_angle=[-17.188, 0, 45, 89.5, -90, np.nan],
        extra=[{"note": "x"}, *[None] * 5],
    )
    dataset.keypoints[0, 2, :2] = (11, 12.5)
    return dataset


def jpeg_folder(dataset: PoseDataset, write_folder: Callable, folder: Path) -> Path:
    write_folder(folder, person_keypoints=dataset)
    for image in list((folder / "images").iterdir()):
        image.rename(image.with_suffix(".jpg"))
    file = folder / "annotations" / "person_keypoints.json"
    file.write_text(file.read_text().replace(".png", ".jpg"))
    return folder


@pytest.mark.parametrize("name", WRITERS)
def test_there_and_back(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, name: str
) -> None:
    original = full(make_dataset, JOINTS.get(name, "lsp-14"))
    source = jpeg_folder(original, write_folder, tmp_path / "in")
    lost = convert(source, tmp_path / "there", source_format="coco", target_format=name)["not_held"]
    convert(tmp_path / "there", tmp_path / "back", source_format=name)
    again = next(iter(load_dataset(tmp_path / "back").values()))

    if "crowd regions (left out)" in lost:
        original, counted = without_crowds(original)
        assert counted == {"crowd regions (left out)": 1}

    order = original.frames["file_name"].str.replace(".png", ".jpg").tolist()
    rows = [again.frames["file_name"].tolist().index(file) for file in order]
    people = np.concatenate([np.flatnonzero(again.frame_rows == row) for row in rows])
    again_people = again.people.iloc[people].reset_index(drop=True)
    seen = original.keypoints[..., 2] > 0
    kept = again.keypoints[people]
    np.testing.assert_array_equal(kept[seen][:, :2], original.keypoints[seen][:, :2])
    np.testing.assert_array_equal(kept[..., 2] > 0, seen)
    assert again.keypoint_set.joints == original.keypoint_set.joints
    assert sorted(again.frames[["width", "height"]].values.tolist()) == [[120, 90]] * 3

    def same(what: str, columns: list[str]) -> None:
        if what not in lost:
            left, right = original.people[columns], again_people[columns]
            pd.testing.assert_frame_equal(left, right, rtol=0, atol=1e-8, check_dtype=False)

    same("sides of boxes (a square is kept)", ["x", "y", "w", "h"])
    same("areas", ["area", "area_from_box"])
    same("crowds", ["iscrowd"])
    same("track ids", ["track_id"])
    same("person ids", ["id"])
    same("rotated boxes", list(ROTATED_BOX_COLUMNS))
    same("other fields of people", ["extra"])
    if "scenes" not in lost:
        assert again.frames["scene"].tolist() == ["a", "a", "b"]
    if not any(what.startswith("image ids") for what in lost):
        assert again.frames["id"].tolist() == original.frames["id"].tolist()
    if "positions of joints that are not labelled" not in lost:
        np.testing.assert_array_equal(kept[..., :2], original.keypoints[..., :2])
    if not any("hidden" in what for what in lost):
        np.testing.assert_array_equal(kept[..., 2], original.keypoints[..., 2])
    if "name, sigmas or skeleton of the keypoint set" not in lost:
        assert again.keypoint_set == original.keypoint_set


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("coco", set()),
        (
            "wepdtof_pose",
            {
                "image ids (list positions are written)",
                "name of the split (train is written)",
                "visible joints told from hidden ones (1 is written for both)",
            },
        ),
        ("crowdpose", set()),
        (
            "ai_challenger",
            {
                "areas",
                "crowd regions (left out)",
                "image ids",
                "other fields of people",
                "person ids",
            }
            | {"rotated boxes", "scenes", "track ids"},
        ),
        (
            "mpii",
            {
                "areas",
                "crowd regions (left out)",
                "image ids",
                "other fields of people",
                "person ids",
            }
            | {"rotated boxes", "scenes", "track ids", "hidden joints (written as visible)"}
            | {"positions of joints that are not labelled", "sides of boxes (a square is kept)"},
        ),
        (
            "yolo",
            {
                "areas",
                "crowd regions (left out)",
                "image ids",
                "other fields of people",
                "person ids",
            }
            | {"rotated boxes", "scenes", "track ids", "order of the images"}
            | {"positions of joints that are not labelled"},
        ),
        ("cvat", {"scenes", "other fields of people"}),
        (
            "label_studio",
            {"positions of joints that are not labelled", "other fields of people"},
        ),
    ],
)
def test_what_each_cannot_hold_is_listed(make_dataset: Callable, name: str, lost: set[str]) -> None:
    dataset = full(make_dataset, JOINTS.get(name, "lsp-14"))
    dataset.frames["file_name"] = dataset.frames["file_name"].str.replace(".png", ".jpg")
    assert set(WRITERS[name]({"all": dataset}).not_held) == lost


@pytest.mark.parametrize("name", ["yolo", "ai_challenger", "mpii"])
def test_an_image_of_a_crowd_alone(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, name: str
) -> None:
    crowd = make_dataset([2, 1], keypoint_set=JOINTS.get(name, "lsp-14"), iscrowd=[0, 1, 1])
    source = jpeg_folder(crowd, write_folder, tmp_path / "in")
    lost = convert(source, tmp_path / "there", source_format="coco", target_format=name)["not_held"]
    assert lost["crowd regions (left out)"] == 2
    (again,) = READERS[name](tmp_path / "there", None, None).datasets.values()
    np.testing.assert_array_equal(
        again.keypoints[0, :, 2] > 0, crowd.keypoints[0, :, 2] > 0, strict=True
    )
    assert len(again) == 1


@pytest.mark.parametrize("name", WRITERS)
def test_no_frames(make_dataset: Callable, name: str) -> None:
    empty = make_dataset([], keypoint_set=JOINTS.get(name, "lsp-14"))
    if name == "yolo":
        # Its reader looks for a folder of images of each split.
        with pytest.raises(InputError, match="split 'all' has no images"):
            WRITERS[name]({"all": empty})
    else:
        assert WRITERS[name]({"all": empty}).images == {}


def test_areas_of_rotated_boxes_are_listed_where_a_reader_gives_others(
    make_dataset: Callable,
) -> None:
    upright = make_dataset()
    rotated = make_dataset(area=[300.0] * 6, area_from_box=np.ones(6, dtype=bool))
    assert "areas" not in WRITERS["yolo"]({"all": upright}).not_held
    assert WRITERS["yolo"]({"all": rotated}).not_held["areas"] == 6


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "coco"])
def test_splits_survive(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, name: str
) -> None:
    joints = JOINTS.get(name, "lsp-14")
    for split, sizes in (("train", (2, 1)), ("val", (1,))):
        part = make_dataset(sizes, keypoint_set=joints)
        part.frames["file_name"] = split + part.frames["file_name"]
        coco.write(part, tmp_path / "in" / "annotations" / f"{split}.json")
        write_folder(tmp_path / split, x=part)
        (tmp_path / split / "images").rename(tmp_path / f"images_{split}")
    images = tmp_path / "in" / "images"
    images.mkdir()
    for file in tmp_path.glob("images_*/*"):
        file.rename(images / file.with_suffix(".jpg").name)
    for file in (tmp_path / "in" / "annotations").iterdir():
        file.write_text(file.read_text().replace(".png", ".jpg"))
    convert(tmp_path / "in", tmp_path / "there", source_format="coco", target_format=name)
    convert(tmp_path / "there", tmp_path / "back", source_format=name)
    found = load_dataset(tmp_path / "back")
    assert {split: len(dataset) for split, dataset in found.items()} == {"train": 3, "val": 1}
