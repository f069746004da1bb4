"""Processes that a command starts."""

import signal
import sys
from multiprocessing import get_context

import pytest

from wepdtof_pose.cores import unheard_interrupts


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
