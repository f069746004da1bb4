"""Trained networks as a Python object: an image in, poses out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sspcm.choices import Decoding, Up
from sspcm.data.detection_forms import require_pixels, require_sides
from sspcm.data.detections import FrameBoxes, frame_boxes, plain
from sspcm.inference.chain import Finder, FoundBoxes, WholeFrames, poses_of_frames, require_boxes
from sspcm.inference.frames import Frame, FrameReader, Source, find_sources
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.open import open_networks
from sspcm.inference.poses import Poses
from sspcm.inference.predict import PredictionOptions
from sspcm.inference.refined import RefinedFinder
from sspcm.inference.tracks import numbered, smoothed
from sspcm.ready.names import finder_for, network_path
from wepdtof_pose.errors import InputError
from wepdtof_pose.images import read_image, turned, upper_bits
from wepdtof_pose.scores.frame_lookup import VIDEO_SUFFIXES

Image = str | Path | np.ndarray | Any
"""A path, an array (height, width, 3) uint8 BGR as OpenCV reads it, or an image of Pillow.

The EXIF orientation of a file, or of an image of Pillow, is applied: joints are places on the image
as it is shown.
"""


class Model:
    """A pose network, and the network that finds people for it.

    Attributes:
        networks: the pose network.
        finder: finds people in whole frames; None where each frame is one person.

    >>> import numpy as np, sspcm
    >>> model = sspcm.load("ceiling-pose")
    >>> poses = model(np.zeros((480, 640, 3), np.uint8), boxes=[[9, 9, 80, 90]])
    >>> poses.joint("neck").shape
    (1, 3)
    """

    def __init__(self, networks: TrainedNetworks, finder: Finder | None = None) -> None:
        self.networks = networks
        self.finder = finder
        self._folded = networks.folded()

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints that the network predicts."""
        return self.networks.keypoint_set.joints

    def __call__(
        self, image: Image, *, boxes: Any = None, threshold: float = 0.0, up: Up | None = None
    ) -> Poses:
        """Return the poses of the people on an image.

        Args:
            image: see `Image`.
            boxes: where the people are: an array (people, 4) of x, y, w, h, or (people, 5) of cx,
                cy, w, h, angle, or an object like `supervision.Detections` or the boxes of
                Ultralytics' results; tensors may be on any device. If None the finder says; without
                a finder the whole image is one person.
            threshold: boxes with a lower score are not used; a finder gives none below its own.
            up: what points up in turned crops; as the network was trained if None.

        Raises:
            InputError: the image, the boxes or the threshold cannot be used, or the network needs
                boxes.
        """
        _require_threshold(threshold)
        picture, name = _pixels(image)
        path = Path(name or "image")
        source = Source(path, path.name, "image", path.stem, frozenset())
        people = self._people(boxes, threshold, up)
        frames = [Frame(source, picture)]
        ((_, poses),) = poses_of_frames(self._folded, frames, people, up=up, keep_images=True)
        return poses

    def predict_video(
        self,
        path: str | Path,
        *,
        threshold: float = 0.0,
        track: bool = True,
        smooth: float = 0.0,
        up: Up | None = None,
        keep_images: bool = False,
    ) -> Iterator[Poses]:
        """Yield the poses on each frame of a video, in order; the same person has one number.

        Args:
            path: a video file.
            threshold: boxes with a lower score are not used; a finder gives none below its own.
            track: number people.
            smooth: standard deviation in seconds of the average over time along each track; 0 for
                none.
            up: what points up in turned crops; as the network was trained if None.
            keep_images: keep each frame's pixels with its poses, so that `poses.draw()` works.

        Raises:
            InputError: it cannot be read as a video, smoothing is negative or without tracking, or
                frames of it could not be decoded: then after the last of the others.
        """
        _require_threshold(threshold)
        PredictionOptions(track=track, smooth=smooth)  # refuses what does not go together
        if not isinstance(path, str | Path):
            raise InputError(f"a video must be a path, not {type(path).__name__}")
        sources = find_sources([Path(path)]).sources
        if len(sources) > 1:
            raise InputError(f"{path}: holds {len(sources)} images and videos: name one video")
        reader = FrameReader(sources[0])
        stream = poses_of_frames(
            self._folded, reader, self._people(None, threshold, up), up=up, keep_images=keep_images
        )
        if track:
            tracked = numbered(stream)
            if smooth:
                yield from (poses for _, poses in smoothed(tracked, smooth))
            else:
                yield from (poses for _, poses, _ in tracked)
        else:
            yield from (poses for _, poses in stream)
        if reader.problem:
            raise InputError(reader.problem)

    def _people(
        self, boxes: Any, threshold: float, up: Up | None
    ) -> _SameBoxes | FoundBoxes | WholeFrames:
        people: _SameBoxes | FoundBoxes | WholeFrames
        if boxes is not None:
            people = _SameBoxes(frame_boxes(boxes), threshold)
        elif self.finder is not None:
            finder = self.finder
            if isinstance(finder, RefinedFinder):
                finder = replace(finder, up=up)
            people = FoundBoxes(finder, threshold)
        else:
            people = WholeFrames()
        require_boxes(self.networks, people)
        return people


