"""Crops on disk: one uint8 array in a .npy file, read by row."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from wepdtof_pose.errors import InputError


class PixelFile:
    """Rows of a uint8 array (people, height, width, 3) in a .npy file.

    Indexing with a slice or row numbers reads only those rows, into new memory. A memory map would
    do the same, but its pages would count towards the process's memory, up to the size of the file.
    Threads and forked processes may read at the same time.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pixels.npy"
    >>> writer = PixelFile.create(path, (4, 2, 2, 3))
    >>> writer.write(3, np.full((2, 2, 3), 7, np.uint8))
    >>> PixelFile(path)[np.array([3, 0])][:, 0, 0, 0].tolist()
    [7, 0]
    """

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        """Open a file.

        Raises:
            InputError: the file holds no uint8 array of this form, or is cut short.
        """
        with path.open("rb") as file:
            try:
                version = np.lib.format.read_magic(file)
                if version != (1, 0):
                    raise ValueError(f"version {version}")
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            except ValueError as error:
                raise InputError(f"{path}: not a crop store ({error}); delete it") from None
            self._start = file.tell()
        if dtype != np.uint8 or fortran or len(shape) != 4:
            raise InputError(f"{path}: not a crop store ({dtype} {shape}); delete it")
        self.shape: tuple[int, int, int, int] = shape
        self._row_bytes = int(np.prod(shape[1:]))
        self._file = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        self._path = path
        if os.fstat(self._file).st_size < self._start + shape[0] * self._row_bytes:
            raise InputError(f"{path}: the crop store is cut short; delete it")

    @classmethod
    def create(cls, path: Path, shape: tuple[int, int, int, int]) -> PixelFile:
        """Create a file of zeros of the given shape, to be written row by row."""
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape, version=(1, 0))
        return cls(path, writable=True)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return these rows as a new array (N, height, width, 3)."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        self.read_into(rows, out)
        return out

    def read_into(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Read rows into a contiguous uint8 array (N, height, width, 3)."""
        for row, target in zip(rows, out, strict=True):
            offset = self._offset(int(row))
            if os.preadv(self._file, [target.data.cast("B")], offset) != self._row_bytes:
                raise OSError(f"{self._path}: row {row} cannot be read whole")

    def write(self, row: int, pixels: np.ndarray) -> None:
        """Write one row (height, width, 3) uint8.

        Raises:
            InputError: the disk is full, or the file cannot be written.
        """
        data = np.ascontiguousarray(pixels).data.cast("B")
        try:
            written = os.pwrite(self._file, data, self._offset(row))
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror}") from None
        if written != self._row_bytes:
            raise InputError(f"{self._path}: cannot be written whole: is the disk full?")

    def flush(self) -> None:
        """Wait until everything written has reached the disk."""
        os.fsync(self._file)

    def _offset(self, row: int) -> int:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return self._start + row * self._row_bytes
