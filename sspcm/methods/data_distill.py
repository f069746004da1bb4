"""Data Distillation: pseudo-labels averaged over transformed views (Radosavovic et al., CVPR 2018).

The baseline of that name in Xie et al., ICCV 2021: one network's maps of many views of a person
make one better label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from sspcm.methods.method import MethodSetting
from sspcm.methods.offline_labels import UPRIGHT, Transform
from sspcm.methods.pseudo_pose import PseudoPose
from wepdtof_pose.errors import InputError


class DataDistill(PseudoPose):
    """PseudoPose whose teacher labels each person from the mean of its maps over many views.

    Every view (mirrored or not, at every scale and rotation) is cut from the stored pixels; its
    maps are warped back into the upright crop and averaged there. Training, schedule and the table
    of passes are those of PseudoPose; the pass over the pool runs once for each view.
    """

    @dataclass(frozen=True)
    class Options(PseudoPose.Options):
        """Options: those of PseudoPose, and the views.

        Attributes:
            flip: also mirrored views.
            scales: zoom of the views, above 1 zooms out.
            rotations: degrees; all combinations are used, and the upright crop always is.
        """

        flip: bool = True
        scales: tuple[float, ...] = (0.75, 1.0, 1.25)
        rotations: tuple[float, ...] = (-30.0, 0.0, 30.0)

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.scales or not self.rotations:
                raise InputError(
                    "method.options.scales and method.options.rotations need at least one value"
                )
            if min(self.scales) <= 0:
                raise InputError(f"method.options.scales must be above 0: {self.scales}")

        @property
        def transforms(self) -> Sequence[Transform]:
            """The upright crop, then all other views."""
            flips = (False, True) if self.flip else (False,)
            views = [Transform(*view) for view in product(flips, self.scales, self.rotations)]
            return (UPRIGHT, *(view for view in views if view != UPRIGHT))

    def __init__(self, setting: MethodSetting, options: Options) -> None:
        if max(options.scales) > setting.largest_scale:
            raise InputError(
                f"method.options.scales go up to {max(options.scales)}, but pixels are kept for "
                f"scales up to 1 + easy_view.scale = {setting.largest_scale} only"
            )
        super().__init__(setting, options)
