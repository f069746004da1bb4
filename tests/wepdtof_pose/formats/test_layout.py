from pathlib import Path

import pytest

from wepdtof_pose.formats.layout import count_in_words, files_in, names_below


@pytest.mark.parametrize(
    ("what", "one"),
    [
        ("boxes of other categories", "1 box of other categories"),
        ("people whose box is empty", "1 person whose box is empty"),
        (
            "image names (of files that are spelled so)",
            "1 image name (of files that are spelled so)",
        ),
        ("regions that are no joint or box", "1 region that is no joint or box"),
        (
            "edges of the skeleton that name no joints",
            "1 edge of the skeleton that names no joints",
        ),
        ("images of kinds that are not read", "1 image of kinds that are not read"),
        ("annotations of category 'dogs'", "1 annotation of category 'dogs'"),
        ("categories of one name", "1 category of one name"),
        (".xls files", "1 .xls file"),
        ("folders of predictions", "1 folder of predictions"),
    ],
)
def test_counts_of_one_are_said_in_the_singular(what: str, one: str) -> None:
    assert count_in_words(1, what) == one
    assert count_in_words(2, what) == f"2 {what}"


@pytest.mark.parametrize(
    ("name", "files", "found"),
    [
        ("up/1a2b3c4d-a.jpg", ["a.jpg"], "a.jpg"),
        ("a.jpg", ["1a2b3c4d-a.jpg"], "1a2b3c4d-a.jpg"),
        ("a.jpg", ["1a2b3c4d-a.jpg", "2a2b3c4d-a.jpg"], "a.jpg"),
        ("1a2b3c4d-a.jpg", ["2a2b3c4d-a.jpg"], "1a2b3c4d-a.jpg"),
        ("1a2b3c4d-a.jpg", ["a.jpg", "1a2b3c4d-a.jpg"], "1a2b3c4d-a.jpg"),
        ("1A2B3C4D-a.jpg", ["a.jpg"], "1A2B3C4D-a.jpg"),
    ],
    ids=["read", "there", "several there", "another upload", "both", "no digits of theirs"],
)
def test_names_of_uploads(tmp_path: Path, name: str, files: list[str], found: str) -> None:
    for file in files:
        (tmp_path / file).write_bytes(b"")
    assert names_below([name, "b.jpg"], [tmp_path])[1][name] == found


def test_what_systems_put_beside_data_is_no_data(tmp_path: Path) -> None:
    """A Mac's archive has a `._name` beside each file, a Synology server thumbnails of pictures."""
    names = ("a.jpg", "b/c.JPG", "b/._c.JPG", "__MACOSX/a.jpg", "@eaDir/a.jpg/M.jpg", ".t/a.jpg")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = files_in(tmp_path, ".jpg", deep=True)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.jpg", "b/c.JPG"]
    # A folder that is named itself is read, whatever it is called.
    assert len(files_in(tmp_path / "@eaDir", ".jpg", deep=True)) == 1
