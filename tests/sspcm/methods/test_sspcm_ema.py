from dataclasses import replace

import numpy as np
import pytest
import torch

from sspcm.assembly import make_method
from sspcm.config_io import load_config
from sspcm.data.normalisation import denormalise
from sspcm.data.sets import make_sets
from sspcm.heatmaps.decoding import argmax_positions
from sspcm.heatmaps.targets import gaussian_targets, heatmap_mse
from sspcm.methods import build_method
from sspcm.methods.sspcm_ema import SspcmEma
from wepdtof_pose.errors import InputError

PLAIN = {"mirror": False, "zoom": 0.0, "operations": 0, "patches": 0, "peak_quantile": 0.0}


def spots(spot, make_setting, places, **options):
    """The method with spots at (column, row) for A, E and L; the view stands still."""
    method = build_method(
        "sspcm_ema", make_setting(lambda role: spot(2, 5), still=True), PLAIN | options
    )
    for network, (column, row) in zip(
        (method.network, method.short, method.long), places, strict=True
    ):
        network.load_state_dict(spot(column, row).state_dict())
    return method.train()


def test_passes_are_those_of_the_table(make_setting, student_batch, watch) -> None:
    method = build_method("sspcm_ema", make_setting(), {}).train()
    passes = [watch(network) for network in (method.network, method.short, method.long)]
    batch = student_batch()
    losses = method(batch)
    of_a, of_e, of_l = passes
    assert [(len(x), *rest) for x, *rest in of_a] == [(8, True, True)]
    assert [(len(x), *rest) for x, *rest in of_e] == [(4, False, False)]
    assert [(len(x), *rest) for x, *rest in of_l] == [(16, False, False)]
    assert torch.equal(of_a[0][0][:4], batch.labelled)
    plain, mirrored, zoomed, both = of_l[0][0].split(4)
    assert torch.equal(plain, batch.unlabelled)
    assert torch.equal(mirrored, batch.unlabelled.flip(3))
    assert not torch.allclose(zoomed, batch.unlabelled)
    assert torch.equal(both, zoomed.flip(3))
    assert set(losses) == {"supervised", "pseudo"}
    assert not any(p.requires_grad for p in (*method.short.parameters(), *method.long.parameters()))


def test_labelled_and_hard_views_in_two_passes(make_setting, student_batch, watch) -> None:
    method = build_method("sspcm_ema", make_setting(), {"one_batch": False}).train()
    passes = watch(method.network)
    method(student_batch())
    assert [len(x) for x, *_ in passes] == [4, 4]


def test_each_hard_view_is_of_an_easy_view_of_its_own(make_setting, batches_of) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 80, 80, 3), dtype=np.uint8)
    raw, rows = batches_of(pixels), np.arange(4)

    def made(count):
        batch = raw.finish(raw.read(rows, rows, torch.Generator().manual_seed(8)))
        method = build_method("sspcm_ema", make_setting(), PLAIN | {"views": count}).train()
        draws = [method.draw(4, batch.generator) for _ in range(count)]
        return batch, method.pseudo_labelled(batch, draws)

    batch, (hard, learned, weight) = made(3)
    assert len(hard) == len(learned) == len(weight) == 12
    assert torch.equal(hard[:4], batch.unlabelled)
    assert not torch.allclose(hard[4:8], hard[:4])
    assert not torch.allclose(hard[8:], hard[4:8])
    generator = torch.Generator()
    generator.set_state(batch.generator.get_state())
    after = made(3)[0].generator.get_state()
    assert torch.equal(after, generator.get_state())
    # One hard view is of the step's own easy view, and draws no other.
    batch, (hard, *_) = made(1)
    assert torch.equal(hard, batch.unlabelled)


