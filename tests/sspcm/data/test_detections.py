"""Boxes of other detectors: how they name frames, and which of them are people."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sspcm.data.detection_forms import require_clockwise, require_sides
from sspcm.data.detections import frame_boxes, read_detections
from sspcm.inference.frames import find_sources
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import write_json
from wepdtof_pose.geometry import enclosing_boxes, rotated_box_corners


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
    assert list(sources) == ["a/1.jpg", "a/000000000139.jpg", "b/1.jpg", "b/lunch.png"]
    assert set(keys) <= sources[name].keys
    assert not set(others) & sources[name].keys
    assert [source.image_id for source in sources.values()] == ["a/1.jpg", 139, "b/1.jpg", "lunch"]


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


TURNED = [50.0, 40.0, 10.0, 20.0, 30.0]
SIZE = np.array([200.0, 100.0])


def found_in(path: Path, **options: Any) -> Any:
    detections = read_detections(path, **options)
    return detections.of_rows(np.arange(len(detections)), SIZE)


@pytest.mark.parametrize(
    "entry",
    [
        {"bbox": TURNED},
        {"bbox": [1, 2, 3, 4], "rotated_box": TURNED},
        {"rotated_box": TURNED},
        {"bbox": TURNED, "segmentation": [], "score": 0.5},
    ],
    ids=["five numbers", "beside a box", "alone", "as RAPiD writes it"],
)
def test_rotated_boxes_of_coco_results(tmp_path: Path, entry: dict) -> None:
    write_json(tmp_path / "boxes.json", [{"image_id": "Lunch3_000001", **entry}])
    boxes = found_in(tmp_path / "boxes.json")
    assert boxes.rotated.tolist() == [TURNED]
    wanted = entry.get("bbox", TURNED)
    if len(wanted) == 5:
        corners = rotated_box_corners(np.array(TURNED))
        wanted = [*corners.min(axis=0), *np.ptp(corners, axis=0)]
    np.testing.assert_allclose(boxes.boxes[0], wanted)


def test_rotated_boxes_of_cepdofs_annotations(tmp_path: Path) -> None:
    content = {
        "images": [{"id": "Lunch3_000001", "file_name": "Lunch3_000001.jpg"}],
        "annotations": [
            {"image_id": "Lunch3_000001", "category_id": 1, "iscrowd": 0, "bbox": TURNED},
            {"image_id": "Lunch3_000001", "category_id": 1, "iscrowd": 1, "bbox": TURNED},
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
    write_json(tmp_path / "video.json", content)
    assert found_in(tmp_path / "video.json").rotated.tolist() == [TURNED]
    assert read_detections(tmp_path / "video.json").left_out == {"crowds": 1}


@pytest.mark.parametrize(
    ("size", "said"),
    [((100, 200), "it is turned (by EXIF?)"), ((400, 200), "it was resized")],
)
def test_boxes_of_an_image_of_another_size_are_refused(
    tmp_path: Path, size: tuple[int, int], said: str
) -> None:
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": size[0], "height": size[1]}],
        "annotations": [{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    write_json(tmp_path / "boxes.json", content)
    with pytest.raises(InputError, match="200 x 100") as raised:
        found_in(tmp_path / "boxes.json")
    assert "'a.jpg'" in str(raised.value)
    assert f"{size[0]} x {size[1]}" in str(raised.value)
    assert said in str(raised.value)
    content["images"][0] |= {"width": 200, "height": 100}
    write_json(tmp_path / "boxes.json", content)
    assert found_in(tmp_path / "boxes.json").boxes.tolist() == [[1, 2, 3, 4]]


def test_a_category_may_be_named(tmp_path: Path) -> None:
    content = {
        "images": [],
        "categories": [{"id": 4, "name": "worker"}, {"id": 5, "name": "visitor"}],
        "annotations": [
            {"image_id": 1, "category_id": number, "bbox": [number, 2, 3, 4]} for number in (4, 5)
        ],
    }
    write_json(tmp_path / "data.json", content)
    for name in ("visitor", "5"):
        assert found_in(tmp_path / "data.json", category=name).boxes[:, 0].tolist() == [5]
    with pytest.raises(InputError, match=r"'worker', 'visitor'.*--category"):
        read_detections(tmp_path / "data.json", category="person")


def test_boxes_of_one_frame_in_any_form() -> None:
    class Detections:
        """As supervision's."""

        xyxy = np.array([[10, 20, 40, 60]])
        confidence = np.array([0.5])
        data = {"xyxyxyxy": rotated_box_corners(np.array([TURNED]))}  # noqa: RUF012

    found = frame_boxes(Detections())
    assert (found.boxes.tolist(), found.scores.tolist()) == ([[10, 20, 30, 40]], [0.5])
    np.testing.assert_allclose(found.rotated, [TURNED])
    assert frame_boxes([[1, 2, 3, 4]]).boxes.tolist() == [[1, 2, 3, 4]]
    assert frame_boxes([TURNED]).rotated.tolist() == [TURNED]
    assert frame_boxes([[*TURNED, 0.25]]).scores.tolist() == [0.25]
    assert len(frame_boxes([])) == 0
    assert frame_boxes(found) is found
    half = torch.tensor([[1, 2, 3, 4]], dtype=torch.bfloat16)
    assert frame_boxes(half).boxes.tolist() == [[1, 2, 3, 4]]
    Detections.confidence = np.array([0.5, 0.5])
    with pytest.raises(InputError, match="scores and corners are not of the same people"):
        frame_boxes(Detections())
    for wrong in ([[1, 2, 3]], "boxes", [[1, 2, 3, float("nan")]], [[1, 2, 3, 4j]]):
        with pytest.raises(InputError, match="boxes"):
            frame_boxes(wrong)


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"bbox": [1, 2, 10**400, 4]}, "'bbox' is not a list of 4 numbers"),
        ({"score": 10**400}, "'score' is not a number"),
        ({"score": None}, "'score' is not a number"),
        ({"rotated_box": [1, 2, 1e39, 4, 5]}, "'rotated_box' is not a list of 5 numbers"),
        ({"image_id": None}, "has neither an image_id nor a file_name"),
        ({"image_id": 1.5}, "'image_id' is neither a whole number nor a text"),
        ({"file_name": 3}, "'file_name' is not text"),
        ({"image_id": True}, "'image_id' is neither a whole number nor a text"),
        ({"iscrowd": "0"}, "'iscrowd' is '0', not 0 or 1"),
        ({"poly": [1, 2, 3]}, "'poly' is not a list of 8 numbers"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_unusable_entry_is_named(tmp_path: Path, entry: dict, error: str) -> None:
    good = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    write_json(tmp_path / "boxes.json", [good, good | entry])
    with pytest.raises(InputError, match=f"entry 1: {error}"):
        read_detections(tmp_path / "boxes.json")


@pytest.mark.parametrize("without", [{"image_id": None}, {"file_name": None}], ids=str)
def test_one_of_id_and_name_may_be_null(tmp_path: Path, without: dict) -> None:
    entry = {"image_id": 7, "file_name": "7.jpg", "bbox": [1, 2, 3, 4]} | without
    write_json(tmp_path / "boxes.json", [entry])
    assert read_detections(tmp_path / "boxes.json").rows_of(["7", "7.jpg"]).tolist() == [0]


def test_a_data_set_may_have_no_list_of_images(tmp_path: Path) -> None:
    content: dict[str, Any] = {"annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}
    for images in (None, []):
        write_json(tmp_path / "data.json", content | {"images": images})
        assert read_detections(tmp_path / "data.json").rows_of(["1"]).tolist() == [0]
    for images in (3, [None], "x"):
        write_json(tmp_path / "data.json", content | {"images": images})
        with pytest.raises(InputError, match="'images': expected a JSON list of images"):
            read_detections(tmp_path / "data.json")
    same = [{"id": 1, "file_name": name} for name in ("1.jpg", "2.jpg")]
    write_json(tmp_path / "data.json", content | {"images": same})
    with pytest.raises(InputError, match="'images' has the id 1 for several files"):
        read_detections(tmp_path / "data.json")
    # A size beyond all numbers is none.
    row = {"id": 1, "file_name": "1.jpg", "width": 10**400, "height": 4}
    write_json(tmp_path / "data.json", content | {"images": [row]})
    found = read_detections(tmp_path / "data.json")
    assert len(found.of_rows(found.rows_of(["1.jpg"]), np.array([9.0, 9.0]))) == 1


@pytest.mark.parametrize("sides", [[0, 20], [20, 0], [-10, 20]])
def test_a_rotated_box_without_sides_lies_on_no_frame(tmp_path: Path, sides: list) -> None:
    entries = [
        {"image_id": 1, "bbox": [50, 50, *side, 30], "score": 0.9} for side in ([9, 9], sides)
    ]
    write_json(tmp_path / "boxes.json", entries)
    found = read_detections(tmp_path / "boxes.json")
    boxes = found.of_rows(found.rows_of(["1"]), np.array([100, 100]))
    assert boxes.on_frame((100, 100)).tolist() == [True, False]


@pytest.mark.parametrize("sides", [(0, 0), (0, 5), (-4, 5), (1e12, 5)])
def test_of_a_rotated_box_without_sides_the_plain_box_is_used(tmp_path: Path, sides: tuple) -> None:
    good = {"image_id": 1, "bbox": [1, 2, 3, 4], "rotated_box": [5, 5, 3, 4, 0]}
    write_json(tmp_path / "boxes.json", [good, good | {"rotated_box": [5, 5, *sides, 0]}])
    found = read_detections(tmp_path / "boxes.json")
    boxes = found.of_rows(found.rows_of(["1"]), np.array([20.0, 20.0]))
    assert boxes.on_frame((20, 20)).all()
    assert np.isnan(boxes.rotated).any(axis=1).tolist() == [False, True]
    assert list(found.left_out.values()) == [1]


@pytest.mark.parametrize(
    ("boxes", "error"),
    [
        ([[0.1, 0.2, 0.3, 0.4], [0.5, 0.2, 0.3, 0.4]], "shares of the image"),
        ([[10, 20, 30, 60, 0.9], [15, 20, 40, 60, 0.55]], r"x1, y1, x2, y2, score\?"),
        ([[10, 20, 30, 60, 1.0], [15, 20, 40, 60, 1.0]], r"x1, y1, x2, y2, score\?"),
        ([[90, 80, 30, 60, 1.25], [95, 70, 40, 60, -0.5]], "within .-1.25: are they radians"),
        ([[90, 80, 30, 60, 0.9], [95, 70, 40, 60, 0.75]], "or scores"),
        ([[9, 8, 3, 6], [9, 7, 4, 6, 30], [9, 7, 4, 6]], "entry 0 has 4 .* entry 1 has 5"),
    ],
)
def test_boxes_of_another_form(tmp_path: Path, boxes: list, error: str) -> None:
    write_json(tmp_path / "a.json", [{"image_id": 1, "bbox": box} for box in boxes])
    with pytest.raises(InputError, match=error):
        read_detections(tmp_path / "a.json")


UPRIGHT = [[90, 80, 30, 60, 1.25], [95, 70, 30, 60, -0.5]]
"""One person who stands nearly upright: the angles could be radians."""


@pytest.mark.parametrize(
    ("unit", "angles"), [("degrees", [1.25, -0.5]), ("radians", [71.62, -28.65])]
)
def test_the_unit_of_angles_may_be_said(tmp_path: Path, unit: str, angles: list) -> None:
    write_json(tmp_path / "a.json", [{"image_id": 1, "bbox": box} for box in UPRIGHT])
    with pytest.raises(InputError, match=r"--angles radians, or --angles degrees"):
        read_detections(tmp_path / "a.json")
    found = read_detections(tmp_path / "a.json", angles=unit)
    np.testing.assert_allclose(found.rotated[:, 4], angles, atol=0.01)
    write_json(tmp_path / "b.json", [{"image_id": 1, "bbox": [10, 20, 30, 60]}])
    with pytest.raises(InputError, match="have no angles"):
        read_detections(tmp_path / "b.json", angles=unit)
    write_json(tmp_path / "c.json", [{"image_id": 1, "bbox": [10, 20, 30, 60, 140]}])
    with pytest.raises(InputError, match="140 is more than a whole turn in radians"):
        read_detections(tmp_path / "c.json", angles="radians")
    with pytest.raises(InputError, match=r"angles is 'radian': choose one of degrees, radians"):
        read_detections(tmp_path / "a.json", angles="radian")


@pytest.mark.parametrize(("as_degrees", "refused"), [(True, False), (False, True)])
def test_a_box_around_a_turned_one_says_the_unit(
    tmp_path: Path, as_degrees: bool, refused: bool
) -> None:
    """As 'sspcm find' writes them: nobody has to say what they are."""
    turned = np.array(UPRIGHT)
    meant = turned if as_degrees else turned * [1, 1, 1, 1, 180 / np.pi]
    rows = [
        {"image_id": 1, "bbox": around, "rotated_box": box}
        for around, box in zip(enclosing_boxes(meant).round(2).tolist(), UPRIGHT, strict=True)
    ]
    write_json(tmp_path / "a.json", rows)
    if refused:
        with pytest.raises(InputError, match="are they radians"):
            read_detections(tmp_path / "a.json")
    else:
        assert read_detections(tmp_path / "a.json").rotated.tolist() == UPRIGHT
    # Boxes of annotations may have been made of the angles.
    write_json(tmp_path / "b.json", {"images": [], "annotations": rows})
    with pytest.raises(InputError, match="are they radians"):
        read_detections(tmp_path / "b.json")


@pytest.mark.parametrize("spread", [True, False])
def test_angles_that_count_counter_clockwise(tmp_path: Path, spread: bool) -> None:
    """All over the image they are LOAF's; in one place, someone lies on the floor."""
    places = [(800, 200, -45), (200, 200, 45), (800, 800, 45), (200, 800, -45)]
    turned = [[x, y, 60.0, 150.0, angle] for x, y, angle in (places if spread else places[:1] * 4)]
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "width": 1000, "height": 1000} for n in range(4)
        ],
        "annotations": [{"image_id": n, "rotated_box": box} for n, box in enumerate(turned)],
    }
    write_json(tmp_path / "a.json", content)
    if spread:
        with pytest.raises(InputError, match="--angles counter-clockwise says that angles"):
            read_detections(tmp_path / "a.json")
    else:
        assert read_detections(tmp_path / "a.json").rotated.tolist() == turned
    assert read_detections(tmp_path / "a.json", angles="degrees").rotated.tolist() == turned
    found = read_detections(tmp_path / "a.json", angles="counter-clockwise")
    assert found.rotated[:, 4].tolist() == [-box[4] for box in turned]


