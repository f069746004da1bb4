import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import sparse
from scipy.io import savemat

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets import lsp, matlab


def write_folder(folder: Path, joints: Any, *, images: tuple[str, ...] = ()) -> Path:
    savemat(folder / "joints.mat", {"joints": joints})
    (folder / "images").mkdir()
    for name in images:
        cv2.imwrite(str(folder / "images" / name), np.zeros((50, 80, 3), dtype=np.uint8))
    return folder


def make_joints(people: int) -> np.ndarray:
    """LSPET joints (14, 3, people): joint j of person n at (10 + 2 j + n, 20 + j), labelled."""
    joints = np.ones((14, 3, people))
    joints[:, 0] = 10 + 2 * np.arange(14)[:, None] + np.arange(people)
    joints[:, 1] = 20 + np.arange(14)[:, None]
    return joints


def read(path: Path, variant: lsp.Variant) -> tuple[PoseDataset, dict[str, int]]:
    reading = lsp.read(path, variant=variant)
    return reading.datasets["all"], reading.left_out


def test_lspet(tmp_path: Path) -> None:
    joints = make_joints(3)
    joints[4, :, 2] = (-200, 0, 0)
    write_folder(tmp_path, joints, images=("im00001.jpg", "im00003.jpg"))
    dataset, left_out = read(tmp_path, variant="lspet")
    assert dataset.frames["file_name"].tolist() == ["im00001.jpg", "im00003.jpg"]
    assert dataset.frames[["width", "height"]].values.tolist() == [[80, 50]] * 2
    assert dataset.people["id"].tolist() == [1, 3]
    assert dataset.keypoint_set.name == "lsp-14"
    assert dataset.keypoints[1, 0].tolist() == [12, 20, 2]
    assert dataset.keypoints[1, 4].tolist() == [0, 0, 0]
    grown = [[7.4, 18.7, 31.2, 15.6], [9.4, 18.7, 31.2, 15.6]]
    np.testing.assert_allclose(dataset.boxes, grown)
    assert dataset.people["area_from_box"].all()
    assert left_out["people without an image"] == 1


def test_lsp_flag_means_hidden(tmp_path: Path) -> None:
    joints = make_joints(1).transpose(1, 0, 2).copy()
    joints[2] = 0
    joints[2, 5] = 1
    write_folder(tmp_path, joints, images=("im0001.jpg",))
    dataset, _ = read(tmp_path / "joints.mat", variant="lsp")
    assert dataset.keypoints[0, :, 2].tolist() == [2] * 5 + [1] + [2] * 8


def test_people_who_cannot_be_used_are_counted(tmp_path: Path) -> None:
    joints = make_joints(4)
    joints[1:, 2, 1] = 0
    joints[:, 0, 2] = 30
    joints[3, 0, 3] = 500
    write_folder(tmp_path, joints, images=tuple(f"im0000{i}.jpg" for i in (1, 2, 3, 4, 5)))
    dataset, left_out = read(tmp_path, variant="lspet")
    assert dataset.people["id"].tolist() == [1, 4]
    assert left_out == {
        "people without an image": 0,
        "people with fewer than 2 labelled joints": 1,
        "people with an empty box": 1,
        "labels of joints outside the image": 1,
        "images without labels": 1,
    }


@pytest.mark.parametrize(
    ("x", "kept", "left", "right"),
    [
        (-0.5, True, 0, 33.05),
        (-1.5, True, 0, 33.15),
        (-2.6, False, 8, 32),
        (81.0, True, 2.9, 79),
        (81.6, False, 8, 32),
    ],
)
def test_joints_at_the_border(x: float, kept: bool, left: float, right: float) -> None:
    keypoints = np.array([[[10, 5, 2], [30, 45, 1], [x, 20, 2]]], dtype=np.float32)
    sizes = np.array([[80, 50]])
    inside, count = lsp.unlabel_outside(keypoints, sizes)
    assert (inside[0, 2, 2] > 0) == kept
    assert count == (not kept)
    box = lsp.joint_boxes(inside, sizes)[0]
    assert (box[0], box[0] + box[2]) == pytest.approx((left, right))
    assert (box[1], box[1] + box[3]) == pytest.approx((1, 49))


