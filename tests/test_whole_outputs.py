"""Killed at random moments or raced, no command leaves an output that is neither whole nor absent.

`WHOLE_KILLS`, `WHOLE_RACES` and `WHOLE_SEED` set how many and which; `WHOLE_COMMANDS` names some
commands of `tests/support/whole_outputs.py`, separated by commas, in place of the quick ones.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "support" / "whole_outputs.py"
QUICK = "convert,convert over old,split,labels"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_kills_and_races(tmp_path: Path) -> None:
    kills, races = (os.environ.get(f"WHOLE_{name}", "4") for name in ("KILLS", "RACES"))
    named = os.environ.get("WHOLE_COMMANDS", QUICK)
    command = [sys.executable, str(PROGRAM), str(tmp_path / "campaign"), kills, races]
    command += [os.environ.get("WHOLE_SEED", "0"), *filter(None, named.split(","))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["problems"] == []
    assert (report["kills"], report["races"]) == (int(kills), int(races))
