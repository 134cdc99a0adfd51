"""A population: pauses, exploits, and the checkpoints that are needed."""

from typing import Any

import pytest

from pipeline.schedulers import PB2, PBT, SchedulerContext
from pipeline.space import Choice, IntUniform, LogUniform, Space, Switch, Uniform, fits
from tests.unit.schedulers.population import population, report


def test_milestones_are_multiples_of_the_interval() -> None:
    """Milestones are multiples of the interval for any first epoch, and the last is the trial's maximum."""
    assert [PBT(interval=3).next_milestone(epoch, 8) for epoch in range(8)] == [3, 3, 3, 6, 6, 6, 8, 8]


def test_the_first_milestone_follows_the_grace_period() -> None:
    """Milestones begin at the end of the grace period, or of the first interval if that is later."""
    settings = PBT(interval=2, grace_period=5)
    assert [settings.next_milestone(epoch, 10) for epoch in range(10)] == [5, 5, 5, 5, 5, 7, 7, 9, 9, 10]
    assert [PBT(interval=3, grace_period=2).next_milestone(epoch, 8) for epoch in range(8)] == [3, 3, 3, 6, 6, 6, 8, 8]


def test_the_population_advances_together() -> None:
    """On one worker a trial pauses for trials that are behind: not yet drawn, waiting, or lower in number."""
    scheduler = population(PBT(quantile=0), 3, added=1)
    assert report(scheduler, "0000", 1, 0.5).reason == (
        "0.5 is number 1 of 1 trials at epoch 1; waits for one not yet drawn"
    )
    scheduler.add("0001", {"lr": 0.1, "layers": 2})
    scheduler.add("0002", {"lr": 0.1, "layers": 2})
    decision = report(scheduler, "0001", 1, 0.6)
    assert (decision.action, decision.reason) == (
        "pause",
        "0.6 is number 1 of 2 trials at epoch 1; waits for trial 0002 at epoch 0",
    )
    assert scheduler.choose(["0000", "0001", "0002"]).trial_id == "0002"
    assert report(scheduler, "0002", 1, 0.4).action == "pause"
    assert scheduler.choose(["0000", "0001", "0002"]).trial_id == "0000"


def test_no_trial_pauses_to_be_chosen_again() -> None:
    """If all other trials run, have ended or are ahead, a trial continues without a pause."""
    scheduler = population(PBT(quantile=0), 3)
    for trial in ("0000", "0001", "0002"):
        scheduler.start(trial)
    assert scheduler.on_result("0002", 1, 0.1).action == "continue"
    scheduler.end("0000")
    assert scheduler.on_result("0001", 1, 0.2).reason == (
        "0.2 is number 1 of 2 trials at epoch 1; no other trial has to catch up"
    )


def test_a_lost_worker_s_trial_waits_again() -> None:
    """A lost worker's trial waits again, so that others pause for it, although the scheduler saw it start."""
    scheduler = population(PBT(quantile=0), 2)
    scheduler.start("0000")
    scheduler.start("0001")
    assert scheduler.choose(["0000"]).trial_id == "0000"
    assert scheduler.on_result("0001", 1, 0.5).action == "pause"


def test_the_lowest_take_over_the_uppermost() -> None:
    """Of four trials, the worst takes the best one's newest milestone and explores a config near the best one's."""
    scheduler = population(PBT(resample_probability=0), 4)
    for trial, value in (("0003", 0.9), ("0001", 0.5), ("0002", 0.6)):
        scheduler.start(trial)
        assert scheduler.on_result(trial, 1, value).action in ("pause", "exploit")
    decision = report(scheduler, "0000", 1, 0.4)
    assert (decision.action, decision.parent_trial, decision.parent_epoch) == ("exploit", "0003", 1)
    assert decision.cutoff == 0.5
    assert decision.config["layers"] == 2
    assert min(abs(decision.config["lr"] - 0.04 * factor) for factor in (0.8, 1.2)) < 1e-12
    assert decision.reason == "0.4 is among the lowest 1 of 4 trials; copies trial 0003, 0.9 at its epoch 1"
    assert decision.parent_config == {"lr": 0.04, "layers": 2}
    assert decision.explored.startswith("times 0.8 or 1.2, or resampled: lr 0.04 → 0.0")
    assert decision.explored.endswith(", layers stays 2")
    assert scheduler.needed_checkpoints() >= {("0003", 1)}
    assert ("0000", 1) not in scheduler.needed_checkpoints()


def test_a_donor_s_checkpoint_is_needed_until_the_receiver_has_its_own() -> None:
    """A donor's checkpoint is kept until the receiver has its own, even if the donor continued or ended."""
    scheduler = population(PBT(), 2)
    report(scheduler, "0001", 1, 0.9)
    assert report(scheduler, "0000", 1, 0.1).parent_trial == "0001"
    report(scheduler, "0001", 2, 0.95)
    assert scheduler.needed_checkpoints() == {("0001", 1), ("0001", 2)}
    scheduler.end("0001")
    assert scheduler.needed_checkpoints() == {("0001", 1)}
    report(scheduler, "0000", 2, 0.97)
    assert scheduler.needed_checkpoints() == {("0000", 2)}
    scheduler.end("0000")
    assert scheduler.needed_checkpoints() == set()