@pytest.mark.parametrize(
    ("joints", "variant", "error"),
    [
        (np.zeros((3, 14, 5)), "lspet", "has the layout of 'lsp'"),
        (np.zeros((14, 3, 5)), "lsp", "has the layout of 'lspet'"),
        (np.zeros((16, 3, 5)), "lspet", r"\(16, 3, 5\)"),
        (np.zeros((14, 3)), "lspet", "2 dimensions instead of 3"),
        (np.full((14, 3, 1), 5.0), "lspet", "flags"),
        (np.ones((14, 3, 1)) * [[1], [np.nan], [1]], "lspet", "no finite numbers"),
        ("text", "lspet", "no array of numbers 'joints'"),
        (np.ones((14, 3, 5)), "lspet", "none of the 5 images"),
    ],
    ids=["lsp", "lspet", "16 joints", "2 axes", "flags", "nan", "text", "no images"],
)
def test_wrong_content(tmp_path: Path, joints: Any, variant: lsp.Variant, error: str) -> None:
    write_folder(tmp_path, joints)
    with pytest.raises(InputError, match=error):
        lsp.read(tmp_path, variant=variant)


@pytest.mark.parametrize("content", [None, b"", b"MATLAB 5.0", b"\x00" * 500])
def test_wrong_files(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "joints.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"joints\.mat"):
        lsp.read(tmp_path, variant="lspet")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "u1", "i4"])
def test_arrays_of_matlab_files(tmp_path: Path, compressed: bool, dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    others = {"a": "text", "b": np.ones(2), "c": {"d": 1}}
    savemat(tmp_path / "x.mat", {**others, "joints": array}, do_compression=compressed)
    np.testing.assert_array_equal(matlab.read_array(tmp_path / "x.mat", "joints"), array)
    with pytest.raises(InputError, match="has no array of numbers 'c'"):
        matlab.read_array(tmp_path / "x.mat", "c")


@pytest.mark.parametrize("size", [0, 100, 130, 200, 400])
def test_matlab_files_cut_short(tmp_path: Path, size: int) -> None:
    savemat(tmp_path / "x.mat", {"joints": np.ones((3, 14, 2))})
    (tmp_path / "x.mat").write_bytes((tmp_path / "x.mat").read_bytes()[:size])
    with pytest.raises(InputError, match=r"x\.mat: (is not a readable MATLAB|has no array)"):
        matlab.read_array(tmp_path / "x.mat", "joints")


def test_an_array_too_large_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    savemat(tmp_path / "x.mat", {"joints": np.zeros((3, 14, 200))}, do_compression=True)
    monkeypatch.setattr(matlab, "LARGEST", 1000)
    with pytest.raises(InputError, match="too large"):
        matlab.read_array(tmp_path / "x.mat", "joints")


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def write_matrix(path: Path, dims: tuple[int, ...], numbers: bytes) -> Path:
    """A file with an array `joints` of these dimensions, byte by byte."""
    parts = [
        element(6, b"\6\0\0\0\0\0\0\0"),
        element(5, struct.pack(f"<{len(dims)}i", *dims)),
        element(1, b"joints"),
        element(9, numbers),
    ]
    head = b"MATLAB 5.0".ljust(124) + b"\0\1IM"
    path.write_bytes(head + element(14, b"".join(parts)))
    return path


@pytest.mark.parametrize(
    ("dims", "numbers", "error"),
    [
        ((14, 3, 0), b"", "'joints' has no people"),
        ((1,) * 200 + (14, 3, 2), bytes(672), "203 dimensions"),
        ((), b"", "0 dimensions"),
        ((14, -3, 2), b"", "a negative one"),
        ((14, 3, 9), bytes(8), "but has 8 bytes"),
    ],
    ids=["nobody", "many", "none", "negative", "few bytes"],
)
def test_odd_dimensions(tmp_path: Path, dims: tuple, numbers: bytes, error: str) -> None:
    write_matrix(tmp_path / "joints.mat", dims, numbers)
    with pytest.raises(InputError, match=error):
        lsp.read(tmp_path, variant="lspet")


def test_texts_cells_and_structs(tmp_path: Path) -> None:
    content = {"x": {"a": "höhe", "b": 2.5}, "c": np.array([["p", 3.0]], dtype=object)}
    savemat(tmp_path / "x.mat", {**content, "s": sparse.eye(2), "z": np.array([[1j]])})
    (found,) = matlab.read_variable(tmp_path / "x.mat", "x")
    assert (found["a"], found["b"]) == ("höhe", 2.5)
    assert matlab.read_variable(tmp_path / "x.mat", "c") == ["p", 3.0]
    for other in ("s", "z", "missing"):
        assert matlab.read_variable(tmp_path / "x.mat", other) is None


def test_cells_in_cells_without_end(tmp_path: Path) -> None:
    inner: Any = 1.0
    for _ in range(30):
        cell = np.empty((1, 1), dtype=object)
        cell[0, 0] = inner
        inner = cell
    savemat(tmp_path / "x.mat", {"c": inner})
    with pytest.raises(InputError, match="nested too deeply"):
        matlab.read_variable(tmp_path / "x.mat", "c")
