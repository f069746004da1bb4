"""Speed of the data pipeline on one core: ours, from a built store, against the plain loader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.frames import FISHEYE, PHOTOGRAPHS, FrameKind, make_frames
from benchmarks.speed.timing import interleaved, ratio
from sspcm.augment.views import EASY_VIEW, draw_views, region_to_crop
from sspcm.data.batches import BatchMaker
from sspcm.data.crop_places import CropPlaces, places_of
from sspcm.data.crop_store import CropStore, open_crop_stores, region_size
from sspcm.data.normalisation import IMAGENET_MEAN, IMAGENET_STD
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.geometry import crop_matrices
from wepdtof_pose.images import image_file, read_image

JPEG_QUALITY = 95


def measure_pipeline(
    crop_size: tuple[int, int], folder: Path, *, people: int, repeats: int
) -> list[dict[str, Any]]:
    """Return one record per kind of frames: people per second on one core, ratios, store cost.

    Args:
        crop_size: (width, height) of crops in pixels.
        folder: an empty folder for frames and stores.
        people: number to load per repetition.
        repeats: repetitions.
    """
    with one_thread():
        return [
            _measure(kind, crop_size, folder / str(number), people=people, repeats=repeats)
            for number, kind in enumerate((PHOTOGRAPHS, FISHEYE))
        ]


@contextmanager
def one_thread() -> Iterator[None]:
    """Make torch and OpenCV use only the calling thread within the block."""
    torch_threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv_threads)


def _measure(
    kind: FrameKind, crop_size: tuple[int, int], folder: Path, *, people: int, repeats: int
) -> dict[str, Any]:
    dataset = make_frames(kind, people, folder, random=np.random.default_rng(0))
    side = region_size(crop_size, largest_scale=1 + EASY_VIEW.scale)
    built = iter(range(repeats + 2))

    def build() -> CropStore:
        (store,) = open_crop_stores(
            dataset,
            crop_size=crop_size,
            window_size=(side, side),
            folder=folder / f"store-{next(built)}",
            workers=1,
        )
        return store

    store = build()
    loader = PlainLoader(dataset, crop_size, sigma=2.0)
    jpegs = [
        cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        for p in store.pixels[:]
    ]
    rows = np.random.default_rng(1).permutation(people)
    batches = np.array_split(rows, max(1, people // 16))
    maker = batch_maker(store, dataset)
    seconds = interleaved(
        {
            "plain": lambda: [loader.sample(row, np.random.default_rng(int(row))) for row in rows],
            "host": lambda: [_host(store, batch) for batch in batches],
            "ready": lambda: [_ready(maker, batch) for batch in batches],
            "jpeg": lambda: [cv2.imdecode(jpegs[row], cv2.IMREAD_COLOR) for row in rows],
            "decode frames": lambda: [
                read_image(image_file(dataset.root, name)) for name in dataset.frames["file_name"]
            ],
            "build": build,
        },
        repeats,
    )
    return {
        "frames": kind.name,
        "people": people,
        "crop_size": list(crop_size),
        "people_per_second": {
            name: people / median(seconds[name]) for name in ("plain", "host", "ready", "jpeg")
        },
        "host_ratio": ratio(seconds["plain"], seconds["host"]),
        "ready_ratio": ratio(seconds["plain"], seconds["ready"]),
        "build_over_plain_pass": ratio(seconds["build"], seconds["plain"]),
        "build_over_decoding": ratio(seconds["build"], seconds["decode frames"]),
        "bytes_per_person": {
            "store": side * side * 3,
            "jpeg": int(np.mean([len(jpeg) for jpeg in jpegs])),
        },
    }


def batch_maker(store: CropStore, dataset: PoseDataset) -> BatchMaker:
    """Return what makes batches of a store on the CPU."""
    return BatchMaker(
        store,
        strength=EASY_VIEW,
        sigma=2.0,
        flip_permutation=dataset.keypoint_set.flip_permutation,
        labelled_joints=np.ones(len(dataset.keypoint_set), bool),
        device=torch.device("cpu"),
        bgr=False,
        memory_format=torch.channels_last,
    )


def _host(store: CropStore, rows: np.ndarray) -> torch.Tensor:
    """Do the host's part if a GPU does the rest: read regions and draw views."""
    side = store.window_size[0]
    pixels = torch.empty(len(rows), side, side, 3, dtype=torch.uint8)
    store.read_into(rows, pixels.numpy())
    draw = draw_views(len(rows), EASY_VIEW, generator=torch.Generator().manual_seed(0))
    region_to_crop(draw, side, store.crop_size)
    return pixels


def _ready(maker: BatchMaker, rows: np.ndarray) -> object:
    """Return finished tensors and targets for a network on the CPU."""
    return maker.finish(maker.read(rows, None, torch.Generator().manual_seed(0)))


class PlainLoader:
    """Augmented samples of a data set, one person at a time, with the published code's work.

    For every person it decodes the whole frame, warps the crop from it, draws the target maps joint
    by joint, and normalises: a straightforward version with OpenCV and NumPy.
    """

    def __init__(self, dataset: PoseDataset, crop_size: tuple[int, int], *, sigma: float) -> None:
        self._dataset = dataset
        self._paths = [image_file(dataset.root, name) for name in dataset.frames["file_name"]]
        self._frames = dataset.frame_rows
        self._places: CropPlaces = places_of(dataset, crop_size)
        self._crop_size = crop_size
        self._sigma = sigma

    def sample(self, person: int, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return a normalised crop (3, H, W), target maps (J, H/4, W/4) and joint weights (J,)."""
        image = cv2.cvtColor(read_image(self._paths[self._frames[person]]), cv2.COLOR_BGR2RGB)
        zoom = float(np.clip(1 + 0.25 * random.standard_normal(), 0.75, 1.25))
        turn = float(np.clip(30 * random.standard_normal(), -60, 60)) * (random.random() < 0.6)
        matrix = crop_matrices(
            self._places.center[person : person + 1],
            self._places.scale[person : person + 1] * zoom,
            np.array([turn]),
            self._crop_size,
        )[0]
        crop = cv2.warpAffine(image, matrix, self._crop_size, flags=cv2.INTER_LINEAR)
        joints = self._dataset.keypoints[person]
        moved = joints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        target, weight = self._targets(moved, joints[:, 2] > 0)
        levels = torch.from_numpy(crop.transpose(2, 0, 1)).float().div(255)
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        pixels = (levels - mean[:, None, None]) / std[:, None, None]
        return pixels, torch.from_numpy(target), torch.from_numpy(weight)

    def _targets(self, joints: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width, height = self._crop_size[0] // 4, self._crop_size[1] // 4
        reach = int(3 * self._sigma)
        target = np.zeros((len(joints), height, width), np.float32)
        weight = visible.astype(np.float32)
        offsets = np.arange(2 * reach + 1) - reach
        bell = np.exp(-(offsets[None] ** 2 + offsets[:, None] ** 2) / (2 * self._sigma**2))
        for joint, (x, y) in enumerate(joints):
            column, row = int(x / 4 + 0.5), int(y / 4 + 0.5)
            left, right = max(0, column - reach), min(width, column + reach + 1)
            top, bottom = max(0, row - reach), min(height, row + reach + 1)
            if left >= right or top >= bottom:
                weight[joint] = 0
            elif weight[joint] > 0.5:
                target[joint, top:bottom, left:right] = bell[
                    top - row + reach : bottom - row + reach,
                    left - column + reach : right - column + reach,
                ]
        return target, weight
