"""Properties of every scheduler, in simulated studies without Ray, clock or training."""

import json
import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import InvalidJob
from pipeline.schedulers import (
    PB2,
    PBT,
    SCHEDULERS,
    AnyScheduler,
    Decision,
    Scheduler,
    SchedulerContext,
    SchedulerSettings,
    Selection,
)
from pipeline.space import Choice, Config, IntUniform, LogUniform, Switch, draw, drawn_names, fits

_SPACE = {
    "lr": LogUniform(1e-4, 1),
    "units": IntUniform(4, 64),
    "kind": Choice(["a", "b"]),
    "layers": Choice([[64, 32], None, {"units": [8]}]),
    "schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}}),
    "fixed": 3,
}


@dataclass
class SimulationResult:
    decisions: list[tuple[str, int, float, Decision]] = field(default_factory=list)
    ends: dict[str, list[str]] = field(default_factory=dict)
    needed: list[set[tuple[str, int]]] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    chosen: list[tuple[Selection, int]] = field(default_factory=list)
    """With the epoch at which the trial stood."""
    to_stop: list[tuple[str, int, Decision]] = field(default_factory=list)
    epochs: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Play:
    settings: SchedulerSettings
    trials: int = 8
    epochs: int = 9
    workers: int = 3
    seed: int = 0
    mode: str = "max"
    lost: frozenset[int] = frozenset()
    """At these steps the trial's worker is lost: it continues from its last milestone, and reports again."""
    failing: frozenset[str] = frozenset()
    """These trials fail at their second milestone."""
    diverging: frozenset[str] = frozenset()
    """The objective of these trials is NaN from the middle on."""
    reloads: bool = False
    """Go through JSON before every step."""

    def context(self) -> SchedulerContext:
        return SchedulerContext(_SPACE, self.mode, self.epochs, self.trials, self.seed)

    def __call__(self) -> SimulationResult:
        result = SimulationResult()
        scheduler: Scheduler = self.settings.build(self.context())
        order = np.random.default_rng(self.seed)
        configs: dict[str, Config] = {}
        epochs: dict[str, int] = {}
        saved: dict[str, int] = {}
        waiting: list[str] = []
        running: list[str] = []
        for step in range(20 * self.trials * (self.epochs + 2)):
            if self.reloads:
                state = json.loads(json.dumps(scheduler.state(), allow_nan=False))
                scheduler = self.settings.build(self.context())
                scheduler.restore(state)
            while len(running) < self.workers:
                chosen = scheduler.choose(tuple(waiting))
                rest = [trial for trial in waiting if chosen is None or trial != chosen.trial_id]
                self._dismiss(scheduler, scheduler.trials_to_stop(rest, exhausted=False), waiting, epochs, result)
                if chosen is not None:
                    trial = chosen.trial_id
                    assert trial in waiting
                    waiting.remove(trial)
                    result.chosen.append((chosen, epochs[trial]))
                elif len(configs) < self.trials:
                    trial = f"{len(configs):04d}"
                    configs[trial] = draw(_SPACE, np.random.default_rng([self.seed, len(configs)]))
                    epochs[trial] = saved[trial] = 0
                    scheduler.add(trial, configs[trial])
                else:
                    assert self.settings.pauses or not waiting, "a worker is left idle though a trial waits"
                    break
                running.append(trial)
                scheduler.start(trial)
                result.starts.append(trial)
            if not running:
                left = scheduler.trials_to_stop(tuple(waiting), exhausted=True)
                assert left.keys() == set(waiting)
                self._dismiss(scheduler, left, waiting, epochs, result)
                break
            trial = running[int(order.integers(len(running)))]
            epoch = self.settings.next_milestone(epochs[trial], self.epochs)
            assert epochs[trial] < epoch <= self.epochs
            epochs[trial] = epoch
            value = self.value(configs[trial], epoch, int(trial))
            diverged = trial in self.diverging and epoch > self.epochs // 2
            if diverged:
                # A worker fails a trial without a decision: the scheduler gets only the end.
                scheduler.end(trial)
                result.ends.setdefault(trial, []).append("failed")
                running.remove(trial)
                continue
            decision = scheduler.on_result(trial, epoch, value)
            result.decisions.append((trial, epoch, value, decision))
            result.needed.append(scheduler.needed_checkpoints())
            if step in self.lost and decision.action == "continue" and epoch < self.epochs:
                epochs[trial] = saved[trial]
                running.remove(trial)
                waiting.append(trial)
                continue
            saved[trial] = epoch
            ended = (
                "failed"
                if trial in self.failing and sum(t == trial for t, *_ in result.decisions) > 1
                else "stopped"
                if decision.action == "stop"
                else "completed"
                if epoch == self.epochs
                else None
            )
            if decision.action == "exploit" and ended is None:
                configs[trial] = decision.config
            if ended:
                scheduler.end(trial)
                result.ends.setdefault(trial, []).append(ended)
            if ended or decision.action != "continue":
                running.remove(trial)
            if not ended and decision.action != "continue":
                waiting.append(trial)
        result.epochs = epochs
        return result

    def _dismiss(
        self,
        scheduler: Scheduler,
        to_stop: dict[str, Decision],
        waiting: list[str],
        epochs: dict[str, int],
        result: SimulationResult,
    ) -> None:
        for trial, decision in to_stop.items():
            waiting.remove(trial)
            scheduler.end(trial)
            result.ends.setdefault(trial, []).append("stopped")
            result.to_stop.append((trial, epochs[trial], decision))

    def value(self, config: Config, epoch: int, trial: int) -> float:
        speed = 1 + math.log10(float(config["lr"])) / 5 + trial * 1e-6
        learned = 1 - math.exp(-speed * epoch)
        return learned if self.mode == "max" else -learned