@pytest.mark.parametrize("angle", [0, 40])
def test_one_angle_all_around_the_centre_is_none_unless_boxes_are_upright(angle: int) -> None:
    places = [(800, 200), (200, 200), (800, 800), (200, 800), (500, 100)]
    boxes = np.array([[x, y, 60.0, 150.0, angle] for x, y in places])
    sizes = np.full((len(boxes), 2), 1000)
    if angle:
        with pytest.raises(InputError, match="all 5 angles are 40, all around the image centre"):
            require_clockwise(boxes, sizes, "a.json")
    else:
        require_clockwise(boxes, sizes, "a.json")


def test_oriented_boxes_of_ultralytics_results(tmp_path: Path) -> None:
    """Its angle is that of the width, which is the longer side, in radians; the corners tell."""
    corners = rotated_box_corners(np.array(TURNED)).ravel().tolist()
    rbox = [*TURNED[:2], 20.0, 10.0, np.deg2rad(TURNED[4] + 90)]
    row = {"image_id": "a", "file_name": "a.jpg", "category_id": 1, "score": 0.5}
    write_json(tmp_path / "a.json", [row | {"rbox": rbox, "poly": corners}])
    found = read_detections(tmp_path / "a.json")
    np.testing.assert_allclose(found.rotated, [TURNED], atol=1e-9)
    np.testing.assert_allclose(found.boxes, enclosing_boxes(np.array([TURNED])))
    write_json(tmp_path / "b.json", [row | {"rbox": TURNED}])
    assert read_detections(tmp_path / "b.json").rotated.tolist() == [TURNED]


