import numpy as np
import pytest

from sspcm.data.pixel_file import PixelFile
from wepdtof_pose.errors import InputError


@pytest.fixture
def rows(tmp_path):
    """Five rows of random pixels, and the file that holds them."""
    pixels = np.random.default_rng(0).integers(256, size=(5, 4, 3, 3), dtype=np.uint8)
    file = PixelFile.create(tmp_path / "pixels.npy", pixels.shape)
    for row, value in enumerate(pixels):
        file.write(row, value)
    return pixels, tmp_path / "pixels.npy"


def test_rows_come_back_in_any_order(rows):
    pixels, path = rows
    file = PixelFile(path)
    chosen = np.array([4, 0, 4])
    np.testing.assert_array_equal(file[chosen], pixels[chosen])
    np.testing.assert_array_equal(file[1:3], pixels[1:3])
    assert len(file) == 5


def test_numpy_reads_the_file(rows):
    pixels, path = rows
    np.testing.assert_array_equal(np.load(path), pixels)


@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_that_is_not_there_is_an_index_error(rows, row):
    with pytest.raises(IndexError):
        PixelFile(rows[1])[np.array([row])]


def test_a_file_cut_short_is_refused_by_name(rows):
    path = rows[1]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"pixels\.npy.*cut short"):
        PixelFile(path)


@pytest.mark.parametrize(
    "content", [b"", b"not an array", np.lib.format.MAGIC_PREFIX], ids=["empty", "text", "prefix"]
)
def test_another_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "pixels.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"pixels\.npy.*not a crop store"):
        PixelFile(path)


def test_an_array_of_another_type_is_refused(tmp_path):
    np.save(tmp_path / "pixels.npy", np.zeros((2, 2, 2, 3), np.float32))
    with pytest.raises(InputError, match="float32"):
        PixelFile(tmp_path / "pixels.npy")
