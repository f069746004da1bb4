"""The commands of a package in this process, and what is asked of the help of all of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

import click
from click.testing import CliRunner, Result


def runner(main: click.Command, *before: str) -> Callable[..., Result]:
    """Return a function that runs a command with such arguments, after those `before`.

    An exception that the command does not show as its own is one of the test.
    """

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(main, [*before, *map(str, arguments)])
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result

    return run


def require_helpful(package: str, *, heavy: Sequence[str]) -> None:
    """Require of every command a help with an example, for which no heavy module is imported.

    The list of commands has the whole first sentence of each.
    """
    code = (
        f"import sys, click.testing; from {package}.commands.main import main\n"
        "for name in ['', *main.commands]:\n"
        "    found = click.testing.CliRunner().invoke(main, [name, '--help'] if name else ['-h'])\n"
        "    assert found.exit_code == 0, found.output\n"
        "    assert not name or 'Example:' in found.output, found.output\n"
        "    assert name or '...' not in found.output.split('Commands:')[1], found.output\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
