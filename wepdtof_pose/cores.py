"""Processes: how many cores there are for one, and how it ends, its workers with it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import parent_process, resource_tracker
from threading import Thread, current_thread, main_thread


class Terminated(KeyboardInterrupt):
    """SIGTERM, with which Slurm, Docker and systemd end a process: it ends as at Ctrl-C."""


def usable_cores() -> int:
    """Return how many cores this process may run on; all of the machine where that is unknown."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_with_parent() -> None:
    """End this process as soon as its parent is gone: killed, it cannot end its workers."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def orderly_end() -> Iterator[None]:
    """Raise `Terminated` at SIGTERM in the block, unless somebody else handles that signal.

    A second one does not disturb what is cleared up then, and is heard where the first was lost, as
    in `__del__`. Processes that torchrun started end at once: they wait for one another in compiled
    code, where no exception reaches them.
    """

    def end(*_: object) -> None:
        handled = sys.exc_info()[1]
        while handled is not None and not isinstance(handled, Terminated):
            handled = handled.__context__
        if handled is None:
            raise Terminated

    ours = current_thread() is main_thread() and os.environ.get("WORLD_SIZE", "1") == "1"
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def signals_after() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block has ended: what it does is done whole."""
    if current_thread() is not main_thread():
        yield  # signals raise nothing in other threads
        return
    came: list[int] = []
    try:
        # Each handler is put back, whatever another one raises at a signal that comes just then.
        with ExitStack() as handlers:
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not None:  # else it is handled outside of Python
                    before = signal.signal(number, lambda got, _: came.append(got))
                    handlers.callback(signal.signal, number, before)
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def unheard_interrupts() -> Iterator[None]:
    """Start processes in the block that Ctrl-C does not reach: their parent hears it and ends them.

    A terminal sends it to all of them, and each would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # or the first process would start it, which ends the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
