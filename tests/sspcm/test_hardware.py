import ctypes
import os
import subprocess
import sys

import pytest

from sspcm.hardware import choose_hardware
from wepdtof_pose.errors import InputError

FAULTS = """
import resource, sys
import torch
from sspcm.hardware import choose_hardware
choose_hardware("cpu", "float32").keep_freed_memory()
for step in range(8):
    if step == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.ones(3 * 2**20) for _ in range(5)]
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(
    ("device", "precision"), [("cpu", "half"), ("cpu", "float16"), ("meta", "float32")]
)
def test_what_is_unknown_is_refused(device: str, precision: str) -> None:
    with pytest.raises(InputError, match=f"unknown .*'({device}|{precision})'"):
        choose_hardware(device, precision)


def faults(**told: str) -> int:
    """Page faults of five steps, each of which allocates and frees 60 MiB."""
    environment = {name: text for name, text in os.environ.items() if "MALLOC" not in name}
    environment.pop("GLIBC_TUNABLES", None)
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env=environment | told,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc"
)
def test_memory_is_kept_from_step_to_step_unless_the_environment_says_otherwise() -> None:
    assert faults() < 1000
    assert faults(MALLOC_TRIM_THRESHOLD_="131072") > 10_000
