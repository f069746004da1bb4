"""What people are measured by."""

from collections.abc import Callable

import numpy as np

from wepdtof_pose.scores.people import people_scores
from wepdtof_pose.scores.predictions import predictions_of_people


def test_pck_measures_by_the_box_as_it_is_annotated(make_dataset: Callable) -> None:
    """A person half outside the frame is as large as the whole box: a clipped one is stricter."""
    areas = {"area": [1000.0], "h": [64.0], "y": [20.0]}
    whole = make_dataset((1,), x=[-36.0], w=[100.0], **areas)
    clipped = make_dataset((1,), x=[0.0], w=[64.0], **areas)
    poses = whole.keypoints + np.float32([14.0, 0, 0])
    of_whole, of_clipped = (
        people_scores(dataset, predictions_of_people(dataset, poses))
        for dataset in (whole, clipped)
    )
    assert (of_whole.sizes.tolist(), of_clipped.sizes.tolist()) == ([80.0], [64.0])
    assert of_whole.oks.tolist() == of_clipped.oks.tolist()
    labelled = of_whole.labelled[0]
    assert of_whole.right(0.2)[0, labelled].all()
    assert not of_clipped.right(0.2)[0, labelled].any()
