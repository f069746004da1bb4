"""The command doctor."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wepdtof_pose.errors import echo

_MARKS = {"ok": "ok", "absent": "-", "problem": "PROBLEM"}


@click.command()
def doctor() -> None:
    """Say what works on this machine, and what to do about the rest.

    Looks at OpenCV's wheels, torch and its devices, disk, fonts, FiftyOne and its MongoDB (which
    is started for real). Exit code 1 where something is wrong; an extra that is not installed is
    not.

    \b
    Example:
      wepdtof-pose doctor
    """
    from wepdtof_pose.commands.checkup import check_up

    problems = 0
    for line in check_up(Path.cwd()):
        echo(f"{_MARKS[line.state]:8}{line.name:10}{line.text}")
        if line.remedy:
            echo(f"{'':18}-> {line.remedy}")
        problems += line.state == "problem"
    if problems:
        echo(f"{problems} problem{'s' if problems > 1 else ''}")
        sys.exit(1)
