"""`wepdtof-pose stats`: tables and plots of what is in a data set."""

from __future__ import annotations

from pathlib import Path

import click

from wepdtof_pose.commands.shared import CATEGORY, PATH
from wepdtof_pose.errors import echo


@click.command()
@click.argument("path", type=PATH)
@click.option(
    "--plots", metavar="DIR", type=PATH, help="Draw plots (PNG and PDF) into this folder."
)
@CATEGORY
def stats(path: Path, plots: Path | None, category: str | None) -> None:
    """Count and measure people, frames, joints, boxes and poses.

    \b
    Example:
      wepdtof-pose stats fisheye --plots plots
    """
    from wepdtof_pose.formats.loading import load_dataset, read_line
    from wepdtof_pose.statistics.tables import all_tables, counts
    from wepdtof_pose.validation.validate import doubts_about

    for name, dataset in load_dataset(path, category=category).items():
        echo(f"{name} ({dataset.keypoint_set.name}, hash {dataset.content_hash()})")
        echo(f"  {read_line(dataset)}")
        for doubt in doubts_about(dataset):
            echo(f"  doubtful: {doubt} (wepdtof-pose validate {path})")
        for what, count in counts(dataset).items():
            echo(f"  {what:24}{'n/a' if count is None else count:>10}")
        for title, table in all_tables(dataset).items():
            text = table.to_string(float_format="{:.1f}".format, na_rep="n/a")
            echo(f"\n{title}\n{text}")
        echo()
        if plots is not None:
            from wepdtof_pose.statistics.plots import write_plots

            for file in write_plots(dataset, plots, name=name):
                echo(str(file))
