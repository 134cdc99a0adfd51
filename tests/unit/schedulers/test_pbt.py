"""Population based training."""

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.schedulers import PBT, AnyScheduler, Decision, Scheduler, Setting
from pipeline.space import IntUniform, LogUniform, Switch, fits

_SPACE = {"lr": LogUniform(1e-4, 1), "layers": 2}


def _built(settings: PBT, trials: int, *, added: int | None = None, mode: Any = "max", epochs: int = 8) -> Scheduler:
    scheduler = settings.build(Setting(_SPACE, mode, epochs, trials, 0))
    for i in range(trials if added is None else added):
        scheduler.add(f"{i:04d}", {"lr": 0.01 * (i + 1), "layers": 2})
    return scheduler


def _report(scheduler: Scheduler, trial: str, epoch: int, value: float) -> Decision:
    scheduler.start(trial)
    return scheduler.report(trial, epoch, value)


def test_milestones_are_multiples_of_the_interval() -> None:
    """Whatever epoch a trial goes on from; the last is its maximum."""
    assert [PBT(interval=3).next_milestone(epoch, 8) for epoch in range(8)] == [3, 3, 3, 6, 6, 6, 8, 8]


def test_the_population_advances_together() -> None:
    """On one worker a trial makes room for those behind it: not yet drawn, waiting, or lower in number."""
    scheduler = _built(PBT(quantile=0), 3, added=1)
    assert _report(scheduler, "0000", 1, 0.5).reason == (
        "0.5 is number 1 of 1 trials at epoch 1; makes room for one not yet drawn"
    )
    scheduler.add("0001", {"lr": 0.1, "layers": 2})
    scheduler.add("0002", {"lr": 0.1, "layers": 2})
    decision = _report(scheduler, "0001", 1, 0.6)
    assert (decision.action, decision.reason) == (
        "pause",
        "0.6 is number 1 of 2 trials at epoch 1; makes room for trial 0002 at epoch 0",
    )
    assert scheduler.choose(["0000", "0001", "0002"]).trial_id == "0002"
    assert _report(scheduler, "0002", 1, 0.4).action == "pause"
    assert scheduler.choose(["0000", "0001", "0002"]).trial_id == "0000"


def test_nobody_pauses_to_be_chosen_again() -> None:
    """Where all others run, have ended or are ahead, a trial goes on."""
    scheduler = _built(PBT(quantile=0), 3)
    for trial in ("0000", "0001", "0002"):
        scheduler.start(trial)
    assert scheduler.report("0002", 1, 0.1).action == "continue"
    scheduler.end("0000")
    assert scheduler.report("0001", 1, 0.2).reason == (
        "0.2 is number 1 of 2 trials at epoch 1; no other trial has to catch up"
    )


def test_a_lost_worker_s_trial_waits_again() -> None:
    """What is offered to be chosen waits, though the scheduler had seen it start: others make room for it."""
    scheduler = _built(PBT(quantile=0), 2)
    scheduler.start("0000")
    scheduler.start("0001")
    assert scheduler.choose(["0000"]).trial_id == "0000"
    assert scheduler.report("0001", 1, 0.5).action == "pause"


def test_the_lowest_take_over_the_uppermost() -> None:
    """By hand: of four trials the worst takes the best one's newest milestone and a config near to its."""
    scheduler = _built(PBT(resample_probability=0), 4)
    for trial, value in (("0003", 0.9), ("0001", 0.5), ("0002", 0.6)):
        scheduler.start(trial)
        assert scheduler.report(trial, 1, value).action in ("pause", "exploit")
    decision = _report(scheduler, "0000", 1, 0.4)
    assert (decision.action, decision.parent_trial, decision.parent_epoch) == ("exploit", "0003", 1)
    assert decision.cutoff == 0.5
    assert decision.config["layers"] == 2
    assert min(abs(decision.config["lr"] - 0.04 * factor) for factor in (0.8, 1.2)) < 1e-12
    assert decision.reason == "0.4 is among the lowest 1 of 4 trials; takes over trial 0003, 0.9 at its epoch 1"
    assert decision.parent_config == {"lr": 0.04, "layers": 2}
    assert decision.explored.startswith("times 0.8 or 1.2, or drawn anew: lr 0.04 → 0.0")
    assert decision.explored.endswith(", layers stays 2")
    assert scheduler.needed() >= {("0003", 1)}
    assert ("0000", 1) not in scheduler.needed()


