"""Networks against the recorded reference: sizes, parameter names, outputs, BatchNorm buffers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sspcm.networks import build_network
from wepdtof_pose.files import read_json

JOINTS = 24
NAMES = {
    "res18": "resnet18",
    "res50": "resnet50",
    "res101": "resnet101",
    "res152": "resnet152",
    "hrnet_w32": "hrnet_w32",
    "hrnet_w48": "hrnet_w48",
}
# Absolute tolerance of train-mode outputs, which float32 itself limits.
TRAIN_TOLERANCE = {"res18": 1e-4, "res50": 1e-3, "hrnet_w32": 1e-3}


@pytest.fixture(scope="module")
def models(golden_dir: Path) -> dict[str, Any]:
    return read_json(golden_dir / "f11_models.json")


@pytest.fixture(scope="module")
def forward(golden_dir: Path) -> dict[str, np.ndarray]:
    with np.load(golden_dir / "f11_forward.npz") as content:
        return dict(content)


def formula_state(network: nn.Module, *, offset: int = 0) -> dict[str, torch.Tensor]:
    """The state whose entry i, element k is a hash of (i, k), as FIXTURES.md states it."""
    state = {}
    for entry, (name, value) in enumerate(network.state_dict().items()):
        noise = _hash(entry + offset, value.numel()).reshape(tuple(value.shape))
        if name.endswith("num_batches_tracked"):
            noise = np.zeros_like(noise)
        elif value.ndim == 4:
            noise = noise * np.sqrt(6 / np.prod(value.shape[1:]))
        elif name.endswith("running_var"):
            noise = 1 + noise
        elif name.endswith(".weight"):
            noise = 1 + 0.2 * noise
        else:
            noise = 0.2 * noise
        state[name] = torch.tensor(noise).to(value.dtype)
    return state


def _hash(entry: int, count: int) -> np.ndarray:
    # uint32 wraps around, which is the formula's "mod 2^32".
    h = np.arange(count, dtype=np.uint32)
    h *= np.uint32(2654435761)
    h += np.uint32((entry + 1) * 2246822519 % 2**32)
    for shift, factor in ((16, 2246822507), (13, 3266489909)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    h ^= h >> np.uint32(16)
    return h / 2**32 - 0.5


@pytest.mark.parametrize("name", NAMES)
def test_sizes_and_parameter_names(models: dict[str, Any], name: str) -> None:
    with torch.device("meta"):
        network = build_network(NAMES[name], JOINTS)
    recorded = models[name]
    assert sum(p.numel() for p in network.parameters()) == recorded["param_count"]
    state = network.state_dict()
    if "num_state_entries" in recorded:
        assert len(state) == recorded["num_state_entries"]
    if "state_dict" in recorded:
        # Dual and triple networks call PoseCons' final_layer final_layer_1.
        expected = [
            [key.replace("final_layer_1.", "final_layer."), shape]
            for key, shape in recorded["state_dict"]
        ]
        assert [[key, list(value.shape)] for key, value in state.items()] == expected


def test_three_networks_share_nothing(models: dict[str, Any]) -> None:
    with torch.device("meta"):
        networks = nn.ModuleList(build_network("resnet18", JOINTS) for _ in range(3))
    count = sum(p.numel() for p in networks.parameters())
    assert count == models["triple_res18"]["param_count"]


@pytest.mark.parametrize(
    "name", ["res18", "res50", pytest.param("hrnet_w32", marks=pytest.mark.slow)]
)
def test_outputs_and_buffers(forward: dict[str, np.ndarray], name: str) -> None:
    if f"{name}_x_int8" not in forward:
        pytest.skip(f"this recording has no {name}")
    network = build_network(NAMES[name], JOINTS)
    network.load_state_dict(formula_state(network))
    images = torch.tensor(forward[f"{name}_x_int8"]).float() / 32
    with torch.no_grad():
        found = network.eval()(images).numpy()
        expected = forward[f"{name}_y_eval"]
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
        found = network.train()(images).numpy()
    expected = forward[f"{name}_y_train"]
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=TRAIN_TOLERANCE[name])

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module, key in ((network.get_submodule("bn1"), "bn1"), (norms[-1], "last_bn")):
        for buffer in ("running_mean", "running_var"):
            if f"{name}_{key}_{buffer}_after" in forward:
                np.testing.assert_allclose(
                    getattr(module, buffer).numpy(),
                    forward[f"{name}_{key}_{buffer}_after"],
                    rtol=1e-5,
                    atol=1e-5,
                    err_msg=f"{key} {buffer}",
                )
    assert all(module.num_batches_tracked == 1 for module in norms)
