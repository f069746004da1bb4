"""Images of tested people are found among those to learn from, whatever they are called there."""

import math
import shutil
from pathlib import Path

import cv2
import pytest

from sspcm.config import DataConfig
from sspcm.data import overlap
from sspcm.data.overlap import KnownImages
from sspcm.data.sets import make_sets, pool_people
from sspcm.data.signatures import read_signatures
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.synthetic.generate import generate


def test_an_image_is_known_by_its_place_and_by_its_content(tmp_path):
    head = b"the same beginning" * 500
    for name, content in (("a", head + b"1"), ("b", head + b"2"), ("c", b"1" + head), ("e", b"")):
        (tmp_path / name).write_bytes(content)
    shutil.copy(tmp_path / "a", tmp_path / "copy")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    known = KnownImages(
        [tmp_path / "a", tmp_path / "b", tmp_path / "gone", tmp_path / "e"], cache=tmp_path / "kept"
    )
    (tmp_path / "other e").write_bytes(b"")
    names = ("copy", "link", "c", "no", "e", "other e", "gone")
    found = known.find([tmp_path / name for name in names])
    assert [same and (same.path.name, same.how) for same in found] == [
        ("a", f"the file the tested {tmp_path / 'a'}"),
        ("b", "the file that is tested"),
        None,
        None,
        ("e", "the file that is tested"),
        None,
        ("gone", "the file that is tested"),
    ]


def test_only_images_that_are_not_found_otherwise_are_decoded(tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        overlap,
        "read_signatures",
        lambda paths, *, cache: decoded.append(len(paths)) or read_signatures(paths, cache=cache),
    )
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(name.encode())
    nothing = KnownImages([], cache=tmp_path)
    assert nothing.find([tmp_path / "a"]) == [None]
    known = KnownImages([tmp_path / "a", tmp_path / "b"], cache=tmp_path)
    assert None not in known.find([tmp_path / "a", tmp_path / "b"])
    assert decoded == []
    assert known.find([tmp_path / "a", tmp_path / "c"])[1] is None
    assert decoded == [2, 1]


@pytest.fixture
def parted(tiny_fisheye, tmp_path):
    """Writes a data set of these people for training and testing, with images of its own."""

    def write(**splits):
        content = read_json(tiny_fisheye / "annotations" / "person_keypoints.json")
        for split, chosen in splits.items():
            people = [one for one in content["annotations"] if chosen(one)]
            images = {one["image_id"] for one in people}
            rows = [dict(image) for image in content["images"] if image["id"] in images]
            for image in rows:
                name = f"{split}_{image['id']}.jpg"
                target = tmp_path / "data" / "images" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(tiny_fisheye / "images" / image["file_name"], target)
                image["file_name"] = name
            file = tmp_path / "data" / "annotations" / f"person_keypoints_{split}.json"
            write_json(file, content | {"images": rows, "annotations": people})
        return str(tmp_path / "data")

    return write


def test_people_on_copies_of_tested_images_are_not_learned_from(parted):
    path = parted(train=lambda one: one["image_id"] <= 6, val=lambda one: one["image_id"] in (5, 9))
    sets = make_sets(DataConfig(path=path, labels="all"))
    assert set(sets.train.frames["file_name"]) == {
        f"train_{number}.jpg" for number in (1, 2, 3, 4, 6)
    }
    left = sets.left_out["training split: on an image of tested people"]
    assert left > 0
    assert "1 image of tested people among those to learn from" in sets.shared
    assert "train_5.jpg is the file the tested" in sets.shared
    assert sets.record.people_train == len(sets.train)


@pytest.mark.parametrize(
    "copied",
    [
        lambda image: (image, [cv2.IMWRITE_JPEG_QUALITY, 60]),
        lambda image: (cv2.resize(image, None, fx=1.5, fy=1.5), [cv2.IMWRITE_JPEG_QUALITY, 90]),
        lambda image: (
            cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
            [cv2.IMWRITE_JPEG_QUALITY, 90],
        ),
        lambda image: (cv2.convertScaleAbs(image, alpha=1.2, beta=30), []),
    ],
    ids=["encoded anew", "larger", "half", "brighter"],
)
def test_people_on_another_version_of_a_tested_image_are_not_learned_from(parted, copied):
    path = parted(train=lambda one: one["image_id"] <= 6, val=lambda one: one["image_id"] in (5, 9))
    image = Path(path) / "images" / "train_5.jpg"
    content, options = copied(cv2.imread(str(image)))
    assert cv2.imwrite(str(image), content, options)
    sets = make_sets(DataConfig(path=path, labels="all"))
    assert "train_5.jpg" not in set(sets.train.frames["file_name"])
    assert sets.left_out["training split: on an image of tested people"] > 0
    assert sets.shared.startswith("1 image of tested people among those to learn from")
    assert "train_5.jpg is the same picture as the tested " in sets.shared
    assert sets.shared.endswith("val_5.jpg, encoded, sized, turned or lit anew)")