class Shown(torch.nn.Module):
    """Maps of what the image's own channels show: joint j is the bright spot of channel j."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.weight * denormalise(images)[:, :, ::4, ::4] / 255


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("plain", [True, False])
def test_what_is_learned_lies_where_the_hard_view_shows_it(
    make_setting, batches_of, plain, views
) -> None:
    side = 80
    row, column = np.mgrid[:side, :side]
    places = 40 + np.random.default_rng(2).integers(-8, 9, (4, 3, 2))
    squares = (column - places[..., None, None, 0]) ** 2 + (row - places[..., None, None, 1]) ** 2
    pixels = (255 * np.exp(-squares / 72)).astype(np.uint8).transpose(0, 2, 3, 1)
    raw = batches_of(np.ascontiguousarray(pixels))
    rows = np.arange(4)
    batch = raw.finish(raw.read(rows, rows, torch.Generator().manual_seed(8)))
    assert set(batch.pool_view.flip.tolist()) == {True, False}
    options = PLAIN | {"plain": plain, "mirror": True, "zoom": 0.85, "agreement": 0.5}
    method = build_method("sspcm_ema", make_setting(lambda role: Shown()), options).train()
    draws = [method.draw(4, batch.generator) for _ in range(views)]
    hard, learned, weight = method.pseudo_labelled(batch, draws)
    assert len(hard) == 4 * views
    shown, brightness = argmax_positions(denormalise(hard) / 255)
    seen = (weight > 0) & (brightness > 0.95)
    assert seen.sum() >= 8 * views
    apart = 4 * argmax_positions(learned)[0] - shown
    # A spot that the easy view cuts off has its teacher's peak on the edge.
    assert apart.norm(dim=2)[seen].quantile(0.9) < 3


@pytest.mark.parametrize(
    ("of_long", "options", "kept"),
    [
        ((2, 5), {}, True),
        # The map is 8 wide: a quarter of it are two pixels, and 0.13 just above one.
        ((4, 5), {}, True),
        ((5, 5), {}, False),
        ((5, 5), {"agreement": 0.0}, True),
        ((3, 5), {"agreement": 0.13}, True),
        ((3, 6), {"agreement": 0.13}, False),
        # The mean of two spots apart peaks at one half.
        ((3, 5), {"agreement": 0.0, "score_threshold": 0.5}, False),
        ((3, 5), {"long_memory": 0.0}, True),
    ],
)
def test_a_joint_is_kept_where_both_memories_agree(
    spot, make_setting, make_batch, of_long, options, kept
) -> None:
    method = spots(spot, make_setting, [(6, 9), (2, 5), of_long], **options)
    taught = method.taught(make_batch().unlabelled)
    assert bool(taught.kept.all()) == kept
    assert bool(taught.kept.any()) == kept


def test_the_mirrored_view_has_a_say(spot, make_setting, make_batch) -> None:
    # A spot at column 2 of 8 is at 5 in the mirror, and back there 3/4 of a pixel to the right.
    method = spots(spot, make_setting, [(2, 5)] * 3, mirror=True)
    taught = method.taught(make_batch().unlabelled)
    assert not taught.kept.any()
    assert torch.allclose(taught.inconsistency, torch.full((4, 3), 4.0))


def test_only_the_upper_peaks_of_the_batch_are_kept(make_setting, make_batch) -> None:
    method = build_method("sspcm_ema", make_setting(), PLAIN | {"peak_quantile": 0.5}).train()
    method.options = SspcmEma.Options(
        **PLAIN | {"peak_quantile": 0.5, "agreement": 0.0, "score_threshold": -1e9}
    )
    taught = method.taught(make_batch().unlabelled)
    assert torch.equal(taught.kept, taught.confidence > taught.confidence.median())
    assert taught.kept.sum() == 6


def test_what_is_learned_is_an_exact_gaussian_at_the_teachers_peak(
    spot, make_setting, student_batch
) -> None:
    method = spots(spot, make_setting, [(6, 9), (4, 8), (4, 8)])
    batch = student_batch()
    losses = method(batch)
    joints = torch.tensor([16.0, 32.0]).expand(4, 3, 2)
    target, weight = gaussian_targets(joints, torch.ones(4, 3), (8, 16), sigma=2.0, exact=True)
    learned = method.network(batch.unlabelled)
    expected = method.weight * heatmap_mse(learned, target, weight)
    assert torch.allclose(losses["pseudo"], expected, atol=1e-6)
    soft = spots(spot, make_setting, [(6, 9), (4, 8), (4, 8)], redraw=False)
    taught = soft.short(batch.unlabelled)
    expected = soft.weight * heatmap_mse(learned, taught, weight)
    assert torch.allclose(soft(batch)["pseudo"], expected, atol=1e-6)


def test_averages_follow_the_trained_network(make_setting) -> None:
    method = build_method(
        "sspcm_ema", make_setting(), {"short_memory": 0.1, "long_memory": 0.9}
    ).train()
    start = method.short[0].weight.clone()
    with torch.no_grad():
        method.network[0].weight.add_(1.0)
        method.network[1].running_mean.add_(1.0)
    before = method.long[1].running_mean.clone()
    method.end_step()
    # At the first step the decay is at most (1 + 1) / (10 + 1).
    assert torch.allclose(method.short[0].weight, start + 0.9, atol=1e-6)
    assert torch.allclose(method.long[0].weight, start + 9 / 11, atol=1e-6)
    assert torch.allclose(method.long[1].running_mean, before + 9 / 11, atol=1e-6)
    state = method.state_dict()
    again = build_method("sspcm_ema", make_setting(), {})
    again.load_state_dict(state)
    assert again.fresh_steps == 1


def test_all_three_begin_as_a_was_burnt_in(make_setting) -> None:
    method = build_method("sspcm_ema", make_setting(), {})
    burnt = {name: value + 1 for name, value in method.network.state_dict().items()}
    method.start_from({"A": burnt}, epochs=3)
    for network in (method.network, method.short, method.long):
        for name, value in network.state_dict().items():
            assert torch.equal(value, burnt[name])
    with torch.no_grad():
        method.network[0].weight.add_(1.0)
    method.end_step()
    # Whole memories from the first step on: burnt-in weights are none to forget.
    for network, decay in ((method.short, 0.98), (method.long, 0.995)):
        moved = network[0].weight - burnt["0.weight"]
        assert torch.allclose(moved, torch.full_like(moved, 1 - decay), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short_memory": 1.0}, "short_memory must be from 0 to below 1, not 1.0"),
        ({"agreement": -0.1}, "agreement must not be negative"),
        ({"zoom": 1.2}, "zoom must be 0 or from 0.5 to 1, not 1.2"),
        ({"views": 0}, "views must be at least 1, not 0"),
        ({"magnitude": 31}, "magnitude must be from 0 to 30, not 31"),
        ({"reported": "B"}, "reported must be A, E or L, not 'B'"),
    ],
)
def test_options_that_cannot_be(make_setting, options, message) -> None:
    with pytest.raises(InputError, match=message):
        build_method("sspcm_ema", make_setting(), options)


@pytest.mark.parametrize(("name", "entry"), [("A", "network"), ("E", "short"), ("L", "long")])
def test_the_network_that_is_reported_can_be_chosen(make_setting, name, entry) -> None:
    method = build_method("sspcm_ema", make_setting(), {"reported": name})
    assert method.reported == name
    assert method.predictor() is method.get_submodule(entry)


def test_drawn_and_real_views_exchange_their_colours(make_setting, student_batch, watch) -> None:
    options = PLAIN | {"cameras": True, "exchange": 1.0, "views": 2}
    method = build_method("sspcm_ema", make_setting(still=True), options).train()
    passes = watch(method.network)
    batch = student_batch()
    losses = method(batch)
    labelled, *hards = passes[0][0].split(len(batch.labelled))
    for part in (torch.mean, torch.std):
        wanted = part(batch.unlabelled, dim=(2, 3))
        torch.testing.assert_close(part(labelled, dim=(2, 3)), wanted, atol=1e-4, rtol=1e-4)
    assert len(hards) == 2
    assert not any(torch.equal(hard, batch.unlabelled) for hard in hards)
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_averages_of_a_network_that_is_trained_already_move_slowly(make_setting) -> None:
    method = build_method("sspcm_ema", make_setting(), {"trained": True})
    with torch.no_grad():
        for parameter in method.network.parameters():
            parameter.add_(1.0)
    before = [parameter.clone() for parameter in method.long.parameters()]
    method.end_step()
    for parameter, old in zip(method.long.parameters(), before, strict=True):
        torch.testing.assert_close(parameter - old, torch.full_like(old, 0.005))


@pytest.mark.parametrize("own", [True, False])
def test_batchnorm_keeps_the_statistics_it_started_with(make_setting, student_batch, own) -> None:
    method = build_method("sspcm_ema", make_setting(), {"own_statistics": own}).train()
    normalised = method.network[1]
    before = normalised.running_mean.clone()
    sum(method(student_batch()).values()).backward()
    assert torch.equal(normalised.running_mean, before) is own
    # Its scale and shift learn all the same.
    assert normalised.weight.grad is not None
    method.eval()
    assert not normalised.training
    method.train()
    assert normalised.training is not own


def test_the_labelled_people_of_a_run_are_counted(settings) -> None:
    options = {"method.name": "sspcm_ema", "data.labels": "all"}
    config = load_config(overrides=settings | options)
    sets = make_sets(config.data)
    many = replace(sets, labelled=np.resize(sets.labelled, 400))
    assert make_method(config, many).weight == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("people", "options", "weight"),
    [(0, {}, 1), (60, {}, 1), (100, {}, 1), (400, {}, 0.5), (400, {"weight": 0.8}, 0.8)],
)
def test_the_more_labels_the_less_the_guessed_joints_count(
    make_setting, people, options, weight
) -> None:
    method = SspcmEma(make_setting(labelled_people=people), SspcmEma.Options(**options))
    assert method.weight == pytest.approx(weight)