@pytest.fixture(params=SCHEDULERS)
def settings(request: pytest.FixtureRequest) -> SchedulerSettings:
    return SCHEDULERS[request.param]()


_WITH_FIELDS = [
    PBT(grace_period=3, interval=2, factors=(1.5, 0.5, 0.9)),
    PBT(explore=["lr", "schedule"]),
    PB2(explore=["lr", "period"]),
    PB2(explore=["kind", "schedule"], grace_period=2),
]
"""Populations that change some of the hyperparameters."""

_plays = st.builds(
    Play,
    st.sampled_from([*(cls() for cls in SCHEDULERS.values()), *_WITH_FIELDS]),
    trials=st.integers(2, 10),
    epochs=st.integers(1, 10),
    workers=st.integers(1, 4),
    seed=st.integers(0, 2**31 - 1),
    lost=st.frozensets(st.integers(0, 40), max_size=4),
)


@given(play=_plays)
def test_every_trial_ends_once(play: Play) -> None:
    ends = play().ends
    assert set(ends) == {f"{i:04d}" for i in range(play.trials)}
    assert all(len(states) == 1 for states in ends.values())
    # Only PASHA may know the best trial before any trial is at its end.
    assert play.settings.kind == "pasha" or any(states == ["completed"] for states in ends.values())


@given(play=_plays)
def test_the_budget_is_kept(play: Play) -> None:
    result = play()
    assert set(result.epochs) == {f"{i:04d}" for i in range(play.trials)}
    assert max(epoch for _, epoch, *_ in result.decisions) <= play.epochs
    assert all(result.epochs[t] == play.epochs for t, states in result.ends.items() if states == ["completed"])


@given(play=_plays)
def test_promotions_have_their_rung(play: Play) -> None:
    result = play()
    promoted = [(chosen.trial_id, chosen.rung) for chosen, _ in result.chosen if chosen.promoted]
    assert len(promoted) == len(set(promoted))
    values = {(trial, epoch): value for trial, epoch, value, _ in reversed(result.decisions)}
    for chosen, epoch in result.chosen:
        assert chosen.reason.strip()
        if not chosen.promoted:
            assert (chosen.rung, chosen.cutoff) == (None, None)
            continue
        assert play.settings.pauses
        assert chosen.rung == epoch
        value = values[chosen.trial_id, epoch]
        assert value >= chosen.cutoff if play.mode == "max" else value <= chosen.cutoff
        assert f"{value:.6g}" in chosen.reason