class _SameBoxes:
    """The same boxes on whatever frame; those outside it, or without sides, are left out."""

    def __init__(self, boxes: FrameBoxes, threshold: float) -> None:
        known = ~np.isnan(boxes.rotated).any(axis=1)
        sides = np.where(known[:, None], boxes.rotated[:, 2:4], boxes.boxes[:, 2:])
        if (sides < 0).any():
            raise InputError(
                "boxes have negative sides: give x, y, width, height, or cx, cy, width, height, "
                "angle (of a detector's xyxy, an object that has it as an attribute)"
            )
        require_pixels(boxes.boxes[~known], "boxes")
        self._boxes = boxes.select(boxes.scores >= threshold)

    def boxes(self, frame: Frame) -> FrameBoxes:
        height, width = frame.image.shape[:2]
        sizes = np.tile([width, height], (len(self._boxes), 1))
        require_sides(self._boxes.boxes, self._boxes.rotated, sizes, "boxes")
        return self._boxes.select(self._boxes.on_frame((width, height)))


def load(
    name: str | Path,
    *,
    finder: str | Path | Finder | None = None,
    refine: bool = True,
    network: str | None = None,
    checkpoint: str = "last",
    keypoints: str | None = None,
    decoding: Decoding | None = None,
    flip_test: bool | None = None,
    looks: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    allow_code: Collection[str] = (),
) -> Model:
    """Return trained networks, ready to predict.

    Args:
        name: a ready-trained network (`ceiling-pose`), a run folder, a checkpoint, a file of
            weights, or what `sspcm export` wrote.
        finder: finds people: a ready-trained network, a file, or an object with `find(images)`
            (see `sspcm.inference.chain.Finder`). If None, networks of turned crops get
            `ceiling-find` where that is there, and others get none.
        refine: correct the boxes that a network finds by a first look at the joints in them.
        network: one of the method's; the reported one if None.
        checkpoint: of a run folder, `last` or `best`.
        keypoints: name of the keypoint set, where nothing beside the weights says so.
        decoding: from heatmaps to coordinates: `shift`, `dark` or `none`; the run's if None.
        flip_test: average with the mirror image's heatmaps; as the run did if None.
        looks: crops in which each person is looked at, 1 or 3 (see `sspcm.heatmaps.looks`); as the
            run did if None, and 1 where a flip test is asked for or not.
        device: `auto`, `cpu`, `cuda`, `cuda:N`; the run's own if None.
        precision: `auto`, `float32`, `bfloat16`; if None the run's own, and float32 for a file of
            weights.
        allow_code: networks and methods `module:name` that a run folder may import; it may be
            somebody else's, and importing a module runs it.

    Raises:
        InputError: there are no such networks; the message lists the ready-trained ones.

    >>> import sspcm
    >>> sspcm.load("ceiling-poses")
    Traceback (most recent call last):
        ...
    wepdtof_pose.errors.InputError: ceiling-poses: no such run folder or checkpoint file, and no ...
    """
    networks = open_networks(
        network_path(name),
        checkpoint=checkpoint,
        keypoints=keypoints,
        device=device,
        precision=precision,
        allow_code=allow_code,
    )
    networks = networks.with_settings(decoding=decoding, flip_test=flip_test, looks=looks)
    networks = networks.only(network or networks.reported)
    if finder is None or isinstance(finder, str | Path):
        return Model(networks, finder_for(networks, finder, refine=refine))
    if isinstance(finder, type) or not callable(getattr(finder, "find", None)):
        raise InputError(
            f"a finder must be a name, a file or an object with find(images), not {finder!r}"
        )
    return Model(networks, finder)


def _require_threshold(threshold: float) -> None:
    if not isinstance(threshold, int | float | np.number) or np.isnan(threshold):
        raise InputError(f"the threshold of boxes must be a number, not {threshold!r}")


def _pixels(image: Image) -> tuple[np.ndarray, str | None]:
    """Return pixels (height, width, 3) uint8 BGR of an image, and its path if it is one."""
    if isinstance(image, str | Path):
        if Path(image).suffix.lower() in VIDEO_SUFFIXES and Path(image).is_file():
            raise InputError(f"{image}: is a video, not an image: predict_video(path) takes it")
        return read_image(Path(image)), str(image)
    if hasattr(image, "convert") and hasattr(image, "getbands"):
        if 0 in np.asarray(image.size):
            raise InputError(f"an image of Pillow has no pixels: its size is {image.size}")
        return _of_pillow(image), None
    pixels = np.asarray(plain(image))
    if pixels.dtype == np.uint8 and pixels.ndim == 2 and pixels.size:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), None
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        numbers = pixels.dtype.kind in "biuf" and not isinstance(image, (list, tuple))
        found = f"{pixels.dtype} of shape {pixels.shape}" if numbers else type(image).__name__
        raise InputError(
            f"an image must be a path, a Pillow image or an array (height, width, 3) of uint8 in "
            f"BGR, not {found}"
        )
    return pixels, None


def _of_pillow(image: Any) -> np.ndarray:
    """Return pixels (height, width, 3) uint8 BGR of an image of Pillow, as it is shown.

    Of 16 bits the upper 8 that it uses are kept, as of files: Pillow would cut off what is above
    255.
    """
    try:
        image.load()
    except Exception as error:  # Pillow raises a dozen types
        raise InputError(f"an image of Pillow cannot be read: {error}") from None
    if image.mode[0] in "IF":
        values = np.asarray(image)
        if values.dtype.kind == "f" or values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise InputError(
                f"a Pillow image of mode {image.mode!r} has values that are no 8 or 16 bits: "
                "convert it to 'L' or 'RGB'"
            )
        pixels = cv2.cvtColor(upper_bits(values.astype(np.uint16)), cv2.COLOR_GRAY2BGR)
    else:
        pixels = cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR)
    orientation = image.getexif().get(0x0112)  # read once it is loaded: Pillow turns TIFF then
    return turned(pixels, orientation) if orientation in range(2, 9) else pixels
