"""Check that the cells of a table can be compared: same optimiser steps and augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.results.results import CellResult, Comparison


def uneven(comparison: Comparison) -> list[str]:
    """Return what makes a comparison of cells unfair, one line each; none if it is fair.

    Compared are steps, schedule, batch size, the unlabelled pool, the strength of both views'
    warps, sigma set, area rule and precision; the options of a method only among its own cells.
    """
    found = []
    facts = [_facts(cell) for cell in comparison.cells]
    for key in dict.fromkeys(key for fact in facts for key in fact):
        values: dict[str, list[str]] = {}
        for cell, fact in zip(comparison.cells, facts, strict=True):
            if key in fact:
                values.setdefault(str(fact[key]), []).append(cell.folder.name)
        if len(values) > 1:
            kinds = "; ".join(f"{value} in {_few(names)}" for value, names in values.items())
            found.append(f"{key}: {kinds}")
    return found


def augmentation(comparison: Comparison) -> str:
    """Return the strength of the views as text: the common warp, and each method's occlusions."""
    from sspcm.methods.sspcm_ema import SspcmEma

    config = comparison.cells[0].config
    easy, hard = config.easy_view, config.hard_view
    covers = []
    for method, cell, options in _options(comparison):
        views = _hard_views(options, released=cell.config.released)
        if views:
            # The hard view of sspcm_ema is then the easy view without another warp.
            easy_alone = isinstance(options, SspcmEma.Options) and options.plain
            where = " on the easy view alone" if easy_alone else ""
            if isinstance(options, SspcmEma.Options) and options.views > 1:
                where += f", {options.views} of each person"
            covers.append(f"{method} {' or '.join(views)}{where}")
    moved = f", moved ± {easy.translation:g} of the sides" if easy.translation else ""
    text = (
        f"views of every method: scale ± {easy.scale:g} and rotation {easy.rotation:g}° "
        f"(probability {easy.rotation_probability:g}, mirrored {easy.flip_probability:g}{moved}), "
        f"hard view ± {hard.scale:g} and {hard.rotation:g}° ({hard.rotation_probability:g})"
    )
    return text + (f"; on it {', '.join(covers)}" if covers else "")


def shared_steps(comparison: Comparison) -> str:
    """Return how methods that train a teacher first divide their steps; "" if there are none."""
    from sspcm.methods.pseudo_pose import PseudoPose

    shares: dict[tuple[int, bool], list[str]] = {}
    schedule = comparison.cells[0].config.optimisation
    for method, cell, options in _options(comparison):
        if isinstance(options, PseudoPose.Options):
            # Older results, from before these methods had a burn-in, have none.
            burn_in = schedule.burn_in_epochs if cell.result.burn_in else 0
            teacher = options.teacher_epochs or burn_in or schedule.epochs // 2
            fresh = options.fresh_student or not burn_in
            shares.setdefault((teacher, fresh), []).append(method)
    return "; ".join(
        f"{' and '.join(methods)}: of these steps the first {teacher} epochs are a teacher's, "
        f"which learns from labelled people alone, the other {schedule.epochs - teacher} the "
        f"student's, which starts {'afresh' if fresh else 'as burnt in'}, each with the whole "
        "learning-rate schedule in its own epochs (the papers train both in full)"
        for (teacher, fresh), methods in shares.items()
    )


def _options(comparison: Comparison) -> Iterator[tuple[str, CellResult, Any]]:
    """Yield each known method, its first cell, and that cell's options."""
    from sspcm.config_io import from_dict
    from sspcm.methods import METHODS

    for method in comparison.methods:
        if kind := METHODS.get(method):
            cell = next(cell for cell in comparison.cells if cell.result.method == method)
            options = from_dict(kind.Options, cell.config.method.options, prefix="method.options.")
            yield method, cell, options


def _facts(cell: CellResult) -> dict[str, Any]:
    scores, result, config = cell.scores(), cell.result, cell.config
    schedule = config.optimisation
    excluded = config.data.exclude_labelled
    pool: int | str = result.people_unlabelled
    if excluded and not config.data.unlabelled:
        # The rest varies with the label budget, as it should.
        pool = "the training people without the labelled ones"
    return {
        "optimiser steps": result.steps,
        "batch size": schedule.batch_size * result.processes,
        "learning rate": schedule.learning_rate,
        "milestones": (schedule.milestones, schedule.factor),
        "optimiser": (
            schedule.optimiser,
            schedule.weight_decay,
            schedule.schedule,
            schedule.warm_up_epochs,
        ),
        "averaged weights": schedule.averaging,
        "burn-in epochs": schedule.burn_in_epochs,
        "learning rate of the burn-in": (
            schedule.burn_in_learning_rate,
            schedule.burn_in_milestones,
        ),
        "epochs": schedule.epochs,
        "easy view": config.easy_view,
        "hard view": config.hard_view,
        "flip test": config.evaluation.flip_test,
        "looks": config.evaluation.looks,
        "decoding": config.evaluation.decoding,
        "upright crops": config.data.upright,
        "labelled order": result.labelled_order,
        f"list of people {result.labels}": result.labels_hash,
        "unlabelled data": result.unlabelled_hash or "those of the labelled people",
        "people in the pool": pool,
        "labelled people left out of the pool": excluded,
        "sigma set": scores["sigma_set"],
        "area rule": scores["area_rule"],
        "precision": result.precision,
        f"options of {result.method}": dict(config.method.options),
    }


def _hard_views(options: Any, *, released: bool) -> list[str]:
    if hasattr(options, "hard_views"):
        views = options.hard_views(released=released)
    else:
        views = [getattr(options, "hard_view", ())]
    return [" + ".join(_operation(item) for item in view) for view in views if view]


def _operation(operation: Any) -> str:
    values = ", ".join(f"{key} {value}" for key, value in vars(operation).items())
    return f"{type(operation).__name__} ({values})" if values else type(operation).__name__


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
