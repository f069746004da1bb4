"""A small YOLO data set on disk: two splits of one image each, one person with three joints."""

from pathlib import Path

import cv2
import numpy as np

NAMES = "kpt_names:\n  0: [nose, left_eye, right_eye]\n"
LINE = "0 0.5 0.5 0.25 0.5 0.1 0.2 2 0.3 0.4 1 0 0 0\n"
OTHER = LINE.replace("0.25", "0.2")
"""Another person."""
CLASSES = "train: images/train\nval: images/train\nkpt_shape: [3, 3]\n"


def write(
    folder: Path,
    *,
    text: str = f"train: images/train\nval: images/val\nkpt_shape: [3, 3]\n{NAMES}",
    labels: str | None = LINE,
) -> Path:
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        image = cv2.imencode(".png", np.zeros((80, 200, 3), dtype=np.uint8))[1]
        (folder / "images" / split / "a.png").write_bytes(image.tobytes())
    if labels is not None:
        (folder / "labels" / "train" / "a.txt").write_text(labels)
    (folder / "data.yaml").write_text(text)
    return folder
