import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.conversion.zips import is_zip, unpacked
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.loading import load_dataset


def pack(folder: Path, target: Path, *, inside: str = "") -> Path:
    """Pack the files of a folder into a zip, below the folder `inside` of it."""
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{inside}{file.relative_to(folder).as_posix()}")
    return target


@pytest.mark.parametrize("inside", ["", "export/", "a/b/"])
@pytest.mark.parametrize("name", ["cvat", "yolo", "label_studio", "coco"])
def test_a_zip_is_read_like_its_folder(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, name: str, inside: str
) -> None:
    source = write_folder(tmp_path / "in", person_keypoints=make_dataset())
    convert(source, tmp_path / "there", source_format="coco", target_format=name)
    file = pack(tmp_path / "there", tmp_path / "export.bin", inside=inside)
    convert(file, tmp_path / "out", source_format=name)
    convert(tmp_path / "there", tmp_path / "plain", source_format=name)
    first, second = (load_dataset(tmp_path / folder)["all"] for folder in ("out", "plain"))
    assert first.content_hash() == second.content_hash()
    assert all((first.root / image).is_file() for image in first.frames["file_name"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "annotations",
        "images",
        "manifest.json",
    ]


def test_a_packed_file_alone_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text("[]")
    file = pack(tmp_path / "in", tmp_path / "x.zip")
    with unpacked(file, tmp_path / "place") as path:
        assert path == tmp_path / "place" / "a.json"
    with unpacked(tmp_path / "in", tmp_path / "other") as path:
        assert path == tmp_path / "in"
    assert not (tmp_path / "other").exists()


def test_errors_name_the_zip(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "annotations.xml").write_text("<other/>")
    file = pack(tmp_path / "in", tmp_path / "x.zip", inside="deep/")
    with pytest.raises(InputError, match=r"x\.zip.*: starts with <'?other") as raised:
        convert(file, tmp_path / "out", source_format="cvat")
    assert ".source" not in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "x.zip"]


@pytest.mark.parametrize(
    ("entry", "error"),
    [("../../evil.xml", r"x\.zip: not unpacked"), ("/etc/evil.xml", r"x\.zip: not unpacked")],
)
def test_entries_that_lead_out_are_refused(tmp_path: Path, entry: str, error: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(entry, "<annotations/>")
    with pytest.raises(InputError, match=error):
        convert(tmp_path / "x.zip", tmp_path / "out", source_format="cvat")
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_damaged_and_empty_zips(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and no more")
    assert is_zip(tmp_path / "x.zip")
    with pytest.raises(InputError, match=r"x\.zip: not unpacked: damaged"):
        convert(tmp_path / "x.zip", tmp_path / "out", source_format="cvat")
    zipfile.ZipFile(tmp_path / "y.zip", "w").close()
    with pytest.raises(InputError, match=r"y\.zip: (not unpacked|has no files)"):
        convert(tmp_path / "y.zip", tmp_path / "out", source_format="cvat")
    assert not is_zip(tmp_path)


def test_of_several_data_sets_in_a_zip_none_is_taken(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "annotations.xml").write_text("<annotations/>")
    file = pack(tmp_path / "in", tmp_path / "x.zip")
    with pytest.raises(InputError, match=r"is below it: unpack it, and name one of those$"):
        convert(file, tmp_path / "out", source_format="cvat")


def test_a_zip_in_a_zip_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text("[]")
    (tmp_path / "outer").mkdir()
    pack(tmp_path / "in", tmp_path / "outer" / "inner.zip")
    file = pack(tmp_path / "outer", tmp_path / "x.zip")
    with pytest.raises(InputError, match=r"x\.zip: holds nothing but a zip: unpack it"):
        convert(file, tmp_path / "out", source_format="coco")
    assert not (tmp_path / "out").exists()


def test_images_that_are_packed_once_more(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", person_keypoints=make_dataset())
    pack(source / "images", source / "images.zip")
    shutil.rmtree(source / "images")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.jpg").write_bytes(b"x")
    for others in (source / "a_train_images.zip", tmp_path / "in_2024.zip"):
        pack(tmp_path / "other", others)
    (source / "aimages.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"are missing, .*\(unpack images.zip, which lies in"):
        convert(source, tmp_path / "out", source_format="coco")


def test_the_only_file_of_a_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "README.txt").write_text("hello")
    file = pack(tmp_path / "in", tmp_path / "x.zip")
    with pytest.raises(InputError, match=r"x\.zip.README\.txt: not valid JSON"):
        convert(file, tmp_path / "out", source_format="coco")
