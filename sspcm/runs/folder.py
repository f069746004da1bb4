"""A run's folder: configuration, metrics, result, predictions, environment, checkpoints."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspcm.config import TrainConfig
from sspcm.config_io import flatten, load_config, to_dict, to_yaml
from sspcm.runs.records import RunResult, read_environment, read_epoch_rows, read_run_result
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import (
    FILES_OF_DESKTOPS,
    Below,
    make_folder,
    read_json,
    write_json,
    write_text,
)
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.records import converted


def require_no_run_file(out: Path) -> None:
    """Refuse to overwrite a file that belongs to a run; `sspcm pseudo-labels` may renew its own.

    Raises:
        InputError: it is one.
    """
    for run in map(RunFolder, out.absolute().parents[:2]):
        own = (
            *(run.config_file, run.metrics_file, run.result_file, run.predictions_file),
            *(run.environment_file, run.keypoints_file, run.last_checkpoint, run.best_checkpoint),
        )
        if run.config_file.is_file() and out.is_file() and out.absolute() in own:
            raise InputError(f"{out}: belongs to the run in {run.path}: name another file")


@dataclass(frozen=True)
class RunFolder:
    """Paths and files of one run. Everything that is reported can be recomputed from it."""

    path: Path

    config_file = Below("config.yaml")
    """The resolved configuration."""
    metrics_file = Below("metrics.jsonl")
    """One JSON line an epoch."""
    result_file = Below("result.json")
    """The result, written last: a run that has it is finished."""
    predictions_file = Below("predictions.json")
    """COCO results of the reported network after the last epoch, one for each test person.

    AP in the result is that of the poses that OKS-NMS at 0.9 leaves of them.
    """
    pseudo_labels_file = Below("pseudo_labels.json")
    """What the unlabelled people are taught, where the configuration asks for it."""
    environment_file = Below("env.json")
    """Versions and hardware, and what a resumed run must share with its beginning."""
    keypoints_file = Below("keypoints.json")
    """The joints of the networks' heatmaps."""
    last_checkpoint = Below("checkpoints/last.pt")
    """State after the last finished epoch."""
    best_checkpoint = Below("checkpoints/best.pt")
    """Method weights at the best score (see `Method.selected_by`)."""

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return self.result_file.is_file()

    def prepare(self, config: TrainConfig, *, resume: bool, longer: bool = False) -> None:
        """Make the folder, or check that it holds a run of the same configuration.

        A run that goes on may have been moved, and so may its data where the folder records their
        hashes, which `require_same_conditions` compares.

        Args:
            config: of the run.
            resume: the folder may hold it already.
            longer: it may go on to more epochs than it began with.

        Raises:
            InputError: the folder holds another run, or one that was not to be resumed.
        """
        begun = self.config_file.is_file()
        if begun and resume:
            self._require_same(self.load_config(), config, longer=longer)
            return
        self.require_new()
        make_folder(self.path)
        write_text(self.config_file, to_yaml(config))

    def require_new(self) -> None:
        """Check that a run can begin here: nothing is in the folder but what a killed one left.

        Raises:
            InputError: there is something else.
        """
        begun = self.config_file.is_file()
        # What a run that was killed right here has left, or a desktop.
        leftovers = {path.name for path in self.path.glob(f".{self.config_file.name}.*")}
        leftovers |= FILES_OF_DESKTOPS
        # And what one that found no room for its crops, say, had written before; who wrote a
        # config.yaml that lies here alone is not known.
        if begun and self.environment_file.is_file():
            own = (self.config_file, self.environment_file, self.keypoints_file)
            leftovers |= {path.name for path in own}
        if self.path.is_dir() and {path.name for path in self.path.iterdir()} - leftovers:
            raise InputError(
                f"{self.path}: already holds a run; go on with --resume or name another folder"
                if begun
                else f"{self.path}: is not empty and holds no run; name another folder"
            )

    def adopt(self, config: TrainConfig) -> None:
        """Let the folder say the configuration that its run goes on with.

        The result of fewer epochs, where it has one, is kept as result.EPOCHS-epochs.json.
        """
        before = self.load_config()
        if self.finished and before.optimisation.epochs < config.optimisation.epochs:
            kept = f"result.{before.optimisation.epochs}-epochs.json"
            self.result_file.replace(self.path / kept)
        if to_dict(before) != to_dict(config):
            write_text(self.config_file, to_yaml(config))

    def ended(self, config: TrainConfig) -> bool:
        """Return whether the run has ended, at the epochs of this configuration."""
        return (
            self.finished and self.load_config().optimisation.epochs >= config.optimisation.epochs
        )

    def require_same_conditions(self, now: dict[str, Any]) -> None:
        """Check that a run with finished epochs, or its result, is of the same conditions.

        Compared is what no configuration says: the data, the number of processes, the kind of
        device and its precision. What the folder does not record (older ones) is not compared.

        Args:
            now: what env.json would hold if the run began now, or a part of it.

        Raises:
            InputError: something differs.
        """
        before = self.read_environment() if self.resumable or self.finished else {}
        for key in _CONDITIONS:
            if key in before and key in now and before[key] != now[key]:
                changed = f"it began with {key} = {before[key]!r}, and would go on with "
                what = _CHANGED.get(key, f"{changed}{now[key]!r}")
                raise InputError(
                    f"{self.path}: is not the same run any more: {what}; restore that, or name "
                    "another folder for a new run"
                )

    def threads_of_its_beginning(self) -> int | None:
        """Return the CPU threads of a run that goes on: sums depend on how they are divided."""
        return self.read_environment().get("threads") if self.resumable else None

    def read_environment(self) -> dict[str, Any]:
        """Return what env.json says; nothing where there is none.

        Raises:
            InputError: it is not the environment of a run.
        """
        return read_environment(self.environment_file) if self.environment_file.is_file() else {}

    @property
    def resumable(self) -> bool:
        """Whether an epoch was finished, so that a resumed run goes on after it."""
        return self.last_checkpoint.is_file()

    def load_config(self) -> TrainConfig:
        """Return the configuration the run was made with.

        Raises:
            InputError: it is no run folder, or its configuration cannot be read.
        """
        if not self.config_file.is_file():
            raise InputError(f"{self.path}: is no run folder (it has no config.yaml)")
        return load_config(self.config_file)

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return the rows of metrics.jsonl (see `EpochRow`) without a last line cut short.

        Raises:
            InputError: a line is not that of its epoch.
        """
        return read_epoch_rows(self.metrics_file) if self.metrics_file.is_file() else []

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Replace metrics.jsonl by these rows."""
        lines = (json.dumps(row, allow_nan=False) + "\n" for row in rows)
        write_text(self.metrics_file, "".join(lines))

    def read_result(self) -> RunResult:
        """Return the result of a finished run."""
        return read_run_result(self.result_file)

    def write_keypoint_set(self, keypoint_set: KeypointSet) -> None:
        """Write keypoints.json: with it, the networks can be used where the data are not."""
        write_json(self.keypoints_file, dataclasses.asdict(keypoint_set))

    def read_keypoint_set(self) -> KeypointSet | None:
        """Return the joints of the networks' heatmaps; None for a folder without keypoints.json."""
        if not self.keypoints_file.is_file():
            return None
        content, source = read_json(self.keypoints_file), str(self.keypoints_file)
        return converted(content, KeypointSet, source=source, what="a keypoint set")

    def _require_same(self, begun: TrainConfig, config: TrainConfig, *, longer: bool) -> None:
        before, now = flatten(to_dict(begun)), flatten(to_dict(config))
        for key in sorted(before.keys() | now.keys()):
            # Where crops are cached has no influence on the numbers.
            if key == "data.cache" or before.get(key) == now.get(key):
                continue
            if key in _PLACES and self._same_place(key, before.get(key), now.get(key)):
                continue
            if key == "optimisation.epochs" and longer and before[key] < now[key]:
                continue
            raise InputError(
                f"{self.path}: holds a run with {key} = {before.get(key)!r}, "
                f"not {now.get(key)!r}; name another folder for the new configuration"
            )

    def _same_place(self, key: str, before: Any, now: Any) -> bool:
        """Whether two paths may be of the same data; where hashes say it, these are compared."""
        if not before or not now:
            return False
        if self.resumable or self.finished:
            return self.read_environment().get(_PLACES[key]) is not None
        return key == "data.path" and same_data_path(before, now)


_PLACES = {
    "data.path": "data_hash",
    "data.unlabelled": "unlabelled_hash",
    "data.labels": "labels_hash",
}
"""Keys that name files -> entry of env.json by which their content is known."""

HASHES = ("data_hash", "split_hash", "unlabelled_hash", "labels_hash")
"""What env.json says of the data."""

_CHANGED = {
    "data_hash": "the annotations of data.path were changed since",
    "split_hash": "other people of data.path are held out now",
    "unlabelled_hash": "the people of data.unlabelled are others now",
    "labels_hash": "the labelled people that data.labels or data.more_labelled name are others now",
}
"""What another hash means."""

_CONDITIONS = (*HASHES, "processes", "device_type", "precision")


def same_data_path(before: str, now: str) -> bool:
    """Whether two paths may be of the same data: one place, or one that was moved and keeps its
    name. What the data hold is compared by their hashes when a run goes on."""
    first, second = Path(before), Path(now)
    return first.resolve() == second.resolve() or (first.name == second.name and not first.exists())
