"""One training run, from configuration to finished run folder; read it from top to bottom."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from tqdm import tqdm

from sspcm.assembly import about_networks, make_method, method_of, open_store
from sspcm.config import TrainConfig
from sspcm.config_io import flatten, to_dict
from sspcm.data.crop_store import cache_folder
from sspcm.data.sets import TrainingSets, make_sets, pool_people, require_run_data
from sspcm.data.summary import summarise, summary_lines
from sspcm.hardware import Hardware, choose_hardware, environment, peak_memory
from sspcm.inference.scores import percent
from sspcm.methods.method import Method
from sspcm.runs.code import own_errors
from sspcm.runs.folder import HASHES, RunFolder
from sspcm.runs.loggers import open_loggers, require_loggers
from sspcm.runs.records import BurnInRecord, RunResult, RunSummary
from sspcm.training.burn_in import burn_in, missing_burn_ins
from sspcm.training.distributed import Processes, distribute, joined_processes
from sspcm.training.forecast import forecast
from sspcm.training.learner import Learner
from sspcm.training.optimiser import learning_rate
from sspcm.training.pool_labels import require_labels
from sspcm.training.progress import Progress, restore, save
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import size_in_words, sweep, write_json
from wepdtof_pose.locks import exclusive

_LOG = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    loggers: Sequence[str] = (),
    burn_ins: Path | None = None,
) -> RunResult:
    """Train and evaluate a run, write its folder, and return the result.

    A finished run is not trained again unless more epochs are asked for. An interrupted one resumes
    from its last checkpoint and ends as if it had never stopped.

    Args:
        config: everything that influences the numbers.
        folder: the run folder, made if needed.
        resume: resume the run in the folder, even if its data were moved.
        loggers: get each epoch's row in addition to metrics.jsonl; see `sspcm.runs.loggers`.
        burn_ins: folder of burn-ins shared between runs; None uses one inside the run folder.

    Raises:
        InputError: the folder holds another run, or one started on other data, processes or
            hardware; the configuration or data cannot be used; training diverges; or a network or
            method of one's own fails, whose error is the cause of this one.
    """
    require_loggers(loggers)
    with own_errors(), joined_processes(config.device) as processes, ExitStack() as stack:
        return _train(
            config,
            folder,
            processes,
            resume=resume,
            loggers=loggers,
            stack=stack,
            burn_ins=burn_ins,
        )


def _train(
    config: TrainConfig,
    folder: Path,
    processes: Processes,
    *,
    resume: bool,
    loggers: Sequence[str],
    stack: ExitStack,
    burn_ins: Path | None = None,
    part: str = "",
) -> RunResult:
    """Train a run, or the part of one that `part` names in the progress bar."""
    hardware = choose_hardware(
        config.device,
        config.chosen_precision,
        local_rank=processes.local_rank,
        by="--device, or device in the configuration",
    )
    hardware.keep_freed_memory()
    if resume:
        require_run_data(config.data, str(folder))
    sets = make_sets(config.data, released=config.released)
    if len(sets.tested):
        sets.test.keypoint_set.require_sigmas()
    summary = summarise(config, sets, validated=processes.writes)
    method = hardware.place(make_method(config, sets))
    if config.evaluation.pseudo_labels:
        require_labels(method, config)
    run = RunFolder(folder)
    if resume and run.config_file.is_file():
        _require_same_past(run, config, method, sets)
    with processes.writer_first():
        if processes.writes:
            stack.enter_context(exclusive(folder))
        run.prepare(config, resume=resume or not processes.writes, longer=resume)
    if processes.writes:
        sweep(folder)
    hashes = {key: getattr(sets.record, key) for key in HASHES}
    if run.ended(config):
        run.require_same_conditions(hashes)
        return run.read_result()
    said = None if part else summary
    _record_conditions(config, run, sets, hardware, processes, hashes, said)
    learner = Learner(config, run, sets, hardware, processes, method)
    method = learner.method
    if processes.writes and not part:
        stores = (learner.train_store, learner.test_store)
        _LOG.info(
            "crops: %s in %s (sspcm cache shows and clears it)",
            size_in_words(sum(store.size for store in stores if store)),
            cache_folder(config.data.cache),
        )
    if config.evaluation.pseudo_labels and processes.writes:
        # Made now, so that too small a disk is noticed before anything is trained.
        open_store(config, pool_people(config.data, sets)[0])
    progress = restore(run, method, learner.optimiser, hardware, learner.averaged)
    # As published, resuming the released schedule drops the rate one epoch early.
    early = config.released and progress.epoch > 0
    rows = run.read_metrics()[: progress.epoch]
    if processes.writes and run.metrics_file.is_file() and not run.resumable:
        _LOG.warning("%s is not there: the run begins anew", run.last_checkpoint)
    if len(rows) != progress.epoch:
        raise InputError(
            f"{run.metrics_file}: has {len(rows)} epochs, but {run.last_checkpoint} is of epoch "
            f"{progress.epoch}: one of them was not copied or is of another run; bring it back, or "
            "remove both to begin anew"
        )
    burnt_in = progress.epoch >= config.optimisation.burn_in_epochs
    burn_ins = burn_ins or run.path / "burn_in"
    roles = {method.roles[entry]: role for entry, role in method.burn_in_roles().items()}
    alone = processes.count == 1 and not config.compile
    if alone and not part and _LOG.isEnabledFor(logging.INFO):
        missing = missing_burn_ins(config, () if burnt_in else roles.values(), burn_ins, hashes)
        left = forecast(
            method,
            learner.batches,
            learner.sampler,
            config,
            hardware,
            epoch=progress.epoch,
            burn_ins=missing,
        )
        _LOG.info("%s", left.line(config.method.shown))
    if not burnt_in:
        burnt = burn_in(
            config,
            roles,
            burn_ins,
            hashes=hashes,
            train=partial(_train_burn_in, processes=processes),
            processes=processes,
        )
        method.start_from(burnt.weights, epochs=config.optimisation.burn_in_epochs)
        learner.begin_averages()
        rows, progress.burn_in = burnt.rows, msgspec.to_builtins(burnt.record)
        progress.epoch = config.optimisation.burn_in_epochs
    about = about_networks(config, sets, method)
    stepped = distribute(method, processes, synchronise_batchnorm=config.synchronise_batchnorm)
    own = loggers if processes.writes else ()
    log = stack.enter_context(open_loggers(own, folder, flatten(to_dict(config)), rows))
    bar = stack.enter_context(
        tqdm(
            desc=part or config.method.shown,
            total=config.optimisation.epochs * learner.sampler.steps,
            initial=progress.epoch * learner.sampler.steps,
            unit="step",
            leave=False,
            disable=None if processes.writes else True,
        )
    )

    while progress.epoch < config.optimisation.epochs:
        row = learner.learn(stepped, progress, early=early, bar=bar)
        if (scores := learner.score(progress, about)) is not None:
            row["scores"] = scores
        row["seconds"] = round(progress.seconds, 3)
        rows.append(row)
        if processes.writes:
            bar.clear()
            _LOG.info("%s%s", part and f"{part}: ", _in_words(row, method, config))
            bar.refresh()
            run.write_metrics(rows)
            log(row)
            progress.peak_memory = max(progress.peak_memory, peak_memory(hardware))
            save(run, method, learner.optimiser, progress, about, learner.averaged)

    result = _result(learner, summary, progress)
    if processes.writes:
        write_json(run.result_file, result.as_json(), indent=1)
    return result


def _record_conditions(
    config: TrainConfig,
    run: RunFolder,
    sets: TrainingSets,
    hardware: Hardware,
    processes: Processes,
    hashes: Mapping[str, Any],
    summary: RunSummary | None,
) -> None:
    """Check that a run goes on as it began, or write how it begins; log the summary, if any."""
    threads = config.threads or run.threads_of_its_beginning()
    if threads:
        torch.set_num_threads(threads)
    surroundings = environment(hardware) | {
        "device_type": hardware.device.type,
        "processes": processes.count,
        **hashes,
    }
    run.require_same_conditions(surroundings)
    if not processes.writes:
        return
    run.adopt(config)
    if not run.resumable:
        write_json(run.environment_file, surroundings, indent=1)
    run.write_keypoint_set(sets.train.keypoint_set)
    if summary is not None:
        _LOG.info(
            "%s, recipe %s: %s on %s, %s, %s, %s",
            config.method.name,
            config.method.recipe,
            config.network.name,
            surroundings["device"],
            surroundings["precision"],
            counted(surroundings["threads"], "thread"),
            counted(processes.count, "process", "processes"),
        )
        for line in summary_lines(summary):
            _LOG.info("%s", line)


def _require_same_past(
    run: RunFolder, config: TrainConfig, method: Method, sets: TrainingSets
) -> None:
    """Check that a longer run would have had the same learning rates up to now."""
    before = run.load_config()
    if before.optimisation.epochs >= config.optimisation.epochs:
        return
    begun = method_of(before, sets.train.keypoint_set, labelled=np.arange(0), pretrained=False)
    for epoch in range(len(run.read_metrics())):
        places = begun.schedule_epoch(epoch), method.schedule_epoch(epoch)
        rates = [
            learning_rate(place, one.optimisation)
            for place, one in zip(places, (before, config), strict=True)
        ]
        if places[0] != places[1] or rates[0] != rates[1]:
            raise InputError(
                f"{run.path}: with {config.optimisation.epochs} epochs, not "
                f"{before.optimisation.epochs}, the learning rate of epoch {epoch + 1} would have "
                "been different: start a new run from its weights with "
                f"--set network.pretrained={run.last_checkpoint}"
            )


def _train_burn_in(config: TrainConfig, folder: Path, *, processes: Processes) -> None:
    """Train a burn-in in its own run folder, and release the folder afterwards."""
    with ExitStack() as stack:
        part = f"burn-in of {config.method.options['role']}"
        _train(config, folder, processes, resume=True, loggers=(), stack=stack, part=part)


def _in_words(row: dict[str, Any], method: Method, config: TrainConfig) -> str:
    """Return an epoch's row of metrics.jsonl as a readable line: losses and reported scores."""
    losses = {name: row["train"][name] for name in row["train"] if name not in method.statistics}
    parts = [f"{name} loss {value:.4g}" for name, value in losses.items()]
    if "scores" in row:
        scores = row["scores"][method.reported]
        parts += [f"{score} {percent(scores[score])}" for score in ("AP", "PCK@0.2")]
    epoch = f"epoch {row['epoch']}/{config.optimisation.epochs}"
    return f"{epoch}, {row['seconds']:.0f} s: {', '.join(parts)}"


def _result(learner: Learner, summary: RunSummary, progress: Progress) -> RunResult:
    config, method, hardware = learner.config, learner.method, learner.hardware
    return RunResult(
        method=config.method.shown,
        recipe=config.method.recipe,
        reported=method.reported,
        seed=config.seed,
        labels=config.data.labels,
        **msgspec.structs.asdict(learner.sets.record),
        last=progress.last,
        best=progress.best or {},
        best_epoch=progress.best_epoch,
        epochs=progress.epoch,
        steps=progress.epoch * learner.sampler.steps,
        processes=learner.sampler.processes,
        training_seconds=round(progress.seconds, 1),
        burn_in=msgspec.convert(progress.burn_in, BurnInRecord | None),
        peak_memory_bytes=max(progress.peak_memory, peak_memory(hardware)),
        parameters_trained=sum(p.numel() for p in method.parameters() if p.requires_grad),
        parameters_predictor=sum(p.numel() for p in method.predictor().parameters()),
        precision=str(hardware.precision).removeprefix("torch."),
        device=hardware.device.type,
        summary=summary,
    )