@given(play=_plays)
def test_trials_that_are_not_promoted_have_a_reason(play: Play) -> None:
    for _, epoch, decision in play().to_stop:
        assert decision.action == "stop"
        assert decision.rung == epoch
        assert f"at rung {epoch}" in decision.reason


@given(epochs=st.integers(1, 200), kind=st.sampled_from(sorted(SCHEDULERS)))
def test_milestones_go_up_to_the_last_epoch(epochs: int, kind: str) -> None:
    settings, epoch = SCHEDULERS[kind](), 0
    while epoch < epochs:
        milestone = settings.next_milestone(epoch, epochs)
        assert epoch < milestone <= epochs
        # A trial that continues from in between has the same milestone ahead.
        assert settings.next_milestone(milestone - 1, epochs) == milestone
        epoch = milestone


@given(play=_plays)
def test_state_goes_through_json_at_any_time(play: Play) -> None:
    assert replace(play, reloads=True)() == play()


@given(play=_plays)
def test_minimising_is_maximising_the_negative(play: Play) -> None:
    up, down = play(), replace(play, mode="min")()
    assert [(t, e, d.action, d.parent_trial, d.config) for t, e, _, d in up.decisions] == [
        (t, e, d.action, d.parent_trial, d.config) for t, e, _, d in down.decisions
    ]
    assert [d.cutoff for *_, d in up.decisions] == [None if d.cutoff is None else -d.cutoff for *_, d in down.decisions]
    assert up.starts == down.starts
    assert [(t, d.cutoff) for t, _, d in up.to_stop] == [
        (t, None if d.cutoff is None else -d.cutoff) for t, _, d in down.to_stop
    ]


@given(play=_plays)
def test_reasons_carry_the_number(play: Play) -> None:
    for _, epoch, value, decision in play().decisions:
        assert decision.reason.strip()
        if decision.cutoff is not None:
            assert f"{value:.6g}" in decision.reason
            assert decision.action == "exploit" or f"{decision.cutoff:.6g}" in decision.reason
        assert decision.rung in (None, epoch)


def test_a_repeated_report_changes_nothing(settings: SchedulerSettings) -> None:
    context = SchedulerContext(_SPACE, "max", 9, 3, 0)
    scheduler = settings.build(context)
    for i, value in enumerate((0.5, 0.9, 0.1)):
        scheduler.add(str(i), draw(_SPACE, np.random.default_rng(i)))
        scheduler.start(str(i))
        epoch = settings.next_milestone(0, 9)
        scheduler.on_result(str(i), epoch, value)
        before = json.dumps(scheduler.state())
        for other in (value, 0.0, 1.0):
            assert scheduler.on_result(str(i), epoch, other).action == "continue"
        assert json.dumps(scheduler.state()) == before


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_failing_trial_takes_no_other_with_it(settings: SchedulerSettings, workers: int) -> None:
    ends = Play(settings, workers=workers, failing=frozenset({"0001", "0004"}))().ends
    assert len(ends) == 8
    assert all(len(states) == 1 for states in ends.values())
    assert all("failed" not in ends[trial] for trial in ends if trial not in ("0001", "0004"))
    assert settings.kind == "pasha" or any(states == ["completed"] for states in ends.values())


@pytest.mark.parametrize("workers", [1, 3])
def test_nan_takes_no_other_with_it(settings: SchedulerSettings, workers: int) -> None:
    ends = Play(settings, workers=workers, trials=12, diverging=frozenset({"0000", "0003", "0007"}))().ends
    assert len(ends) == 12
    assert all(len(states) == 1 for states in ends.values())
    assert {trial for trial, states in ends.items() if states == ["failed"]} <= {"0000", "0003", "0007"}


def test_every_trial_has_a_turn(settings: SchedulerSettings) -> None:
    starts = list(dict.fromkeys(Play(settings, workers=1)().starts))
    assert starts == [f"{i:04d}" for i in range(8)]


