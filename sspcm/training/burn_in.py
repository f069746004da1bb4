"""The burn-in of a run: its networks learn from labelled people alone, before the method begins.

Every network is burnt in by a run of its own, of the method `supervised`, whose folder is named by
what it depends on. Runs that name the same folder of burn-ins and share seed, data and network
therefore share them: the first that wants one trains it, others that come meanwhile wait for it,
and one that was interrupted goes on from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from sspcm.augment.views import HARD_VIEW
from sspcm.config import MethodConfig, OptimisationConfig, TrainConfig
from sspcm.config_io import flatten, to_dict
from sspcm.runs.checkpoint import load_checkpoint
from sspcm.runs.folder import RunFolder
from sspcm.runs.records import BurnInRecord
from sspcm.training.distributed import Processes
from wepdtof_pose.locks import exclusive

_NETWORK = "network."
"""What the names of a supervised run's parameters begin with."""


@dataclass(frozen=True)
class BurnIn:
    """Burnt-in networks, by role.

    Attributes:
        weights: the state dictionary of each.
        rows: of metrics.jsonl, an epoch each, with the scores of every network.
        record: for the result: scores after the last epoch of each network, and seconds in all.
    """

    weights: dict[str, dict[str, Tensor]]
    rows: list[dict[str, Any]]
    record: BurnInRecord


def burn_in(
    config: TrainConfig,
    roles: Mapping[str, str],
    folder: Path,
    *,
    hashes: Mapping[str, Any],
    train: Callable[[TrainConfig, Path], Any],
    processes: Processes,
) -> BurnIn:
    """Burn in the networks of a run, or take them where they are.

    Args:
        config: of the run.
        roles: of its method: what a network is called in scores -> the role that it starts as.
        folder: of all burn-ins.
        hashes: of the data, which with the configuration decide what a network learns.
        train: trains a supervised run in a run folder, or goes on with one.
        processes: of the run; all of them train, one at a time may hold a burn-in.
    """
    runs: dict[str, RunFolder] = {}
    for role in dict.fromkeys(roles.values()):
        own = burn_in_config(config, role)
        run = RunFolder(folder / burn_in_name(own, hashes))
        with _held(run.path, processes):
            train(own, run.path)
        runs[role] = run
    weights = {}
    for role, run in runs.items():
        state = load_checkpoint(run.last_checkpoint)["method"]
        weights[role] = {
            name.removeprefix(_NETWORK): value
            for name, value in state.items()
            if name.startswith(_NETWORK)
        }
    results = {run.path: run.read_result() for run in runs.values()}
    return BurnIn(
        weights,
        _rows({name: runs[role] for name, role in roles.items()}),
        BurnInRecord(
            epochs=config.optimisation.burn_in_epochs,
            training_seconds=round(sum(r.training_seconds or 0 for r in results.values()), 1),
            scores={
                name: result.last["A"]
                for name, role in roles.items()
                if (result := results[runs[role].path]).last
            },
        ),
    )


def missing_burn_ins(
    config: TrainConfig, roles: Iterable[str], folder: Path, hashes: Mapping[str, Any]
) -> int:
    """Return how many of the networks of a run are still to be burnt in; see `burn_in`.

    Args:
        config: of the run.
        roles: that its networks start as.
        folder: of all burn-ins.
        hashes: of the data.
    """
    names = {burn_in_name(burn_in_config(config, role), hashes) for role in roles}
    return sum(not RunFolder(folder / name).finished for name in names)


def burn_in_config(config: TrainConfig, role: str) -> TrainConfig:
    """The supervised run that burns in the network of a role.

    C, where it has no network of its own kind, starts as A: in the released projects too it gets
    A's initial weights.
    """
    network = config.network
    if role == "C" and config.student is not None:
        network = config.student
    elif role == "C":
        role = "A"
    # What a supervised run does with its labelled people it does from the start.
    options = dict(config.method.options) if config.method.name == "supervised" else {}
    before, plain = config.optimisation, OptimisationConfig()
    return replace(
        config,
        network=network,
        student=None,
        method=MethodConfig(
            "supervised", recipe=config.method.recipe, options=options | {"role": role}
        ),
        hard_view=HARD_VIEW,
        optimisation=replace(
            before,
            epochs=before.burn_in_epochs,
            learning_rate=before.burn_in_learning_rate or before.learning_rate,
            milestones=before.burn_in_milestones,
            burn_in_epochs=0,
            burn_in_learning_rate=plain.burn_in_learning_rate,
            burn_in_milestones=plain.burn_in_milestones,
        ),
        evaluation=replace(config.evaluation, pseudo_labels=False),
    )


def burn_in_name(config: TrainConfig, hashes: Mapping[str, Any]) -> str:
    """The folder's name of a burn-in: labels, seed and role, and a hash of all it depends on."""
    plain = flatten(to_dict(TrainConfig()))
    # What is at its default is left out, so that new keys leave old burn-ins as they are. Where the
    # data lie and how many threads there are has no influence beyond rounding.
    content = {
        key: value
        for key, value in flatten(to_dict(config)).items()
        if key not in _WITHOUT_INFLUENCE and (key not in plain or value != plain[key])
    }
    text = json.dumps([content, dict(hashes)], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{config.method.options['role']}-seed{config.seed}-{digest}"


_WITHOUT_INFLUENCE = ("data.path", "data.unlabelled", "data.cache", "threads")


def _rows(runs: Mapping[str, RunFolder]) -> list[dict[str, Any]]:
    """A row an epoch: losses, mean over the burn-ins; scores by name; seconds of all burn-ins."""
    metrics = {run.path: run.read_metrics() for run in runs.values()}
    rows = []
    for together in zip(*metrics.values(), strict=True):
        losses = [row["train"]["supervised"] for row in together]
        row: dict[str, Any] = {
            "epoch": together[0]["epoch"],
            "learning_rate": together[0]["learning_rate"],
            "train": {"supervised": sum(losses) / len(losses)},
            "seconds": round(sum(row["seconds"] for row in together), 3),
        }
        if "scores" in together[0]:
            by_path = dict(zip(metrics, together, strict=True))
            row["scores"] = {name: by_path[run.path]["scores"]["A"] for name, run in runs.items()}
        rows.append(row)
    return rows


@contextmanager
def _held(path: Path, processes: Processes) -> Iterator[None]:
    """One run at a time trains a burn-in; the others wait."""
    if not processes.writes:
        # The process that writes comes here when it holds the lock, and leaves when all are done.
        processes.wait()
        yield
        processes.wait()
        return
    # Another lock than that of the run folder, which its training holds.
    waiting = f"waiting for another process that trains {path.name}"
    with exclusive(path.with_name(f"{path.name}-shared"), patience=math.inf, waiting=waiting):
        processes.wait()
        yield
        processes.wait()
