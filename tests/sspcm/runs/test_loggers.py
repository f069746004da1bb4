"""Loggers get the numbers of metrics.jsonl, an epoch a call, and are asked for by name."""

import sys
import types

import pytest

from sspcm.runs.loggers import numbers_of, open_loggers, require_loggers
from wepdtof_pose.errors import InputError

ROW = {
    "epoch": 2,
    "learning_rate": 0.1,
    "train": {"supervised": 0.5},
    "scores": {"C": {"AP": 0.25, "AP_L": None, "PCK@0.2": 1.0}},
    "seconds": 3.0,
}
NUMBERS = {
    "learning_rate": 0.1,
    "train/supervised": 0.5,
    "scores/C/AP": 0.25,
    "scores/C/PCK_at_0.2": 1.0,
    "seconds": 3.0,
}


@pytest.fixture
def services(monkeypatch):
    """Modules with the interfaces of the three services, and what they were called with."""
    called = []

    class Writer:
        def __init__(self, folder, purge_step):
            called.append(("open", folder.name, purge_step))

        def add_scalar(self, name, value, step):
            called.append((name, value, step))

        def close(self):
            called.append("closed")

    class Run:
        def __init__(self, **about):
            called.append(about)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.finish()

        def log(self, numbers, step):
            called.append((numbers, step))

        def finish(self):
            called.append("closed")

    def module(name, **content):
        found = types.ModuleType(name)
        vars(found).update(content, __spec__=True)
        monkeypatch.setitem(sys.modules, name, found)

    module("tensorboard")
    module("torch.utils.tensorboard", SummaryWriter=Writer)
    module("wandb", init=lambda name, dir, config: Run(name=name, config=config))
    module(
        "mlflow",
        start_run=lambda run_name: Run(name=run_name),
        log_params=lambda params: called.append({"config": params}),
        log_metrics=lambda numbers, step: called.append((numbers, step)),
    )
    return called


def test_tensorboard_goes_on_after_the_epochs_that_are_done(services, tmp_path):
    with open_loggers(["tensorboard"], tmp_path / "run", {"seed": 1}, [{"epoch": 1}]) as log:
        log(ROW)
    assert services[0] == ("open", "tensorboard", 2)
    assert services[1:-1] == [(name, value, 2) for name, value in NUMBERS.items()]
    assert services[-1] == "closed"


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_services_get_the_configuration_and_every_epoch(services, tmp_path, name):
    earlier = {"epoch": 1, "train": {"supervised": 1.0}}
    with open_loggers([name], tmp_path / "run", {"seed": 1}, [earlier]) as log:
        log(ROW)
    merged = {key: value for one in services if isinstance(one, dict) for key, value in one.items()}
    assert merged == {"name": "run", "config": {"seed": 1}}
    assert [one for one in services if isinstance(one, tuple)] == [
        ({"train/supervised": 1.0}, 1),
        (NUMBERS, 2),
    ]
    assert services[-1] == "closed"


@pytest.mark.usefixtures("services")
def test_a_logger_is_closed_where_a_run_fails(services, tmp_path):
    with pytest.raises(RuntimeError), open_loggers(["wandb"], tmp_path, {}):
        raise RuntimeError
    assert services[-1] == "closed"


def test_what_cannot_be_used_is_one_line(monkeypatch):
    with pytest.raises(InputError, match="'tensorbord': choose among tensorboard, wandb, mlflow"):
        require_loggers(["tensorbord"])
    monkeypatch.setattr("sspcm.runs.loggers.find_spec", lambda name: None)
    with pytest.raises(InputError, match="wandb is not installed: pip install wandb"):
        require_loggers(["wandb"])


def test_rows_are_flat_numbers():
    assert numbers_of(ROW) == NUMBERS