@pytest.mark.parametrize("ids", [["0002", "0001", "0010"], ["10000", "9999"]])
def test_the_earlier_trial_is_chosen(settings: SchedulerSettings, ids: list[str]) -> None:
    scheduler = settings.build(SchedulerContext(_SPACE, "max", 9, len(ids), 0))
    for trial in ids:
        scheduler.add(trial, draw(_SPACE, np.random.default_rng(0)))
    assert scheduler.choose(ids).trial_id == min(ids, key=int)
    assert scheduler.choose([]) is None


@given(play=_plays)
def test_needed_checkpoints_exist(play: Play) -> None:
    result = play()
    reported: set[tuple[str, int]] = set()
    for (trial, epoch, _, decision), needed in zip(result.decisions, result.needed, strict=True):
        reported.add((trial, epoch))
        assert needed <= reported
        assert not needed or play.settings.exploits
        if decision.action == "exploit":
            assert (decision.parent_trial, decision.parent_epoch) in needed


def explored_names(settings: SchedulerSettings) -> list[str]:
    named = getattr(settings, "explore", None)
    return drawn_names(_SPACE) if named is None else list(named)


@given(play=_plays)
def test_exploits_take_over_better_trials(play: Play) -> None:
    newest: dict[str, tuple[int, float]] = {}
    ended: set[str] = set()
    for trial, epoch, value, decision in play().decisions:
        if epoch > newest.get(trial, (0, 0.0))[0]:
            newest[trial] = (epoch, value)
        if decision.action == "exploit":
            assert decision.parent_trial not in ended | {trial, None}
            assert decision.parent_epoch == newest[decision.parent_trial][0]
            assert newest[decision.parent_trial][1] > value
            assert fits(_SPACE, decision.config)
            assert fits(_SPACE, decision.parent_config)
            new = {name for name, value in decision.config.items() if decision.parent_config.get(name) != value}
            assert all(name in decision.explored for name in new)
            kept = decision.parent_config.keys() & decision.config.keys() - set(explored_names(play.settings))
            assert all(decision.config[name] == decision.parent_config[name] for name in kept)
        else:
            assert (decision.parent_trial, decision.parent_epoch, decision.config) == (None, None, None)
        if epoch == play.epochs or decision.action == "stop":
            ended.add(trial)


_REFUSED = {
    "asha": [{"grace_period": 0}, {"grace_period": 1.0}, {"grace_period": True}, {"reduction_factor": 1}, {"other": 1}],
    "promoting-asha": [{"reduction_factor": math.inf}, {"reduction_factor": "2"}],
    "pasha": [{"grace_period": -1}],
    "hyperband": [{"max_epochs": 0}, {"grace_period": 2}],
    "halving": [{"bracket_size": 0}],
    "median": [{"min_samples_required": 0}, {"min_samples_required": 1.5}],
    "pbt": [{"interval": 0}, {"quantile": 0.51}, {"resample_probability": 1.1}, {"factors": []}, {"factors": [0]}],
    "pb2": [{"explore": 3}, {"explore": [3]}, {"explore": {"lr": None}}],
    "ray.tune.schedulers": [{}],
    "ray.tune.search.optuna.OptunaSearch": [{}],
    "ray.tune.schedulers.MedianStoppingRule()": [{}],
}


@pytest.mark.parametrize(("kind", "fields"), [(kind, fields) for kind, all_ in _REFUSED.items() for fields in all_])
def test_settings_out_of_their_range_are_refused(kind: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnyScheduler).validate_python({"kind": kind, **fields})


def test_epochs_that_no_trial_reaches_are_a_fault(settings: SchedulerSettings) -> None:
    assert settings.faults(epochs=9, trials=2) == []
    for name in {"grace_period", "interval"} & set(settings.__dataclass_fields__):
        assert replace(settings, **{name: 9}).faults(epochs=9, trials=2) == []
        faults = replace(settings, **{name: 10}).faults(epochs=9, trials=2)
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
        settings.build(Play(settings).context())
