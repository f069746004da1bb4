"""The click group of all three commands: bad input is one clear line and exit code 2."""

from __future__ import annotations

import sys
from typing import Any

import click

from wepdtof_pose.errors import InputError


class CommandGroup(click.Group):
    """A command group that shows an InputError as one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; an InputError ends the program with exit code 2."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"{ctx.info_name}: error: {error}", err=True)
            sys.exit(2)