def test_exploring_another_branch_brings_its_parameters() -> None:
    """The explored config has the new branch's parameters alone, and the reason names them."""
    space = {"schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}})}
    seen = set()
    for seed in range(12):
        scheduler = PBT(resample_probability=1).build(Setting(space, "max", 8, 2, seed))
        scheduler.add("0000", {"schedule": "cyclic", "period": 3})
        scheduler.add("0001", {"schedule": "constant"})
        _report(scheduler, "0001", 1, 0.9)
        decision = _report(scheduler, "0000", 1, 0.1)
        assert fits(space, decision.config)
        if decision.config["schedule"] == "cyclic":
            assert f"schedule constant → cyclic, period {decision.config['period']}, new" in decision.explored
        seen.add(decision.config["schedule"])
    assert seen == {"constant", "cyclic"}


def test_a_donor_s_checkpoint_is_needed_until_the_receiver_has_its_own() -> None:
    """Even when the donor has gone on meanwhile, or has ended."""
    scheduler = _built(PBT(), 2)
    _report(scheduler, "0001", 1, 0.9)
    assert _report(scheduler, "0000", 1, 0.1).parent_trial == "0001"
    _report(scheduler, "0001", 2, 0.95)
    assert scheduler.needed() == {("0001", 1), ("0001", 2)}
    scheduler.end("0001")
    assert scheduler.needed() == {("0001", 1)}
    _report(scheduler, "0000", 2, 0.97)
    assert scheduler.needed() == {("0000", 2)}
    scheduler.end("0000")
    assert scheduler.needed() == set()


def test_an_exploited_trial_is_no_donor_until_it_reports() -> None:
    """Its score belongs to weights it has given up."""
    scheduler = _built(PBT(quantile=0.5), 4)
    _report(scheduler, "0000", 1, 0.9)
    assert _report(scheduler, "0001", 1, 0.5).action == "exploit"
    scheduler.end("0000")
    assert _report(scheduler, "0002", 1, 0.4).action == "pause"


def test_equals_do_not_exploit_each_other() -> None:
    """At the beginning all may be equally bad: nothing would be gained."""
    scheduler = _built(PBT(quantile=0.5), 3)
    for epoch in (1, 2):
        assert {_report(scheduler, f"{i:04d}", epoch, 0.1).action for i in range(3)} == {"pause"}


def test_ended_trials_are_out_of_it() -> None:
    """Neither as donors nor in the quantiles, as Ray has it."""
    scheduler = _built(PBT(), 3)
    _report(scheduler, "0000", 1, 0.9)
    scheduler.end("0000")
    assert _report(scheduler, "0001", 1, 0.2).action == "pause"
    assert _report(scheduler, "0002", 1, 0.1).parent_trial == "0001"


def test_the_last_epoch_is_no_time_to_explore() -> None:
    """The worst trial's last report is answered with continue: it is done."""
    scheduler = _built(PBT(), 2, epochs=2)
    _report(scheduler, "0001", 1, 0.9)
    assert _report(scheduler, "0000", 2, 0.1).action == "continue"


class _Controller:
    """What Ray's scheduler needs of Tune's controller."""

    search_alg = None

    def __init__(self, trials: list[Any]) -> None:
        self._trials = trials

    def get_trials(self) -> list[Any]:
        return self._trials

    def _schedule_trial_save(self, trial: Any, result: object) -> str:
        return f"checkpoint of {trial.trial_id}"

    def pause_trial(self, trial: Any, should_checkpoint: bool) -> None:
        trial.status = "PAUSED"


class _Trial:
    """What Ray's scheduler needs of Tune's trial."""

    experiment_tag = ""
    evaluated_params: dict[str, object] = {}  # noqa: RUF012

    def __init__(self, trial_id: str, config: dict[str, Any]) -> None:
        self.trial_id, self.config, self.status = trial_id, config, "RUNNING"
        manager = SimpleNamespace(checkpoint_config=SimpleNamespace(num_to_keep=None))
        self.run_metadata = SimpleNamespace(checkpoint_manager=manager)

    def is_finished(self) -> bool:
        return self.status == "TERMINATED"

    def set_experiment_tag(self, tag: str) -> None:
        self.experiment_tag = tag

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config


@given(
    trials=st.integers(2, 9),
    quantile=st.sampled_from([0, 0.1, 0.25, 0.4, 0.5]),
    mode=st.sampled_from(["max", "min"]),
    seed=st.integers(0, 10_000),
    interval=st.integers(1, 3),
)
def test_who_exploits_whom_is_as_in_ray(trials: int, quantile: float, mode: str, seed: int, interval: int) -> None:
    """On the same scores, in the same order, Ray has the same quantiles, the same exploits, and our donor to choose."""
    from ray.tune.schedulers import PopulationBasedTraining
    from ray.tune.search.sample import loguniform

    epochs = interval * 6
    settings = PBT(interval=interval, quantile=quantile, resample_probability=0)
    ours = _built(settings, trials, mode=mode, epochs=epochs)
    theirs = PopulationBasedTraining(
        time_attr="epoch",
        metric="m",
        mode=mode,
        perturbation_interval=interval,
        hyperparam_mutations={"lr": loguniform(1e-4, 1)},
        quantile_fraction=quantile,
        resample_probability=0,
        log_config=False,
    )
    fakes = [_Trial(f"{i:04d}", {"lr": 0.01 * (i + 1), "layers": 2}) for i in range(trials)]
    controller = _Controller(fakes)
    for fake in fakes:
        theirs.on_trial_add(controller, fake)
        ours.start(fake.trial_id)
    rng = np.random.default_rng(seed)
    reached = dict.fromkeys(range(trials), 0)
    clock = dict.fromkeys(range(trials), 0)
    own_weights: dict[int, bool] = dict.fromkeys(range(trials), False)
    while reached:
        i = int(rng.choice(list(reached)))
        reached[i] += interval
        fake, value = fakes[i], float(rng.normal())
        if reached[i] == epochs:
            ours.report(fake.trial_id, epochs, value)
            ours.end(fake.trial_id)
            fake.status = "TERMINATED"
            del reached[i]
            continue
        decision = ours.report(fake.trial_id, reached[i], value)
        ours.start(fake.trial_id)
        fake.status = "RUNNING"
        # Ray keeps checkpoints of the upper quantile alone; ours are left at every milestone.
        for j, state in zip(range(trials), theirs._trial_state.values(), strict=True):
            state.last_checkpoint = f"checkpoint of {fakes[j].trial_id}" if own_weights[j] else None
        offered: list[list[str]] = []

        def choose(upper: list[Any], offered: list[list[str]] = offered, ours: Decision = decision) -> Any:
            if not isinstance(upper[0], _Trial):
                return upper[0]
            offered.append([trial.trial_id for trial in upper])
            ours_among_them = [trial for trial in upper if trial.trial_id == ours.parent_trial]
            return (ours_among_them or [t for t in upper if not own_weights[int(t.trial_id)]] or upper)[0]

        clock[i] = theirs._trial_state[fake].last_perturbation_time + interval
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(random, "choice", choose)
            theirs.on_trial_result(controller, fake, {"epoch": clock[i], "m": value})
        assert (decision.action == "exploit") == (fake.status == "PAUSED")
        own_weights[i] = decision.action != "exploit"
        if decision.action == "exploit":
            assert decision.parent_trial in offered[0]
            fake.config = dict(decision.config)


@pytest.mark.parametrize(
    "fields",
    [
        {"interval": 0},
        {"interval": 1.5},
        {"quantile": 0.51},
        {"quantile": -0.1},
        {"quantile": True},
        {"resample_probability": 1.1},
        {"resample_probability": "0.5"},
        {"other": 1},
    ],
)
def test_fields_have_ranges(fields: dict[str, object]) -> None:
    """What is not allowed is refused when the settings become part of a job."""
    with pytest.raises(ValidationError):
        TypeAdapter(AnyScheduler).validate_python({"kind": "pbt", **fields})


def test_what_does_not_fit_the_budget_is_a_fault() -> None:
    """The interval has to be reached, and one trial is no population."""
    assert PBT(interval=8).faults(epochs=8, trials=2) == []
    assert [str(fault) for fault in PBT(interval=9).faults(epochs=8, trials=1)] == [
        "scheduler.interval: must be at most budget.epochs, which is 8; found 9",
        "budget.trials: must be at least 2: a population; found 1",
    ]


def test_explored_configs_depend_on_the_seed_alone() -> None:
    """The same seed explores the same, another one differs, and the global random state is left alone."""

    def explored(seed: int) -> Any:
        scheduler = PBT(resample_probability=1).build(Setting(_SPACE, "max", 8, 2, seed))
        for i in range(2):
            scheduler.add(f"{i:04d}", {"lr": 0.1, "layers": 2})
        _report(scheduler, "0001", 1, 0.9)
        return _report(scheduler, "0000", 1, 0.1).config

    before = (random.getstate(), np.random.get_state()[1].tolist())
    assert explored(1) == explored(1)
    assert explored(1) != explored(2)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