@pytest.fixture(scope="module")
def large_frames(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("large") / "data", people=24, size=640, progress=False)


@pytest.mark.parametrize(
    "cut",
    [
        lambda image, x, y, w, h: image[int(y) : int(y + h), int(x) : int(x + w)],
        lambda image, x, y, w, h: image[int(y) : int(y) + int(h), int(x) : int(x) + int(w)],
        lambda image, x, y, w, h: image[round(y) : round(y + h), round(x) : round(x + w)][:, ::-1],
        lambda image, x, y, w, h: cv2.resize(
            image[int(y) : math.ceil(y + h), int(x) : math.ceil(x + w)], (192, 256)
        ),
    ],
    ids=["corners", "sides", "rounded and mirrored", "whole pixels, 192 x 256"],
)
@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_people_cut_out_of_tested_images_are_not_in_the_pool(large_frames, tmp_path, cut, suffix):
    sets = make_sets(DataConfig(path=str(large_frames), labels="all"))
    pool = tmp_path / "pool"
    pool.mkdir()
    for name, people in (("tested", sets.test), ("learned", sets.train)):
        for row, box in enumerate(people.boxes.tolist()):
            frame = people.frames["file_name"].iloc[people.frame_rows[row]]
            part = cut(cv2.imread(str(large_frames / "images" / frame)), *box)
            assert cv2.imwrite(str(pool / f"{name}{row:03d}.{suffix}"), part)
    config = DataConfig(
        path=str(large_frames), labels="all", unlabelled=str(pool), unlabelled_boxes=True
    )
    found = make_sets(config)
    assert found.left_out["pool: on an image of tested people"] == len(sets.test)
    assert found.record.people_unlabelled == len(sets.train)
    assert "cut out of the tested " in found.shared
    people, rows = pool_people(config, found)
    assert len(people) == len(rows) == len(sets.train)


def test_copies_that_roboflow_made_of_a_tested_picture_are_not_learned_from(tmp_path):
    """Mirrored and cropped, they are not the same picture to look at."""
    names = [f"train/images/{name}_png.rf.{n}f00.jpg" for name in ("a", "b") for n in range(3)]
    names += ["valid/images/a_png.rf.9a.jpg", "other/train/images/a_png.rf.1f00.jpg"]
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes([number]))
    known = KnownImages([tmp_path / "valid/images/a_png.rf.9a.jpg"], cache=tmp_path / "kept")
    found = known.find([tmp_path / name for name in names])
    assert [same is not None for same in found] == [True] * 3 + [False] * 3 + [True, False]
    assert "by its name a copy of the picture" in found[0].how


def test_training_and_test_side_with_the_same_images_are_refused(parted):
    path = parted(train=lambda one: True, val=lambda one: True)
    with pytest.raises(InputError, match=r"nobody to train on: .* images of tested people among"):
        make_sets(DataConfig(path=path, labels="all"))


def test_a_list_of_labelled_people_on_tested_images_is_refused(parted, tmp_path):
    from wepdtof_pose.formats.loading import load_dataset
    from wepdtof_pose.splits.hold_out import subset_record

    path = parted(train=lambda one: one["image_id"] <= 6, val=lambda one: one["image_id"] == 5)
    train = load_dataset(path)["train"]
    rows = (train.people["frame_id"] == 5).to_numpy().nonzero()[0]
    file = tmp_path / "labelled.json"
    write_json(file, subset_record(train, rows, labels="", order="", seed=None))
    with pytest.raises(InputError, match="on images of tested people"):
        make_sets(DataConfig(path=path, labels=str(file)))


def test_a_pool_of_the_same_images_loses_the_tested_people(tiny_fisheye):
    path = str(tiny_fisheye)
    sets = make_sets(DataConfig(path=path, labels="8", unlabelled=path, unlabelled_boxes=True))
    assert len(sets.unlabelled) == 48 - len(sets.tested)
    assert sets.left_out == {"pool: on an image of tested people": len(sets.tested)}
    assert "that is tested" in sets.shared
    tested = {str((sets.test.root / name).resolve()) for name in sets.test.frames["file_name"]}
    learned = {str(sets.train.root / name) for name in sets.train.frames["file_name"]}
    assert not tested & learned
