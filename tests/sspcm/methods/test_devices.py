"""Training steps on another device: nothing is mixed up, and the host never waits for the device.

A copy that is not `non_blocking`, or a value that the host asks for, makes the host wait until the
device has done all that it was given, and the device then waits for the host's next order.
"""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from sspcm.data.batches import Batch, BatchMaker
from sspcm.hardware import without_autocast
from sspcm.methods import METHODS
from sspcm.methods.method import Method, MethodSetting
from sspcm.methods.offline_labels import OfflineLabels
from sspcm.methods.pseudo_pose import PseudoPose

PEOPLE, JOINTS, CROP, SIDE = 4, 3, (32, 64), 120

CASES = [
    *((name, {}, False) for name in METHODS),
    *((name, {}, True) for name in ("pose_cons", "pose_dual", "sspcm", "multi_augs")),
    ("pose_cons", {"augmentation": "affine"}, False),
    ("pose_dual", {"augmentation": "rand_augment"}, False),
    ("sspcm", {"position_threshold": 0.3, "score_reweighting": True}, False),
    ("multi_augs", {"views": ("jc", "jo", "co", "mu", "cm", "ra")}, False),
    ("supervised", {"cameras": True, "textures": 0.5}, False),
    ("sspcm_ema", {"cameras": True, "exchange": 0.5, "own_statistics": True}, False),
    ("sspcm_ema", {"redraw": False, "zoom": 0.8}, False),
]


def every_case(test):
    return pytest.mark.parametrize(
        ("name", "options", "released"),
        CASES,
        ids=[
            " ".join([name, *options, *(["released"] if released else [])])
            for name, options, released in CASES
        ],
    )(test)


class NeverWaits(TorchDispatchMode):
    """Refuses copies between devices for which the host would wait.

    What it cannot see are numbers that are assigned, `t[1, 1] = 5`: torch copies them on a GPU.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func is torch.ops.aten._to_copy.default:
            assert kwargs.get("non_blocking") or args[0].device == result.device, "blocking copy"
        elif func is torch.ops.aten.copy_.default:
            non_blocking = kwargs.get("non_blocking") or any(args[2:])
            assert non_blocking or args[0].device == args[1].device, "blocking copy"
        elif func in (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default):
            places = {index.device for index in args[1] if index is not None}
            assert places == {args[0].device}, "indices on another device"
        return result


class Network(nn.Sequential):
    """A small network that stays in float32 under autocast."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, JOINTS, 3, 2, 1)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with without_autocast(images.device):
            return super().forward(images)


def network(role: str) -> nn.Module:
    return Network()


def step_of(
    name: str,
    options: dict[str, object],
    batches_of: Callable[..., BatchMaker],
    *,
    device: torch.device,
    released: bool,
) -> Callable[[], dict[str, torch.Tensor]]:
    """The losses of a step from raw pixels on, past the first epoch."""
    setting = MethodSetting(
        make_network=network,
        joints=JOINTS,
        labelled_joints=torch.arange(JOINTS),
        crop_size=CROP,
        released=released,
    )
    cls = METHODS[name]
    method: Method = cls(setting, cls.Options(**options)).to(device).train()
    if isinstance(method, PseudoPose):
        method.labels = OfflineLabels(
            torch.full((PEOPLE, JOINTS, 2), 60.0), torch.ones(PEOPLE, JOINTS)
        )
        method.epochs_done = method.teacher_epochs
    else:
        method.end_epoch()
        method.end_epoch()
    noise = np.random.default_rng(0).integers(256, size=(PEOPLE * SIDE, SIDE, 3), dtype=np.uint8)
    pixels = cv2.GaussianBlur(noise, (0, 0), 4).reshape(PEOPLE, SIDE, SIDE, 3)
    batches = batches_of(pixels, device=device, bgr=released)
    # A CPU too then warps pixels as floating point numbers, as a GPU does, not as whole levels.
    batches._host_warps = False
    rows = np.arange(PEOPLE)

    def step() -> dict[str, torch.Tensor]:
        batch: Batch = batches.finish(
            batches.read(rows, rows[::-1].copy(), torch.Generator().manual_seed(0))
        )
        losses = method(batch)
        sum(losses.values(), start=torch.zeros((), device=device)).backward()
        return losses | method.statistics

    return step


@every_case
def test_a_step_moves_what_it_needs_and_never_waits(name, options, released, batches_of):
    """On the device without memory that torch has: shapes and devices as on a GPU, no values."""
    step = step_of(name, options, batches_of, device=torch.device("meta"), released=released)
    with NeverWaits():
        found = step()
    assert {value.device.type for value in found.values()} == {"meta"}


@every_case
def test_in_bfloat16_only_networks_are_coarser(name, options, released, batches_of):
    """Pixels, positions and targets of a step are float32 under autocast."""
    values = []
    for coarse in (False, True):
        torch.manual_seed(0)
        step = step_of(name, options, batches_of, device=torch.device("cpu"), released=released)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=coarse):
            values.append({key: float(value.detach()) for key, value in step().items()})
    assert values[1] == values[0]


@pytest.mark.gpu
@every_case
def test_a_step_on_a_gpu_never_waits_and_gives_what_a_cpu_gives(
    name, options, released, batches_of
):
    values = []
    for device in (torch.device("cpu"), torch.device("cuda", 0)):
        torch.manual_seed(0)
        step = step_of(name, options, batches_of, device=device, released=released)
        if device.type == "cuda":
            step()  # the first step may set up libraries
            torch.manual_seed(0)
            step = step_of(name, options, batches_of, device=device, released=released)
            torch.cuda.synchronize()
            torch.cuda.set_sync_debug_mode("error")
        try:
            found = step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        values.append({key: float(value.detach()) for key, value in found.items()})
    on_cpu, on_gpu = values
    assert on_gpu.keys() == on_cpu.keys()
    for key in {"supervised", "consistency", "pseudo"} & on_cpu.keys():
        assert on_gpu[key] == pytest.approx(on_cpu[key], rel=0.01), key
