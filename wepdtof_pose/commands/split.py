"""The command split: label budgets, and training, validation and test splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wepdtof_pose.commands.shared import (
    CATEGORY,
    LEAVE_OUT_TEST,
    PATH,
    SCENE_FIELD,
    SCENE_FROM,
    SEED,
    left_by_training,
    one_split,
    output_option,
    refuse_unused,
)
from wepdtof_pose.errors import counted, echo

if TYPE_CHECKING:
    import numpy as np

    from wepdtof_pose.dataset import PoseDataset
    from wepdtof_pose.splits.groups import Unit
    from wepdtof_pose.splits.label_budgets import Order

_SHARE = click.FloatRange(min=0)


@click.command()
@click.argument("path", type=PATH)
@click.option("--labels", help="Label budget: 1k, 5k, 10k, all, a count or a percentage (10%).")
@click.option(
    "--order",
    type=click.Choice(["file", "random", "stratified"]),
    default="file",
    help="file: the first people in it, as published; stratified: the same share of every scene.",
)
@click.option(
    "--by",
    type=click.Choice(["person", "frame", "scene"]),
    help="What is not divided.  [default: person for --labels, scene for splits]",
)
@LEAVE_OUT_TEST
@click.option(
    "--train", type=_SHARE, help="Share of the people in the training split (80, or 0.8)."
)
@click.option("--val", type=_SHARE, help="Share of the validation split.")
@click.option("--test", type=_SHARE, help="Share of the test split.")
@output_option(
    "JSON list to write; for splits a data set folder where the name has no suffix .json.",
    *("--out", "out"),
    metavar="OUT",
)
@click.option("--split", help="train, val or test, where PATH has several.  [default: train]")
@SCENE_FROM
@SCENE_FIELD
@CATEGORY
@SEED
def split(
    path: Path,
    labels: str | None,
    order: Order,
    by: Unit | None,
    leave_out_test: bool,
    train: float | None,
    val: float | None,
    test: float | None,
    out: Path,
    split: str | None,
    scene_from: Literal["folder", "name"] | None,
    scene_field: str | None,
    category: str | None,
    seed: int,
) -> None:
    """Choose whose labels are used, or make splits of a data set.

    Give --labels, or the shares of the splits. Smaller budgets of the same order and seed lie
    inside larger ones. Splits share no scene, so that neighbouring frames never leak; with --by
    frame or person they may. They are written as a data set folder, which sspcm train --data takes,
    or as a list of ids. A list holds the seed and hashes of the annotations, and is refused for
    other annotations.

    \b
    Example:
      wepdtof-pose split fisheye --labels 10% --order random --leave-out-test -o labelled.json
      wepdtof-pose split fisheye --train 80 --val 10 --test 10 -o parted
      wepdtof-pose split fisheye --train 80 --val 10 --test 10 -o sides.json
    """
    import numpy as np

    from wepdtof_pose.files import require_other_file
    from wepdtof_pose.formats.loading import annotation_files

    shares = {"train": train, "val": val, "test": test}
    given = {name: share for name, share in shares.items() if share is not None}
    if (labels is None) == (not given):
        raise click.UsageError("give either --labels, or --train, --val and --test")
    total = sum(given.values())
    if labels is None and not (abs(total - 1) < 0.005 or abs(total - 100) < 0.5):
        raise click.UsageError(f"the shares add up to {total:g}: they must make 100, or 1")
    if labels is None:
        refuse_unused("the splits of --train, --val and --test", ["order", "leave_out_test"])
    elif order == "file":
        refuse_unused("file order", ["seed"])
    require_other_file(out, annotation_files(path).values())
    dataset = one_split(
        path,
        split,
        category=category,
        scene_from=scene_from,
        scene_field=scene_field,
    )
    if labels is None:
        _write_splits(dataset, given, out, by=by or "scene", seed=seed)
    else:
        rows = left_by_training(path, dataset) if leave_out_test else np.arange(len(dataset))
        _write_labels(dataset, rows, labels, out, order=order, by=by or "person", seed=seed)


def _write_splits(
    dataset: PoseDataset, shares: Mapping[str, float], out: Path, *, by: Unit, seed: int
) -> None:
    """Part the people, write the splits as a folder or as a list of ids, and say how many."""
    from wepdtof_pose.files import write_json
    from wepdtof_pose.splits.folder import write_splits
    from wepdtof_pose.splits.partitions import partition, partition_record

    parts = partition(dataset, shares, by=by, seed=seed)
    record = partition_record(dataset, parts, shares=shares, by=by, seed=seed)
    alone = 0
    again: list[tuple[str, str]] = []
    if out.suffix.lower() == ".json":
        write_json(out, record, indent=1)
    else:
        alone, again = write_splits(dataset, parts, record, out)
    for name, content in record["sides"].items():
        scenes = f", {counted(len(content['scenes']), 'scene')}" if content["scenes"] else ""
        held = counted(content["usable_people"], "usable person", "usable people")
        echo(f"{name}: {held}{scenes}")
    if alone:
        echo(f"left out: {counted(alone, 'frame')} without people")
    if again and by != "person":
        images = counted(len(again), "image shows", "images show")
        echo(
            f"warning: {images} what one of another split does ({again[0][0]} that of "
            f"{again[0][1]}), and scores would be too high: take such copies out first (sspcm "
            "train leaves out the people on them)"
        )
    echo(f"written to {out}")


def _write_labels(
    dataset: PoseDataset,
    rows: np.ndarray,
    labels: str,
    out: Path,
    *,
    order: Order,
    by: Unit,
    seed: int,
) -> None:
    """Choose the labelled people of a budget among those of these rows, and write their ids."""
    from wepdtof_pose.files import write_json
    from wepdtof_pose.splits.hold_out import label_budget, subset_record
    from wepdtof_pose.splits.label_budgets import choose_people

    choice = dataset.select_people(rows)
    people = int(choice.trainable().sum())
    count = label_budget(labels, people)
    chosen = rows[choose_people(choice, count, order=order, by=by, seed=seed)]
    used = None if order == "file" else seed
    record = subset_record(dataset, chosen, labels=labels, order=order, seed=used)
    write_json(out, {**record, "by": by}, indent=1)
    echo(f"{count} of {people} usable people written to {out}")
