import pytest
import torch

from sspcm.methods import build_method
from wepdtof_pose.errors import InputError


def seen_by_the_network(make_setting, student_batch, watch, options) -> torch.Tensor:
    method = build_method("supervised", make_setting(), options).train()
    passes = watch(method.network)
    method(student_batch())
    ((images, training, gradient),) = passes
    assert training
    assert gradient
    return images


def test_labelled_views_are_shown_as_they_are(make_setting, student_batch, watch) -> None:
    seen = seen_by_the_network(make_setting, student_batch, watch, {})
    assert torch.equal(seen, student_batch().labelled)


def test_some_views_of_other_cameras_have_other_textures(
    make_setting, student_batch, watch
) -> None:
    plain, some, each = (
        seen_by_the_network(
            make_setting, student_batch, watch, {"cameras": True, "textures": share}
        )
        for share in (0.0, 0.5, 1.0)
    )
    assert not torch.allclose(plain, student_batch().labelled)
    changed = [(seen != plain).flatten(1).any(dim=1) for seen in (some, each)]
    assert 0 < int(changed[0].sum()) < len(plain)
    assert changed[1].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": True, "textures": 1.5}, "textures must be from 0 to 1, not 1.5"),
        ({"cameras": True, "textures": -0.1}, "textures must be from 0 to 1, not -0.1"),
        ({"textures": 0.5}, "method.options.cameras shows: set that to true, too"),
    ],
)
def test_options_that_cannot_be(make_setting, options, message) -> None:
    with pytest.raises(InputError, match=message):
        build_method("supervised", make_setting(), options)
