"""Boxes of other detectors: how they name frames, and which of them are people."""

from pathlib import Path
from typing import Any

import pytest

from sspcm.inference.detections import read_detections
from sspcm.inference.frames import find_sources
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import write_json


@pytest.mark.parametrize(
    ("name", "keys", "others"),
    [
        ("a/000000000139.jpg", ["a/000000000139.jpg", "000000000139.jpg", "139"], ["140"]),
        ("b/lunch.png", ["b/lunch.png", "lunch.png", "lunch", "data/b/lunch.png"], ["b"]),
        # Two files are called 1.jpg: only with its folder does a name say which.
        ("a/1.jpg", ["a/1.jpg", "a/1"], ["1.jpg", "1", "b/1.jpg"]),
    ],
)
def test_how_boxes_may_name_an_image(
    tmp_path: Path, name: str, keys: list[str], others: list[str]
) -> None:
    for file in (
        "a/000000000139.jpg",
        "b/lunch.png",
        "a/1.jpg",
        "b/1.jpg",
        ".hidden/x.jpg",
        "x.txt",
    ):
        path = tmp_path / "data" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    sources = {source.name: source for source in find_sources([tmp_path / "data"]).sources}
    assert list(sources) == ["a/000000000139.jpg", "a/1.jpg", "b/1.jpg", "b/lunch.png"]
    assert set(keys) <= sources[name].keys
    assert not set(others) & sources[name].keys
    assert [source.image_id for source in sources.values()] == [139, "a/1.jpg", "b/1.jpg", "lunch"]


def test_a_file_name_wins_over_an_image_id(tmp_path: Path) -> None:
    """In a data set, image 1 may well be the file 2.jpg."""
    content = {
        "images": [{"id": 1, "file_name": "2.jpg"}, {"id": 2, "file_name": "1.jpg"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"image_id": 2, "category_id": 1, "bbox": [5, 6, 7, 8]},
        ],
    }
    write_json(tmp_path / "data.json", content)
    found = read_detections(tmp_path / "data.json")
    assert found.rows_of(["1.jpg", "1"]).tolist() == [1]
    assert found.scores.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("categories", "people"),
    [
        ([{"id": 1, "name": "car"}, {"id": 2, "name": "Person"}], [2]),
        ([{"id": 1, "name": "car"}, {"id": 2, "name": "body", "keypoints": ["neck"]}], [2]),
        ([{"id": 2, "name": "pedestrian"}], [2]),
        ([], [1]),
        (None, [1]),
    ],
)
def test_people_are_the_category_that_says_so(
    tmp_path: Path, categories: list[dict] | None, people: list[int]
) -> None:
    content = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "categories": categories,
        "annotations": [
            {"image_id": 1, "category_id": number, "bbox": [number, 2, 3, 4]} for number in (1, 2)
        ],
    }
    write_json(tmp_path / "data.json", content)
    assert read_detections(tmp_path / "data.json").boxes[:, 0].tolist() == people


@pytest.mark.parametrize(
    ("categories", "error"),
    [
        ([{"id": 1, "name": "car"}, {"id": 2, "name": "dog"}], "are people.*'car', 'dog'"),
        ([{"name": "person"}], "the 'id' of a category"),
        ({"1": "person"}, "'categories': expected a JSON list"),
    ],
)
def test_unusable_categories(tmp_path: Path, categories: Any, error: str) -> None:
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    write_json(tmp_path / "data.json", {"categories": categories, "annotations": [box]})
    with pytest.raises(InputError, match=error):
        read_detections(tmp_path / "data.json")
