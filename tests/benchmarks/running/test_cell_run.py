"""The lock of a cell, and what a killed one leaves."""

import errno
import fcntl
import multiprocessing
import os
import threading
import time

import pytest

from benchmarks.running.cell_run import LockedError, lock, remove_partial_files
from wepdtof_pose.errors import InputError


def hold(path, held, release):
    with lock(path):
        held.set()
        release.wait()


def test_a_lock_is_held_by_one_process_and_ends_with_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / "lock", held, release))
    process.start()
    assert held.wait(30)
    with pytest.raises(LockedError), lock(tmp_path / "lock", patience=0.2):
        pass
    process.kill()
    process.join()
    with lock(tmp_path / "lock", patience=5):
        pass


def wait_for(path):
    with lock(path, waiting="waiting for somebody"):
        pass


def test_who_waits_for_a_lock_says_so(tmp_path, capfd):
    with lock(tmp_path / "lock"):
        thread = threading.Thread(target=wait_for, args=(tmp_path / "lock",))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(30)
    assert not thread.is_alive()
    assert capfd.readouterr().out == "waiting for somebody\n"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_not_somebody_who_holds_one(tmp_path, monkeypatch, number):
    def refuse(stream, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match="cannot be locked"), lock(tmp_path / "lock"):
        pass


def test_half_written_files_are_removed_and_young_ones_spared(tmp_path):
    old, young = tmp_path / ".a.npy.x.part", tmp_path / "sub" / ".b.npy.y.part"
    young.parent.mkdir()
    for path in (old, young, tmp_path / "c.part"):
        path.write_text("half")
    os.utime(old, (time.time() - 100, time.time() - 100))
    remove_partial_files(tmp_path, older_than=50)
    assert (old.exists(), young.exists()) == (False, True)
    remove_partial_files(tmp_path)
    assert not young.exists()
    assert (tmp_path / "c.part").exists()
