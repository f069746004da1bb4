"""Five optimisation steps of each method on this process's share of fixed batches (see the test).

Started alone or by torchrun: `distributed_steps.py OUTPUT`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspcm.augment.views import ViewStrength
from sspcm.data.batches import Batch
from sspcm.methods import build_method
from sspcm.methods.method import MethodSetting
from sspcm.networks import build_network
from sspcm.training.distributed import (
    Processes,
    distribute,
    joined_processes,
    require_identical,
    synchronise_buffers,
)

JOINTS, PEOPLE, STEPS = 14, 8, 5
# Options without random draws: a process could not repeat those of the whole batch.
CASES = {
    "supervised": {},
    "pose_cons": {"augmentation": "affine"},
    "pose_dual": {"augmentation": "affine"},
    "sspcm": {"patches": 0, "score_threshold": -1.0},
    "pseudo_pose": {},
}
STILL = ViewStrength(scale=0.0, rotation=0.0, rotation_probability=0.0, flip_probability=0.0)


class FrozenBatchNorm(nn.BatchNorm2d):
    """BatchNorm by its running statistics in every mode: people of a batch do not meet."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


def make_network(role: str) -> nn.Module:
    generator = torch.Generator().manual_seed(ord(role))
    network = build_network("resnet18", JOINTS, width=8, deconv_channels=8, generator=generator)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = FrozenBatchNorm
    return network


def take_steps(name: str, options: dict[str, object], processes: Processes) -> dict[str, Tensor]:
    setting = MethodSetting(
        make_network=make_network,
        joints=JOINTS,
        labelled_joints=torch.arange(JOINTS),
        crop_size=(64, 64),
        hard_view=STILL,
        epochs=100,
    )
    method = build_method(name, setting, options).train()
    stepped = distribute(method, processes, synchronise_batchnorm=False)
    # Plain gradient descent: Adam would turn rounding into steps of full size.
    optimiser = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=1.0)
    share = processes.share(PEOPLE)
    for step in range(STEPS):
        random = torch.Generator().manual_seed(step)
        batch = Batch(
            labelled=torch.randn(PEOPLE, 3, 64, 64, generator=random)[share],
            target=torch.rand(PEOPLE, JOINTS, 16, 16, generator=random)[share],
            target_weight=torch.ones(PEOPLE, JOINTS)[share],
            unlabelled=torch.randn(PEOPLE, 3, 64, 64, generator=random)[share],
            unlabelled_weight=torch.ones(PEOPLE, JOINTS)[share],
            generator=torch.Generator().manual_seed(step),
        )
        optimiser.zero_grad()
        sum(stepped(batch).values()).backward()
        optimiser.step()
        if step == 1:
            synchronise_buffers(method, processes)
            method.end_epoch()
            require_identical(method, processes)
    require_identical(method, processes)
    return {name: value for name, value in method.state_dict().items() if torch.is_tensor(value)}


def main() -> None:
    torch.set_num_threads(1)
    with joined_processes("cpu") as processes:
        states = {name: take_steps(name, options, processes) for name, options in CASES.items()}
        if processes.writes:
            torch.save(states, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