@pytest.mark.parametrize("turned", [[90, 80, 30, 60, 0], [90, 80, 30, 60, 40.5], [9, 8, 30, 60, 0]])
def test_rotated_boxes_in_degrees_stay_what_they_are(tmp_path: Path, turned: list) -> None:
    write_json(tmp_path / "a.json", [{"image_id": 1, "bbox": turned}] * 3)
    assert read_detections(tmp_path / "a.json").rotated.tolist() == [turned] * 3


CORNERS = [[10, 20, 40, 70], [60, 30, 90, 80], [120, 10, 150, 50], [150, 40, 190, 90], [5, 5, 9, 9]]


def test_boxes_by_two_corners(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [{"image_id": 1, "bbox": box} for box in CORNERS])
    found = found_in(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"a.json: the boxes fit .* as corners x1, y1, x2, y2"):
        require_sides(found.boxes, found.rotated, np.tile(SIZE, (5, 1)), "a.json")
    sides = [[x, y, far - x, low - y] for x, y, far, low in CORNERS]
    write_json(tmp_path / "b.json", [{"image_id": 1, "bbox": box} for box in sides])
    found = found_in(tmp_path / "b.json")
    require_sides(found.boxes, found.rotated, np.tile(SIZE, (5, 1)), "b.json")


def test_boxes_that_reach_a_little_over_the_edge_are_no_corners() -> None:
    boxes = np.tile([100, 200, 150, 300], (5, 1))
    require_sides(boxes, np.full((5, 5), np.nan), np.tile([640, 480], (5, 1)), "a.json")


