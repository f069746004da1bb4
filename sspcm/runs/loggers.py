"""Loggers: what a run writes into metrics.jsonl goes to TensorBoard, W&B or MLflow as well.

A logger is one callback, called with each epoch's row of metrics.jsonl; that file is always
written, and what the services show is made from it alone. Their packages are imported only when
they are asked for. An own project name, server or key is set as each service documents it
(WANDB_PROJECT, MLFLOW_TRACKING_URI, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wepdtof_pose.errors import InputError

Row = dict[str, Any]
"""A row of metrics.jsonl: epoch, learning_rate, train (losses), scores (by network), seconds."""
Log = Callable[[Row], None]

LOGGERS = ("tensorboard", "wandb", "mlflow")
"""Names of the loggers."""


def require_loggers(names: Sequence[str]) -> None:
    """Check that loggers can be used."""
    for name in names:
        if name not in LOGGERS:
            raise InputError(f"unknown logger {name!r}: choose among {', '.join(LOGGERS)}")
        if find_spec(name) is None:
            raise InputError(
                f"--log {name}: the package {name} is not installed: pip install {name}"
            )


@contextmanager
def open_loggers(
    names: Sequence[str], folder: Path, config: Mapping[str, Any], rows: Sequence[Row] = ()
) -> Iterator[Log]:
    """Give one callback for all loggers named, open within the block.

    Args:
        names: of LOGGERS.
        folder: the run folder; its name is the run's name.
        config: of the run, as flat keys.
        rows: of epochs that are done; only TensorBoard, whose files lie in the folder, knows them
            already where a run goes on.

    Raises:
        InputError: a logger that there is not, or whose package is not installed.

    >>> with open_loggers((), Path("run"), {}) as log:
    ...     log({"epoch": 1})
    """
    require_loggers(names)
    with ExitStack() as stack:
        logs = [stack.enter_context(_OPEN[name](folder, config, rows)) for name in names]

        def log(row: Row) -> None:
            for one in logs:
                one(row)

        yield log


def numbers_of(row: Row) -> dict[str, float]:
    """Return the numbers of a row by name: `train/supervised`, `scores/C/AP`, `learning_rate`.

    >>> numbers_of({"epoch": 1, "learning_rate": 0.1, "scores": {"A": {"AP": 0.5, "AR": None}}})
    {'learning_rate': 0.1, 'scores/A/AP': 0.5}
    """
    return dict(_numbers({key: value for key, value in row.items() if key != "epoch"}, ""))


def _numbers(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for key, value in content.items():
        # MLflow takes no @ in a name.
        name = prefix + key.replace("@", "_at_")
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}/")
        elif value is not None:
            yield name, float(value)


@contextmanager
def _tensorboard(folder: Path, config: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[Log]:
    from torch.utils.tensorboard import SummaryWriter

    # Epochs after the last that is done were logged by a run that was killed.
    writer = SummaryWriter(folder / "tensorboard", purge_step=len(rows) + 1)

    def log(row: Row) -> None:
        for name, value in numbers_of(row).items():
            writer.add_scalar(name, value, row["epoch"])

    try:
        yield log
    finally:
        writer.close()


@contextmanager
def _wandb(folder: Path, config: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[Log]:
    import wandb

    run = wandb.init(name=folder.resolve().name, dir=folder, config=dict(config))
    try:
        for row in rows:
            run.log(numbers_of(row), step=row["epoch"])
        yield lambda row: run.log(numbers_of(row), step=row["epoch"])
    finally:
        run.finish()


@contextmanager
def _mlflow(folder: Path, config: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[Log]:
    import mlflow

    with mlflow.start_run(run_name=folder.resolve().name):
        mlflow.log_params(dict(config))
        for row in rows:
            mlflow.log_metrics(numbers_of(row), step=row["epoch"])
        yield lambda row: mlflow.log_metrics(numbers_of(row), step=row["epoch"])


_OPEN: dict[str, Callable[[Path, Mapping[str, Any], Sequence[Row]], Any]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
