"""`wepdtof-pose validate`: what is wrong with annotations, and a repaired copy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from wepdtof_pose.commands.shared import CATEGORY, PATH
from wepdtof_pose.errors import echo


@click.command()
@click.argument("path", type=PATH)
@click.option("--images", is_flag=True, help="Also read the image files, which takes longer.")
@click.option(
    "--fix", metavar="OUT", type=PATH, help="Write a repaired copy to the new folder OUT."
)
@click.option(
    "--drop",
    is_flag=True,
    help="With --fix: take out what no command reads and what cannot be repaired.",
)
@click.option("--json", "as_json", is_flag=True, help="Findings as JSON instead of a table.")
@click.option(
    "--places",
    type=click.IntRange(min=0),
    default=3,
    help="How many places of each kind of finding to show in the table.",
)
@CATEGORY
def validate(
    path: Path,
    images: bool,
    fix: Path | None,
    drop: bool,
    as_json: bool,
    places: int,
    category: str | None,
) -> None:
    """Find what is wrong with annotations, and write a repaired copy.

    Files that no reader takes are examined too, and so are the boxes of WEPDTOF and CEPDOF. The
    exit code is 1 if there are errors, 0 if there are only warnings. --fix changes only what has
    one right answer, never in place, and loses no label: what it cannot mend stays, unless --drop
    is given. With --images, labels move along with pictures that were resized or turned.
    OUT/changes.json lists every change, the labels before and after, and what remains.

    \b
    Example:
      wepdtof-pose validate fisheye --images --fix repaired
    """
    from wepdtof_pose.validation.validate import validate as run

    if drop and fix is None:
        raise click.UsageError("--drop: without effect without --fix")
    report = run(path, images=images, category=category)
    record = None
    if fix is not None:
        from wepdtof_pose.validation.repaired_copy import summary, write_repaired

        record = write_repaired(path, fix, images=images, drop=drop, category=category)
    if as_json:
        content = report.as_dict()
        if record is not None:
            content["fixed"] = {k: record[k] for k in ("changes", "labels", "dropped", "remaining")}
        echo(json.dumps(content, ensure_ascii=False, indent=1))
    else:
        echo(report.as_text(places=places))
        if record is not None and fix is not None:
            echo(summary(record, fix))
    if report.errors:
        sys.exit(1)
