"""Properties of every scheduler, in simulated studies without Ray, clock or training."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import InvalidJob
from pipeline.schedulers import PBT, SCHEDULERS, AnyScheduler, SchedulerContext, SchedulerSettings
from pipeline.space import draw, drawn_names, fits
from tests.scheduler_play import SPACE, Play

Plays = Callable[..., Play]
_OTHERS = [PBT(grace_period=3, interval=2, factors=(1.5, 0.5, 0.9)), PBT(explore=("lr", "schedule"))]


@pytest.fixture(params=[*(kind() for kind in SCHEDULERS.values()), *_OTHERS], ids=lambda one: one.kind, scope="module")
def settings(request: pytest.FixtureRequest) -> SchedulerSettings:
    return request.param


_plays = st.builds(
    partial,
    st.just(Play),
    trials=st.integers(2, 10),
    epochs=st.integers(1, 10),
    workers=st.integers(1, 4),
    seed=st.integers(0, 2**31 - 1),
    lost=st.frozensets(st.integers(0, 40), max_size=4),
)


@given(plays=_plays)
def test_every_trial_ends_once_within_the_budget(settings: SchedulerSettings, plays: Plays) -> None:
    played = (play := plays(settings))()
    assert set(played.ends) == set(played.epochs) == {f"{i:04d}" for i in range(play.trials)}
    assert all(len(states) == 1 for states in played.ends.values())
    assert ["completed"] in played.ends.values()
    assert max(epoch for _, epoch, *_ in played.decisions) <= play.epochs
    assert all(played.epochs[t] == play.epochs for t, states in played.ends.items() if states == ["completed"])


@given(plays=_plays)
def test_promotions_and_final_stops_have_their_rung_and_a_reason(settings: SchedulerSettings, plays: Plays) -> None:
    played = (play := plays(settings))()
    promoted = [(chosen.trial_id, chosen.rung) for chosen, _ in played.chosen if chosen.action == "promote"]
    assert len(promoted) == len(set(promoted))
    values = {(trial, epoch): value for trial, epoch, value, _ in reversed(played.decisions)}
    for chosen, epoch in played.chosen:
        assert chosen.reason.strip()
        if chosen.action == "resume":
            assert (chosen.rung, chosen.cutoff) == (None, None)
            continue
        assert settings.pauses
        assert chosen.rung == epoch
        value = values[chosen.trial_id, epoch]
        assert value >= chosen.cutoff if play.mode == "max" else value <= chosen.cutoff
        assert f"{value:.6g}" in chosen.reason
    for _, epoch, decision in played.to_stop:
        assert (decision.action, decision.rung) == ("stop", epoch)
        assert f"at rung {epoch}" in decision.reason


@given(epochs=st.integers(1, 200))
def test_milestones_go_up_to_the_last_epoch(settings: SchedulerSettings, epochs: int) -> None:
    epoch = 0
    while epoch < epochs:
        milestone = settings.next_milestone(epoch, epochs)
        assert epoch < milestone <= epochs
        # A trial that continues from in between has the same milestone ahead.
        assert settings.next_milestone(milestone - 1, epochs) == milestone
        epoch = milestone


@given(plays=_plays)
def test_state_goes_through_json_at_any_time(settings: SchedulerSettings, plays: Plays) -> None:
    assert plays(settings, reloads=True)() == plays(settings)()


@given(plays=_plays)
def test_minimising_is_maximising_the_negative(settings: SchedulerSettings, plays: Plays) -> None:
    up, down = plays(settings)(), plays(settings, mode="min")()
    assert [(t, e, d.action, d.parent_trial, d.config) for t, e, _, d in up.decisions] == [
        (t, e, d.action, d.parent_trial, d.config) for t, e, _, d in down.decisions
    ]
    assert [d.cutoff for *_, d in up.decisions] == [None if d.cutoff is None else -d.cutoff for *_, d in down.decisions]
    assert up.starts == down.starts
    assert [(t, d.cutoff) for t, _, d in up.to_stop] == [
        (t, None if d.cutoff is None else -d.cutoff) for t, _, d in down.to_stop
    ]


@given(plays=_plays)
def test_reasons_carry_the_number(settings: SchedulerSettings, plays: Plays) -> None:
    for _, epoch, value, decision in plays(settings)().decisions:
        assert decision.reason.strip()
        if decision.cutoff is not None:
            assert f"{value:.6g}" in decision.reason
            assert decision.action == "exploit" or f"{decision.cutoff:.6g}" in decision.reason
        assert decision.rung in (None, epoch)


def test_a_repeated_report_changes_nothing(settings: SchedulerSettings) -> None:
    context = SchedulerContext(SPACE, "max", 9, 3, 0)
    scheduler = settings.build(context)
    for i, value in enumerate((0.5, 0.9, 0.1)):
        scheduler.add(str(i), draw(SPACE, np.random.default_rng(i)))
        scheduler.start(str(i))
        epoch = settings.next_milestone(0, 9)
        scheduler.on_result(str(i), epoch, value)
        before = json.dumps(scheduler.state())
        for other in (value, 0.0, 1.0):
            assert scheduler.on_result(str(i), epoch, other).action == "continue"
        assert json.dumps(scheduler.state()) == before


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("how", ["failing", "diverging"])
def test_a_trial_that_fails_takes_no_other_with_it(settings: SchedulerSettings, workers: int, how: str) -> None:
    lost = frozenset({"0000", "0003", "0007"})
    ends = Play(settings, workers=workers, trials=12, **{how: lost})().ends
    assert len(ends) == 12
    assert all(len(states) == 1 for states in ends.values())
    assert {trial for trial, states in ends.items() if states == ["failed"]} <= lost
    assert ["completed"] in ends.values()


def test_every_trial_has_a_turn(settings: SchedulerSettings) -> None:
    starts = list(dict.fromkeys(Play(settings, workers=1)().starts))
    assert starts == [f"{i:04d}" for i in range(8)]


@pytest.mark.parametrize("ids", [["0002", "0001", "0010"], ["10000", "9999"]])
def test_the_earlier_trial_is_chosen(settings: SchedulerSettings, ids: list[str]) -> None:
    scheduler = settings.build(SchedulerContext(SPACE, "max", 9, len(ids), 0))
    for trial in ids:
        scheduler.add(trial, draw(SPACE, np.random.default_rng(0)))
    assert scheduler.choose(ids).trial_id == min(ids, key=int)
    assert scheduler.choose([]) is None


@given(plays=_plays)
def test_exploits_take_over_better_trials_whose_checkpoints_are_needed(
    settings: SchedulerSettings, plays: Plays
) -> None:
    newest: dict[str, tuple[int, float]] = {}
    ended, reported = set[str](), set[tuple[str, int]]()
    explored = set(getattr(settings, "explore", None) or drawn_names(SPACE))
    played = (play := plays(settings))()
    for (trial, epoch, value, decision), needed in zip(played.decisions, played.needed, strict=True):
        reported.add((trial, epoch))
        assert needed <= reported
        assert not needed or settings.exploits
        if epoch > newest.get(trial, (0, 0.0))[0]:
            newest[trial] = (epoch, value)
        if decision.action == "exploit":
            assert (decision.parent_trial, decision.parent_epoch) in needed
            assert decision.parent_trial not in ended | {trial}
            assert decision.parent_epoch == newest[decision.parent_trial][0]
            assert newest[decision.parent_trial][1] > value
            assert fits(SPACE, decision.config)
            assert fits(SPACE, decision.parent_config)
            new = {name for name, value in decision.config.items() if decision.parent_config.get(name) != value}
            assert all(name in decision.explored for name in new)
            kept = decision.parent_config.keys() & decision.config.keys() - explored
            assert all(decision.config[name] == decision.parent_config[name] for name in kept)
        else:
            assert (decision.parent_trial, decision.parent_epoch, decision.config) == (None, None, None)
        if epoch == play.epochs or decision.action == "stop":
            ended.add(trial)


_REFUSED = {
    "asha": [{"grace_period": 0}, {"grace_period": 1.0}, {"grace_period": True}, {"reduction_factor": 1}, {"other": 1}],
    "promoting-asha": [{"reduction_factor": math.inf}, {"reduction_factor": "2"}],
    "hyperband": [{"max_epochs": 0}, {"grace_period": 2}],
    "median": [{"min_samples_required": 0}, {"min_samples_required": 1.5}],
    "pbt": [
        {"interval": 0},
        {"quantile": 0.51},
        {"resample_probability": 1.1},
        {"factors": []},
        {"factors": [0]},
        {"explore": [3]},
    ],
    "ray.tune.schedulers": [{}],
    "ray.tune.search.optuna.OptunaSearch": [{}],
    "ray.tune.schedulers.MedianStoppingRule()": [{}],
}


@pytest.mark.parametrize(("kind", "fields"), [(kind, fields) for kind, all_ in _REFUSED.items() for fields in all_])
def test_settings_out_of_their_range_are_refused(kind: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnyScheduler).validate_python({"kind": kind, **fields})


def test_epochs_that_no_trial_reaches_are_a_fault(settings: SchedulerSettings) -> None:
    assert settings.faults(epochs=9) == []
    for name in {"grace_period", "interval"} & set(settings.__dataclass_fields__):
        assert replace(settings, **{name: 9}).faults(epochs=9) == []
        faults = replace(settings, **{name: 10}).faults(epochs=9)
        assert [fault.field for fault in faults] == [f"scheduler.{name}"]


def test_settings_survive_json(settings: SchedulerSettings) -> None:
    adapter = TypeAdapter(AnyScheduler)
    stored = settings.resolved(50)
    assert adapter.validate_json(adapter.dump_json(stored)) == stored
    # A budget that has changed since does not change what the study stores.
    assert settings.resolved(200, before=stored) == stored


def test_a_scheduler_of_ray_is_known_by_its_path_and_built_where_trials_train() -> None:
    settings = TypeAdapter(AnyScheduler).validate_python({"kind": "ray.tune.schedulers.MedianStoppingRule"})
    assert (settings.next_milestone(4, 9), settings.resumes) == (5, False)
    with pytest.raises(InvalidJob):
        Play(settings).built()
