"""Several processes: half the batch on each of two gives what one process makes of the whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sspcm.methods.method import MethodSetting
from sspcm.methods.supervised import Supervised
from sspcm.networks import build_network
from sspcm.training.distributed import Processes, distribute, require_identical
from wepdtof_pose.errors import InputError

SCRIPT = Path(__file__).with_name("distributed_steps.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


def steps(output, *, processes):
    launcher = TORCHRUN if processes == 2 else ()
    found = subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), str(output)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return torch.load(output, weights_only=True)


@pytest.mark.slow
def test_two_processes_with_half_the_batch_match_one_with_all(tmp_path):
    one = steps(tmp_path / "one.pt", processes=1)
    two = steps(tmp_path / "two.pt", processes=2)
    assert one.keys() == two.keys() >= {"supervised", "pose_cons", "pose_dual", "sspcm"}
    for method, state in one.items():
        for name, value in state.items():
            found = two[method][name]
            torch.testing.assert_close(found, value, atol=1e-5, rtol=1e-5, msg=f"{method}: {name}")


def test_shares_cover_everyone_once():
    for count in (1, 2, 3, 7):
        people = list(range(20))
        parts = [people[Processes(rank, count).share(20)] for rank in range(count)]
        assert [person for part in parts for person in part] == people


def small_method():
    def make_network(role):
        return build_network("resnet18", 14, width=8, deconv_channels=8)

    setting = MethodSetting(make_network, 14, torch.arange(14), (64, 64))
    return Supervised(setting, Supervised.Options())


def test_one_process_needs_no_wrapper_and_no_check():
    method = small_method()
    assert distribute(method, Processes(), synchronise_batchnorm=False) is method
    require_identical(method, Processes())


def test_synchronised_batchnorm_is_refused_on_the_cpu():
    with pytest.raises(InputError, match="needs CUDA"):
        distribute(small_method(), Processes(0, 2), synchronise_batchnorm=True)
