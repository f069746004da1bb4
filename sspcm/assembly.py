"""The parts of a run that its configuration and sets decide: method, crop stores, batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from sspcm.augment.views import largest_shift
from sspcm.choices import Looks
from sspcm.config import TrainConfig
from sspcm.data.batches import BatchMaker
from sspcm.data.crop_places import CropPlaces, places_of
from sspcm.data.crop_store import CropStore, cache_folder, open_crop_stores, region_size
from sspcm.data.sets import TrainingSets
from sspcm.hardware import Hardware
from sspcm.heatmaps.looks import LOOKS
from sspcm.methods import build_method
from sspcm.methods.method import Method, MethodSetting
from sspcm.networks.roles import network_maker
from sspcm.runs.records import AboutNetworks, about_content
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.keypoints import KeypointSet


def make_method(config: TrainConfig, sets: TrainingSets) -> Method:
    """Return the method of a configuration, its networks initialised from seed and role."""
    return method_of(
        config,
        sets.train.keypoint_set,
        labelled=np.flatnonzero(labelled_joints(sets)),
        people=len(sets.labelled),
    )


def method_of(
    config: TrainConfig,
    keypoint_set: KeypointSet,
    *,
    labelled: np.ndarray,
    people: int = 0,
    pretrained: bool = True,
) -> Method:
    """Return the method of a configuration with networks for these joints.

    `labelled` are the numbers of the joints that the labelled people have, `people` how many these
    are. Without `pretrained` the weights are fresh.
    """
    joints = len(keypoint_set)
    setting = MethodSetting(
        make_network=network_maker(
            config, joints, names=keypoint_set.joints, pretrained=pretrained
        ),
        joints=joints,
        largest_scale=1 + config.easy_view.scale,
        labelled_joints=torch.from_numpy(labelled),
        crop_size=config.data.crop_size,
        hard_view=config.hard_view,
        released=config.released,
        epochs=config.optimisation.epochs,
        burn_in_epochs=config.optimisation.burn_in_epochs,
        sigma=config.sigma,
        flip_permutation=torch.from_numpy(keypoint_set.flip_permutation),
        labelled_people=people,
    )
    return build_method(config.method.name, setting, config.method.options)


def about_networks(config: TrainConfig, sets: TrainingSets, method: Method) -> dict[str, Any]:
    """Return what a checkpoint says of its networks, to be used without its run folder."""
    about = AboutNetworks(
        keypoint_set=sets.train.keypoint_set,
        crop_size=config.data.crop_size,
        bgr=config.released,
        upright=config.data.upright,
        up=config.data.up,
        sigma=config.sigma,
        decoding=config.evaluation.decoding,
        flip_test=config.evaluation.flip_test,
        looks=cast(Looks, config.evaluation.looks),
        method=config.method.name,
        recipe=config.method.recipe,
        roles=dict(method.roles),
        reported=method.reported,
    )
    return about_content(about)


def labelled_joints(sets: TrainingSets) -> np.ndarray:
    """Return which joints (joints,) the labelled data set has, as published, not its union.

    A joint that none of the labelled people has still learns from the pool's consistency.
    """
    return np.isin(sets.train.keypoint_set.joints, sets.vocabulary)


def open_stores(config: TrainConfig, sets: TrainingSets) -> tuple[CropStore, list[CropStore]]:
    """Return a store of the training people, with room for every view, and those of the tested.

    Of these there is one of exact crops for each look (`evaluation.looks`), and none for nobody.
    """
    side = region_size(
        config.data.crop_size,
        largest_scale=1 + config.easy_view.scale,
        largest_shift=largest_shift(config.easy_view),
    )
    tested = sets.test.select_people(sets.tested)
    looks = LOOKS[config.evaluation.looks] if len(tested) else ()
    (store,) = crops_in_run(config, sets.train, window=(side, side))
    return store, crops_in_run(config, tested, sizes=[look.size for look in looks])


def crops_in_run(
    config: TrainConfig,
    people: PoseDataset,
    *,
    window: tuple[int, int] | None = None,
    sizes: Sequence[float] = (1.0,),
) -> list[CropStore]:
    """Return stores of people in a run's cache: windows of this size, or exact crops, one store for
    each of their sizes."""
    return open_crop_stores(
        people,
        crop_size=config.data.crop_size,
        window_size=window or config.data.crop_size,
        folder=cache_folder(config.data.cache),
        upright=config.data.upright,
        up=config.data.up,
        released=config.released,
        sizes=sizes,
    )


def places_in_run(config: TrainConfig, people: PoseDataset) -> CropPlaces:
    """Return the places of people's crops, as a run cuts them."""
    return places_of(
        people,
        config.data.crop_size,
        upright=config.data.upright,
        up=config.data.up,
        released=config.released,
    )


def make_batch_maker(
    config: TrainConfig, sets: TrainingSets, store: CropStore, hardware: Hardware
) -> BatchMaker:
    """Return what makes the batches of a run."""
    return BatchMaker(
        store,
        strength=config.easy_view,
        sigma=config.sigma,
        flip_permutation=sets.train.keypoint_set.flip_permutation,
        labelled_joints=labelled_joints(sets),
        device=hardware.device,
        exact_targets=not config.released,
        bgr=config.released,
        memory_format=hardware.memory_format,
    )
