"""Processes that a command starts."""

import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from wepdtof_pose.cores import Terminated, orderly_end, signals_after, unheard_interrupts
from wepdtof_pose.files import replacing


def say_whether_deaf() -> None:
    sys.exit(int(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals")
@pytest.mark.parametrize("kind", ["spawn", "forkserver"])
def test_ctrl_c_does_not_reach_workers(kind: str) -> None:
    process = get_context(kind).Process(target=say_whether_deaf)
    with unheard_interrupts():
        process.start()
    process.join()
    assert process.exitcode == 1
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_sigterm_leaves_nothing_half_written(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    @orderly_end()
    def write() -> None:
        with replacing(tmp_path / "a.json") as part:
            part.write_text("half")
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)  # a second one
                try:
                    (tmp_path / "none").unlink()
                except OSError:
                    os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Terminated):
        write()
    assert not [entry for entry in tmp_path.iterdir() if entry.suffix != ".lock"]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sigterm_is_heard_where_the_first_was_lost() -> None:
    class Deaf:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with orderly_end():
        Deaf()
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_sigterm_is_left_to_whom_it_belongs(
    monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    """That is submitit, or whoever else handles it; torchrun ends its processes at once."""
    own = signal.SIG_IGN if processes == "1" else signal.SIG_DFL
    monkeypatch.setenv("WORLD_SIZE", processes)
    before = signal.signal(signal.SIGTERM, own)
    try:
        with orderly_end():
            assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.usefixtures("heard_interrupts")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_as_others_are_heard_again_leaves_none_unheard(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    set_handler = signal.signal

    def with_signal(of: int, handler: Any) -> Any:
        before = set_handler(of, handler)
        if of == number and handler is heard[number]:
            os.kill(os.getpid(), number)
        return before

    @orderly_end()
    def end() -> None:
        heard.update({one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)})
        monkeypatch.setattr(signal, "signal", with_signal)
        try:
            with signals_after():
                pass
        finally:
            monkeypatch.undo()
            after.update({one: signal.getsignal(one) for one in heard})

    heard: dict[int, Any] = {}
    after: dict[int, Any] = {}
    with pytest.raises(KeyboardInterrupt):
        end()
    assert after == heard
