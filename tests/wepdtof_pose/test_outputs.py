"""Names of files that cannot be written as they say are refused, others are not."""

from pathlib import Path

import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import write_json
from wepdtof_pose.outputs import require_json_name, require_place


@pytest.mark.parametrize("name", ["boxes.csv", "boxes.TXT", "scores.xlsx", "grid.jpg", "net.pt"])
def test_a_name_of_another_kind_is_refused_for_json(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="but what is written is JSON"):
        write_json(tmp_path / name, [])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["boxes.json", "boxes", "boxes.v2", "2024.11", "a.coco", "x.JSON"])
def test_other_names_are_taken(name: str) -> None:
    require_json_name(Path(name))
    require_place(Path(name))


def test_places_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "through").symlink_to(tmp_path / "file" / "below.json")
    (tmp_path / "null").symlink_to("/dev/null")
    for path, said in (
        (tmp_path / "through", "file is a file, not a folder"),
        (tmp_path / "null", "is a pipe or a device"),
        (Path("/dev/stdout"), "is a pipe or a device"),
        (tmp_path, "is a folder, not a file to write"),
        (tmp_path / "file" / "below.json", "file is a file, not a folder"),
        (tmp_path / "link" / "below.json", "link is a link to nothing, not a folder"),
    ):
        with pytest.raises(InputError, match=said):
            require_place(path)
    (tmp_path / "away").symlink_to(tmp_path.parent / "boxes.json")
    require_place(tmp_path / "new" / "folder" / "boxes.json")
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(InputError, match=f"nothing may be written to {tmp_path}$"):
        require_place(tmp_path / "new" / "boxes.json")
    require_place(tmp_path / "away")
