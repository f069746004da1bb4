"""Semi-supervised pose training, evaluation and prediction (SSPCM, CVPR 2023).

>>> import sspcm
>>> from wepdtof_pose.annotations import sample_folder
>>> model = sspcm.load("ceiling-pose")
>>> poses = model(min(sample_folder().rglob("*.jpg")))
>>> poses.joint("head_top").shape == (len(poses), 3)
True
>>> for poses in model.predict_video("clip.mp4"):  # doctest: +SKIP
...     print(poses.frame, poses.tracks, poses.joint("head_top"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sspcm.api import adapt as adapt
    from sspcm.api import evaluate as evaluate
    from sspcm.api import train as train
    from sspcm.inference.poses import Poses as Poses
    from sspcm.model import Model as Model
    from sspcm.model import load as load
    from sspcm.ready.names import ready_networks as ready_networks

_PLACES = {
    "adapt": "sspcm.api",
    "evaluate": "sspcm.api",
    "train": "sspcm.api",
    "Model": "sspcm.model",
    "load": "sspcm.model",
    "Poses": "sspcm.inference.poses",
    "ready_networks": "sspcm.ready.names",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    # Torch is imported when it is first needed: --help stays quick.
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'sspcm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
