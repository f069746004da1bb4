"""What doctor says of this machine, and of one where something is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wepdtof_pose.browse import start
from wepdtof_pose.commands import doctor


def run(*, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FIFTYONE_")}
    code = "from wepdtof_pose.commands.main import main; main(['doctor'], prog_name='wepdtof-pose')"
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=cwd,
        env={**inherited, **env},
    )


def line_of(output: str, name: str) -> str:
    """The line about a thing, its mark first."""
    (line,) = [line for line in output.splitlines() if line[8:18].strip() == name]
    return line


@pytest.mark.fiftyone
def test_everything_works_here(tmp_path: Path) -> None:
    done = run(cwd=tmp_path, FIFTYONE_DATABASE_DIR=str(tmp_path / "db"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "computes on cpu" in line_of(done.stdout, "torch")
    assert line_of(done.stdout, "mongodb").startswith("ok")
    assert "answers, started by FiftyOne" in line_of(done.stdout, "mongodb")
    assert "->" not in done.stdout


def test_two_opencv_wheels_are_a_problem(tmp_path: Path) -> None:
    record = tmp_path / "opencv_python-4.10.0.84.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: opencv-python\nVersion: 4.10.0.84\n"
    )
    done = run(cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    line = line_of(done.stdout, "opencv")
    assert line.startswith("PROBLEM")
    assert "opencv-python 4.10.0.84" in line
    assert "overwrite one another" in line
    remedy = done.stdout.splitlines()[done.stdout.splitlines().index(line) + 1]
    assert "pip uninstall -y opencv-python opencv-python-headless" in remedy


def test_a_torch_that_does_not_import(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so: not found')\n")
    done = run(cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "does not import: ImportError: libcudart.so" in line_of(done.stdout, "torch")


def test_programs_that_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\nexec sleep 20\n")
    program.chmod(0o755)
    monkeypatch.setattr(start, "_LONGEST", 0.1)
    with pytest.raises(OSError, match=r"no answer in 0\.1 s"):
        start.mongod_version(program)
    monkeypatch.setattr(doctor, "_LONGEST", 0.001)
    assert "no answer" in doctor.check_opencv().text


@pytest.mark.fiftyone
def test_a_mongodb_that_does_not_answer(tmp_path: Path) -> None:
    address = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=500"
    done = run(cwd=tmp_path, FIFTYONE_DATABASE_URI=address)
    assert done.returncode == 1
    assert line_of(done.stdout, "mongodb").startswith("PROBLEM")
    assert "does not answer" in line_of(done.stdout, "mongodb")
    assert "doctor" not in done.stdout


def test_a_mongodb_that_starts_slowly_is_tried_again() -> None:
    message = "fiftyone.core.service.DatabaseService failed to bind to port"
    assert "try again when the machine is less busy" in start.remedy_of(message)
