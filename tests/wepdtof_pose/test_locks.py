import subprocess
import sys
import time
from pathlib import Path

import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import replacing_folder
from wepdtof_pose.locks import LockedError, exclusive, lock_of

HOLD = """
import sys, time
from pathlib import Path
from wepdtof_pose.locks import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
COUNT = """
import sys
from pathlib import Path
from wepdtof_pose.locks import exclusive
file = Path(sys.argv[1])
for _ in range(100):
    with exclusive(file, patience=60):
        file.write_text(str(int(file.read_text()) + 1))
"""


def hold(path: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_one_process_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "count"
    file.write_text("0")
    command = [sys.executable, "-c", COUNT, str(file)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert file.read_text() == "300"
    assert list(tmp_path.iterdir()) == [file]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = hold(out, 60)
    try:
        began = time.monotonic()
        with (
            pytest.raises(LockedError, match="another process is writing it"),
            replacing_folder(out),
        ):
            pass
        assert time.monotonic() - began < 5
    finally:
        process.kill()
        process.wait()


def test_a_second_process_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = hold(tmp_path / "out", 1)
    with exclusive(tmp_path / "out", waiting="waits"):
        assert capsys.readouterr().out == "waits\n"
    process.wait()
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    with exclusive(tmp_path / "out") as left:
        assert not left
    process = hold(tmp_path / "out", 60)
    process.kill()
    process.wait()
    assert lock_of(tmp_path / "out").exists()
    with exclusive(tmp_path / "out") as left:
        assert left
    assert not list(tmp_path.iterdir())


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    lock_of(tmp_path / "out").symlink_to(victim)
    with pytest.raises(ValueError, match="out: cannot be locked"), exclusive(tmp_path / "out"):
        pass
    assert victim.read_text() == "mine"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be made"), exclusive(tmp_path / "file" / "out"):
        pass


def test_a_place_without_a_name_is_locked_beside_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run")
    with exclusive(Path()):
        assert (tmp_path / ".run.lock").is_file()
    monkeypatch.chdir(tmp_path / "run" / "below")
    with exclusive(Path("..")):
        assert (tmp_path / ".run.lock").is_file()
    with pytest.raises(InputError, match="is the root of all folders"), exclusive(Path("/")):
        pass


def test_a_script_that_does_not_guard_its_calls_does_not_wait_for_itself(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import math
from multiprocessing import get_context
from pathlib import Path
from wepdtof_pose.locks import exclusive
with exclusive(Path({str(tmp_path / "out")!r}), patience=math.inf):
    process = get_context("spawn").Process(target=print)
    process.start()
    process.join()
    raise SystemExit(7 if process.exitcode == 1 else 0)
"""
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 7, done.stderr
    assert "another process is writing it" in done.stderr
