"""Populations: PBT and PB2."""

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.schedulers import PB2, PBT, Decision, Scheduler, SchedulerContext
from pipeline.space import Choice, IntUniform, LogUniform, Space, Switch, Uniform, fits

SPACE = {"lr": LogUniform(1e-4, 1), "layers": 2}


def population(
    settings: PBT, trials: int, *, added: int | None = None, mode: Any = "max", epochs: int = 8
) -> Scheduler:
    scheduler = settings.build(SchedulerContext(SPACE, mode, epochs, trials, 0))
    for i in range(trials if added is None else added):
        scheduler.add(f"{i:04d}", {"lr": 0.01 * (i + 1), "layers": 2})
    return scheduler


def report(scheduler: Scheduler, trial: str, epoch: int, value: float) -> Decision:
    scheduler.start(trial)
    return scheduler.on_result(trial, epoch, value)


def test_a_donor_s_checkpoint_is_needed_until_the_receiver_has_its_own() -> None:
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


_WIDTHS: Space = {"lr": LogUniform(1e-4, 1), "width": IntUniform(4, 64), "act": Choice(["relu", "tanh"]), "fixed": 2}


@pytest.mark.parametrize("kind", [PBT, PB2])
def test_hyperparameters_that_are_not_explored_are_the_donor_s(kind: Any) -> None:
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


class _Controller:
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
def test_quantiles_and_exploits_equal_those_of_ray(
    trials: int, quantile: float, mode: str, seed: int, interval: int
) -> None:
    from ray.tune.schedulers import PopulationBasedTraining
    from ray.tune.search.sample import loguniform

    epochs = interval * 6
    settings = PBT(interval=interval, quantile=quantile, resample_probability=0)
    ours = population(settings, trials, mode=mode, epochs=epochs)
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
            ours.on_result(fake.trial_id, epochs, value)
            ours.end(fake.trial_id)
            fake.status = "TERMINATED"
            del reached[i]
            continue
        decision = ours.on_result(fake.trial_id, reached[i], value)
        ours.start(fake.trial_id)
        fake.status = "RUNNING"
        # Ray keeps checkpoints of the upper quantile alone; ours are left at every milestone.
        for j, state in zip(range(trials), theirs._trial_state.values(), strict=True):  # noqa: SLF001
            state.last_checkpoint = f"checkpoint of {fakes[j].trial_id}" if own_weights[j] else None
        offered: list[list[str]] = []

        def choose(upper: list[Any], offered: list[list[str]] = offered, ours: Decision = decision) -> Any:
            if not isinstance(upper[0], _Trial):
                return upper[0]
            offered.append([trial.trial_id for trial in upper])
            ours_among_them = [trial for trial in upper if trial.trial_id == ours.parent_trial]
            return (ours_among_them or [t for t in upper if not own_weights[int(t.trial_id)]] or upper)[0]

        clock[i] = theirs._trial_state[fake].last_perturbation_time + interval  # noqa: SLF001
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(random, "choice", choose)
            theirs.on_trial_result(controller, fake, {"epoch": clock[i], "m": value})
        assert (decision.action == "exploit") == (fake.status == "PAUSED")
        own_weights[i] = decision.action != "exploit"
        if decision.action == "exploit":
            assert decision.parent_trial in offered[0]
            fake.config = dict(decision.config)


_PB2_SPACE: Space = {"lr": LogUniform(1e-4, 1), "momentum": Uniform(0, 1), "layers": 2}


def _population(settings: Any, *, space: Space = _PB2_SPACE, mode: Any = "max", seed: int = 0) -> Scheduler:
    scheduler = settings.build(SchedulerContext(space, mode, 100, 6, seed))
    rng = np.random.default_rng(seed)
    for i in range(6):
        scheduler.add(f"{i:04d}", {n: d.draw(rng) if hasattr(d, "draw") else d for n, d in space.items()})
    return scheduler


def test_a_gain_after_an_exploit_counts_from_the_donor() -> None:
    scheduler = _population(PB2())
    for trial, epoch, value in [("0001", 1, 0.9), ("0000", 1, 0.1)]:
        scheduler.start(trial)
        decision = scheduler.on_result(trial, epoch, value)
    assert decision.parent_trial == "0001"
    scheduler.start("0000")
    scheduler.on_result("0000", 3, 1.1)
    (epoch, before, config, gain) = scheduler.state()["gains"][-1]
    assert (epoch, before, config) == (3, 0.9, decision.config)
    assert gain == pytest.approx(0.1)


_EXPLORED = {
    "lr": LogUniform(1e-4, 1),
    "width": IntUniform(4, 64),
    "how": Switch({"slow": {"rate": Uniform(0, 1)}, "fast": {"rate": Uniform(0, 9)}}),
    "fixed": 3,
}


@pytest.mark.parametrize(
    ("explore", "faults"),
    [
        (None, []),
        (["lr", "rate", "fixed"], []),
        ({"lr": LogUniform(1e-3, 1), "rate": Uniform(0, 0.5), "width": Choice((8, 16)), "how": None}, []),
        ({"fixed": Uniform(0, 1)}, []),
        (["wdth"], ["scheduler.explore"]),
        ({"lr": Uniform(0, 1)}, ["scheduler.explore.lr"]),
        ({"width": Choice((8, 128))}, ["scheduler.explore.width"]),
        ({"rate": Uniform(0, 2)}, ["scheduler.explore.rate"]),
        ({"how": Choice(("slow",))}, ["scheduler.explore.how"]),
    ],
)
def test_names_and_domains_beyond_the_space_are_faults(explore: Any, faults: list[str]) -> None:
    assert [fault.field for fault in PBT(explore=explore).space_faults(_EXPLORED)] == faults