def test_an_exploited_trial_is_no_donor_until_it_reports() -> None:
    """An exploited trial is not a donor until it reports, because its score is that of replaced weights."""
    scheduler = population(PBT(quantile=0.5), 4)
    report(scheduler, "0000", 1, 0.9)
    assert report(scheduler, "0001", 1, 0.5).action == "exploit"
    scheduler.end("0000")
    assert report(scheduler, "0002", 1, 0.4).action == "pause"


def test_equals_do_not_exploit_each_other() -> None:
    """Equal trials do not exploit each other, because nothing would be gained."""
    scheduler = population(PBT(quantile=0.5), 3)
    for epoch in (1, 2):
        assert {report(scheduler, f"{i:04d}", epoch, 0.1).action for i in range(3)} == {"pause"}


def test_ended_trials_are_excluded() -> None:
    """As in Ray, ended trials are neither donors nor part of the quantiles."""
    scheduler = population(PBT(), 3)
    report(scheduler, "0000", 1, 0.9)
    scheduler.end("0000")
    assert report(scheduler, "0001", 1, 0.2).action == "pause"
    assert report(scheduler, "0002", 1, 0.1).parent_trial == "0001"


def test_the_last_epoch_is_no_time_to_explore() -> None:
    """The worst trial does not exploit at its last epoch."""
    scheduler = population(PBT(), 2, epochs=2)
    report(scheduler, "0001", 1, 0.9)
    assert report(scheduler, "0000", 2, 0.1).action == "continue"


def test_settings_that_do_not_fit_the_budget_are_a_fault() -> None:
    """An interval above the number of epochs and a population of one trial are faults."""
    assert PBT(interval=8).faults(epochs=8, trials=2) == []
    assert [str(fault) for fault in PBT(interval=9).faults(epochs=8, trials=1)] == [
        "scheduler.interval: must be at most budget.epochs, which is 8; found 9",
        "budget.trials: must be at least 2, because a population has several trials; found 1",
    ]
    assert [str(fault) for fault in PBT(grace_period=9).faults(epochs=8, trials=2)] == [
        "scheduler.grace_period: must be at most budget.epochs, which is 8; found 9"
    ]


_WIDTHS: Space = {"lr": LogUniform(1e-4, 1), "width": IntUniform(4, 64), "act": Choice(["relu", "tanh"]), "fixed": 2}


@pytest.mark.parametrize("kind", [PBT, PB2])
def test_hyperparameters_that_are_not_explored_are_the_donor_s(kind: Any) -> None:
    """A trial that exploits another changes what `explore` names, in its domain, and takes the rest from the donor."""
    scheduler = kind(explore={"lr": LogUniform(0.2, 0.3)}).build(SchedulerContext(_WIDTHS, "max", 100, 6, 0))
    for i in range(6):
        act = ("relu", "tanh")[i % 2]
        scheduler.add(f"{i:04d}", {"lr": 0.01 * (i + 1), "width": 4 + i, "act": act, "fixed": 2})
    decisions = [
        report(scheduler, f"{i:04d}", epoch, float(i * epoch)) for epoch in range(1, 8) for i in (5, 4, 3, 2, 1, 0)
    ]
    exploits = [decision for decision in decisions if decision.action == "exploit"]
    assert len(exploits) > 5
    for exploit in exploits:
        assert fits(_WIDTHS, exploit.config)
        assert 0.2 <= exploit.config["lr"] < 0.3
        assert exploit.config | {"lr": 0} == exploit.parent_config | {"lr": 0}
        assert f"width stays {exploit.parent_config['width']}" in exploit.explored
    assert len({exploit.config["lr"] for exploit in exploits}) > 3


@pytest.mark.parametrize("kind", [PBT, PB2])
def test_a_population_may_copy_weights_alone(kind: Any) -> None:
    """With an empty `explore`, a trial takes over another one's weights and its whole config."""
    scheduler = population(kind(explore=()), 6)
    decisions = [
        report(scheduler, f"{i:04d}", epoch, float(i * epoch)) for epoch in range(1, 8) for i in (5, 4, 3, 2, 1, 0)
    ]
    exploits = [decision for decision in decisions if decision.action == "exploit"]
    assert exploits
    assert all(exploit.config == exploit.parent_config for exploit in exploits)


@pytest.mark.parametrize("settings", [PBT(resample_probability=0), PB2()])
def test_exploring_leaves_values_that_the_space_no_longer_has(settings: Any) -> None:
    """After a resume with other listed values and branches, explored configs are of the new space."""
    before: Space = {"batch": Choice([16, 32]), "how": Switch({"old": {}, "plain": {}}), "x": Uniform(0, 1)}
    after: Space = {"batch": Choice([64, 128]), "how": Switch({"new": {}, "plain": {}}), "x": Uniform(0, 1)}
    first = settings.build(SchedulerContext(before, "max", 100, 6, 0))
    for i in range(6):
        first.add(f"{i:04d}", {"batch": 16, "how": "old", "x": 0.1 * i})
    for epoch in (1, 2):
        for i in range(6):
            report(first, f"{i:04d}", epoch, float(i * epoch))
    second = settings.build(SchedulerContext(after, "max", 100, 6, 0))
    second.restore(first.state())
    decisions = [report(second, f"{i:04d}", epoch, float(i * epoch)) for epoch in range(3, 7) for i in range(6)]
    explored = [decision.config for decision in decisions if decision.action == "exploit"]
    assert explored
    assert all(fits(after, config) for config in explored)
