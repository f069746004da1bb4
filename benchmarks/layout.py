"""The folder of a comparison: the places of its files, and the record of its preset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import Below, read_json, write_json


@dataclass(frozen=True)
class ComparisonFolder:
    """Paths of a comparison. Only `comparison.json` and the run folders in `cells` are needed."""

    path: Path

    record_file = Below("comparison.json")
    """File that records the comparison's preset."""
    cells = Below("cells")
    """Folder of the run folders."""
    burn_ins = Below("burn_ins")
    """Folder of the burnt-in networks that cells share."""
    crops = Below("crops")
    """Folder of the decoded crops."""

    def cell(self, name: str) -> Path:
        """Return the run folder of a cell."""
        return self.cells / name

    def log(self, name: str) -> Path:
        """Return the file of a cell's output; not in its run folder, which may not exist."""
        return self.path / "logs" / f"{name}.log"

    def lock(self, name: str) -> Path:
        """Return the path to lock for a cell, the data or the crops."""
        return self.path / "locks" / name

    def fisheye(self, people: int) -> Path:
        """Return the folder of the procedural set, the data if no others are named."""
        return self.path / "data" / f"fisheye-{people}"

    def check_preset(self, preset: str) -> None:
        """Check that the folder is no run's, and holds no comparison at another preset."""
        if self._is_single_run():
            raise InputError(f"{self.path}: is the folder of a single run; name another folder")
        if self.record_file.is_file() and self.read_preset() != preset:
            raise InputError(
                f"{self.path}: holds a comparison at preset {self.read_preset()!r}, not "
                f"{preset!r}; name another folder"
            )

    def write_preset(self, preset: str) -> None:
        """Record the preset if none, or the same one, is recorded.

        Raises:
            InputError: the folder compares at another preset.
        """
        self.check_preset(preset)
        write_json(self.record_file, {"preset": preset}, indent=1)

    def read_preset(self) -> str:
        """Return the preset of the comparison.

        Raises:
            InputError: there is no comparison.
        """
        if not self.record_file.is_file():
            raise InputError(
                f"{self.path}: is a single run, not a comparison: sspcm evaluate shows its scores, "
                "sspcm-bench compare those of two runs"
                if self._is_single_run()
                else f"{self.path}: holds no comparison (run: sspcm-bench run -o {self.path})"
            )
        content = read_json(self.record_file)
        if not isinstance(content, dict) or not isinstance(content.get("preset"), str):
            raise InputError(f"{self.record_file}: names no preset")
        return content["preset"]

    def _is_single_run(self) -> bool:
        return (self.path / "config.yaml").is_file() and not self.record_file.is_file()
