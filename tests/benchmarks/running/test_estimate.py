"""What a grid would take: burn-ins that cells share are counted once, and jobs share the time."""

from benchmarks.running.estimate import Estimate, estimate_lines


def test_the_total_counts_a_shared_burn_in_once_and_says_what_several_jobs_take() -> None:
    estimates = [
        Estimate("burn-in-A-60-seed0", "missing", 250, 600.0, burn_in=True),
        Estimate("supervised-60-seed0", "missing", 150, 1200.0),
        Estimate("sspcm_ema-60-seed0", "4 of 8 epochs", 150, 1200.0),
    ]
    *_, cells, total = estimate_lines(estimates, jobs=2)
    assert cells == "2 cells, 2 to run"
    assert total.startswith("about 0.83 hours of training in all, 0.42 with 2 at a time")
    assert "at a time" not in estimate_lines(estimates, jobs=1)[-1]
    # The longest cell takes its time, however many there are beside it.
    assert "0.33 with 9 at a time" in estimate_lines(estimates, jobs=9)[-1]


def test_what_is_unknown_is_said() -> None:
    unknown = Estimate("sspcm-60-seed0", "missing", 150, None)
    *_, cells, words = estimate_lines([unknown], jobs=1)
    assert cells == "1 cell, 1 to run"
    assert words.startswith("time unknown for 1 of the lines above")
