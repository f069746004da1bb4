"""The command sspcm-bench: compare methods over label budgets, seeds, subsets and networks."""

from __future__ import annotations

import click

from benchmarks.commands.rank import rank
from benchmarks.commands.results import compare, plot, report, table
from benchmarks.commands.run import run
from benchmarks.commands.speed import speed
from wepdtof_pose import __version__
from wepdtof_pose.commands.shared import SETTINGS, CommandGroup


@click.group(cls=CommandGroup, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="sspcm-bench")
def main() -> None:
    """Compare methods over label budgets, seeds and networks, with tables and plots."""


for command in (run, table, plot, report, compare, rank, speed):
    main.add_command(command)
