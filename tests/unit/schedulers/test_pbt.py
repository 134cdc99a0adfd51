"""Population based training."""

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.schedulers import PBT, AnyScheduler, Decision, SchedulerContext
from pipeline.space import IntUniform, Switch, fits
from tests.unit.schedulers.population import SPACE, population, report


def test_exploring_another_branch_brings_its_parameters() -> None:
    """A config explored in another branch has the new branch's parameters alone, and the reason names them."""
    space = {"schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}})}
    seen = set()
    for seed in range(12):
        scheduler = PBT(resample_probability=1).build(SchedulerContext(space, "max", 8, 2, seed))
        scheduler.add("0000", {"schedule": "cyclic", "period": 3})
        scheduler.add("0001", {"schedule": "constant"})
        report(scheduler, "0001", 1, 0.9)
        decision = report(scheduler, "0000", 1, 0.1)
        assert fits(space, decision.config)
        if decision.config["schedule"] == "cyclic":
            assert f"schedule constant → cyclic, period {decision.config['period']}, new" in decision.explored
        seen.add(decision.config["schedule"])
    assert seen == {"constant", "cyclic"}


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
def test_quantiles_and_exploits_equal_those_of_ray(
    trials: int, quantile: float, mode: str, seed: int, interval: int
) -> None:
    """On the same scores in the same order, Ray has the same quantiles and exploits, and its donors include ours."""
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
        {"factors": []},
        {"factors": [0]},
        {"factors": 1.2},
        {"grace_period": 0},
        {"explore": 3},
        {"explore": [3]},
        {"explore": {"lr": 3}},
        {"other": 1},
    ],
)
def test_fields_have_ranges(fields: dict[str, object]) -> None:
    """A setting outside of its range is refused when the job is created."""
    with pytest.raises(ValidationError):
        TypeAdapter(AnyScheduler).validate_python({"kind": "pbt", **fields})


def test_explored_configs_depend_on_the_seed_alone() -> None:
    """The same seed explores the same configs, another one others, and the global random state is unchanged."""

    def explored(seed: int) -> Any:
        scheduler = PBT(resample_probability=1).build(SchedulerContext(SPACE, "max", 8, 2, seed))
        for i in range(2):
            scheduler.add(f"{i:04d}", {"lr": 0.1, "layers": 2})
        report(scheduler, "0001", 1, 0.9)
        return report(scheduler, "0000", 1, 0.1).config

    before = (random.getstate(), np.random.get_state()[1].tolist())
    assert explored(1) == explored(1)
    assert explored(1) != explored(2)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_hyperparameters_are_multiplied_by_the_factors() -> None:
    """A population multiplies by its own factors, and the reason names them."""
    scheduler = population(PBT(resample_probability=0, factors=(2, 0.5)), 2)
    report(scheduler, "0001", 1, 0.9)
    decision = report(scheduler, "0000", 1, 0.1)
    assert decision.config["lr"] in (0.01, 0.04)
    assert decision.explored.startswith("times 0.5 or 2, or resampled: lr 0.02 → 0.0")
