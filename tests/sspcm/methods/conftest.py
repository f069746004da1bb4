"""A network of four layers, settings and batches small enough for exact questions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sspcm.augment.views import EASY_VIEW, HARD_VIEW, ViewStrength
from sspcm.data.batches import Batch, BatchMaker, Pool, PoolView
from sspcm.data.crop_places import CropPlaces
from sspcm.data.crop_store import CropStore
from sspcm.methods.method import MethodSetting

JOINTS, CROP, PEOPLE = 3, (32, 64), 4
STORED_TO_CROP = torch.tensor([[1.0, 0, -16], [0, 1, 0]]).double()
STILL = ViewStrength(scale=0.0, rotation=0.0, rotation_probability=0.0, flip_probability=0.0)


def tiny_network(role: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(ord(role))
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, JOINTS, 3, 2, 1),
        )


class Spot(nn.Module):
    """Maps with one peak at (column, row) whatever the image, and a weight to train."""

    def __init__(self, column: int, row: int) -> None:
        super().__init__()
        maps = torch.zeros(1, JOINTS, CROP[1] // 4, CROP[0] // 4)
        maps[:, :, row, column] = 1
        self.register_buffer("maps", maps)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.weight * self.maps.expand(len(images), -1, -1, -1)


@pytest.fixture
def spot():
    return Spot


@pytest.fixture
def make_setting():
    def make(make_network=tiny_network, *, still=False, **changes):
        values = {
            "joints": JOINTS,
            "labelled_joints": torch.arange(JOINTS),
            "crop_size": CROP,
            "hard_view": STILL if still else HARD_VIEW,
        }
        return MethodSetting(make_network=make_network, **(values | changes))

    return make


@pytest.fixture
def make_batch():
    def make(seed=0, **changes):
        random = torch.Generator().manual_seed(seed)
        width, height = CROP
        maps = (PEOPLE, JOINTS, height // 4, width // 4)
        values = {
            "labelled": torch.randn(PEOPLE, 3, height, width, generator=random),
            "target": torch.rand(maps, generator=random),
            "target_weight": torch.ones(PEOPLE, JOINTS),
            "unlabelled": torch.randn(PEOPLE, 3, height, width, generator=random),
            "unlabelled_weight": torch.ones(PEOPLE, JOINTS),
            "generator": torch.Generator().manual_seed(seed),
        }
        return Batch(**(values | changes))

    return make


@pytest.fixture
def batches_of():
    """What makes batches of people whose stored pixels (PEOPLE, S, S, 3) are given."""

    def make(pixels, *, device="cpu", bgr=False):
        store = CropStore(
            pixels=pixels,
            keypoints=np.full((PEOPLE, JOINTS, 3), 2, np.float32),
            places=CropPlaces(
                center=np.zeros((PEOPLE, 2), np.float32),
                scale=np.ones((PEOPLE, 2), np.float32),
                rotation=np.zeros(PEOPLE),
            ),
            crop_size=CROP,
        )
        return BatchMaker(
            store,
            strength=EASY_VIEW,
            sigma=2.0,
            flip_permutation=np.arange(JOINTS),
            labelled_joints=np.ones(JOINTS, bool),
            device=torch.device(device),
            bgr=bgr,
            memory_format=torch.channels_last,
        )

    return make


@pytest.fixture
def watch():
    """Records of a network's passes: (input, training, gradient)."""

    def start(network):
        passes = []

        def record(module, arguments):
            passes.append((arguments[0].detach().clone(), module.training, torch.is_grad_enabled()))

        network.register_forward_pre_hook(record)
        return passes

    return start


@pytest.fixture
def gradients():
    def of(loss, network):
        return torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)

    return of


@pytest.fixture
def pool():
    """Five of seven training people; each has a random upright crop of its own."""

    def views(rows, draw):
        images = [
            torch.randn(3, CROP[1], CROP[0], generator=torch.Generator().manual_seed(int(row)))
            for row in rows
        ]
        return torch.stack(images), STORED_TO_CROP.expand(len(rows), 2, 3)

    return Pool(rows=np.array([1, 2, 4, 5, 6]), people=7, batch_size=3, views=views)


@pytest.fixture
def student_batch(make_batch):
    """A batch that says which people of the pool its unlabelled images show."""

    def make(seed=0):
        rows = torch.tensor([1, 6, 2, 2])
        still, same = torch.zeros(PEOPLE, dtype=torch.bool), STORED_TO_CROP.expand(PEOPLE, 2, 3)
        batch = make_batch(seed)
        view = PoolView(
            rows,
            same,
            still,
            same,
            through=lambda matrices: batch.unlabelled,
            redraw=lambda generator: (same, still),
        )
        return replace(batch, pool_view=view)

    return make