@pytest.mark.parametrize(
    ("second", "error"),
    [({"score": 0.5}, "1 of 2 boxes have no 'score'"), ({"confidence": 0.5}, "have 'confidence'")],
)
def test_scores_of_some_or_by_another_name(tmp_path: Path, second: dict, error: str) -> None:
    box = {"image_id": 1, "bbox": [1, 2, 3, 4]}
    first = {key: 0.25 for key in second if key != "score"}
    write_json(tmp_path / "a.json", [box | first, box | second])
    with pytest.raises(InputError, match=error):
        read_detections(tmp_path / "a.json")
    write_json(tmp_path / "a.json", [box, box])
    assert read_detections(tmp_path / "a.json").scores.tolist() == [1, 1]


def test_categories_that_are_there_are_named(tmp_path: Path) -> None:
    rows = [{"image_id": 1, "category_id": n, "bbox": [1, 2, 30, 40]} for n in (0, 0, 17)]
    write_json(tmp_path / "a.json", rows)
    with pytest.raises(InputError, match=r"but 2 of category 0, 1 of category 17: .*--category"):
        read_detections(tmp_path / "a.json")
    assert len(read_detections(tmp_path / "a.json", category="0")) == 2


@pytest.mark.parametrize("category", [1, "1", None])
def test_a_category_may_be_a_text_or_null(tmp_path: Path, category: Any) -> None:
    write_json(
        tmp_path / "a.json", [{"image_id": 1, "category_id": category, "bbox": [1, 2, 3, 4]}]
    )
    assert len(read_detections(tmp_path / "a.json")) == 1


@pytest.mark.parametrize("box", [None, []])
def test_people_of_a_data_set_without_a_box_are_counted(tmp_path: Path, box: Any) -> None:
    rows = [{"image_id": 1, "bbox": one} for one in ([1, 2, 3, 4], box)]
    write_json(tmp_path / "a.json", {"images": [], "annotations": rows})
    found = read_detections(tmp_path / "a.json")
    assert (len(found), found.left_out) == (1, {"people without a box": 1})


def test_paths_on_another_machine_stand_for_their_ends(tmp_path: Path) -> None:
    """An end that two of the file's names have is neither's: `a.jpg` is of two cameras."""
    names = ["/far/one/a.jpg", "/far/two/a.jpg", "C:\\far\\one\\b.jpg", "https://far/one/c%20c.jpg"]
    boxes = [{"file_name": name, "bbox": [1, 2, 3, 4], "score": 0.9} for name in names]
    boxes.append({"file_name": "near/b/d.jpg", "bbox": [1, 2, 3, 4], "score": 0.9})
    write_json(tmp_path / "boxes.json", boxes)
    found = read_detections(tmp_path / "boxes.json")
    keys = ("one/a.jpg", "two/a.jpg", "a.jpg", "b.jpg", "c c.jpg", "d.jpg", "near/b/d.jpg")
    assert [found.rows_of([key]).tolist() for key in keys] == [[0], [1], [], [2], [3], [], [4]]


@pytest.mark.parametrize(
    ("key", "turned", "upright"),
    [
        ("angle", 30, 0),
        ("rotation", 30.0, True),
        ("theta", -0.5, None),
        ("attributes", {"rotation": 30.0}, {"rotation": 0.0}),
    ],
)
def test_angles_beside_boxes_are_refused(
    tmp_path: Path, key: str, turned: object, upright: object
) -> None:
    entry = {"image_id": "a", "category_id": 1, "bbox": [10, 10, 20, 40], "score": 0.5}
    file = tmp_path / "a.json"
    write_json(file, [entry, {**entry, key: turned}])
    name = "rotation" if key == "attributes" else key
    with pytest.raises(InputError, match=rf"box 2 has an angle of its own \('{name}'\)"):
        read_detections(file)
    whole = {**entry, key: turned, "rotated_box": [20, 30, 20, 40, 30]}
    write_json(file, [{**entry, key: upright}, whole])
    assert len(read_detections(file)) == 2
