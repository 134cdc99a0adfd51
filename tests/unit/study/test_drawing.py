"""Which config a study tries as its number i."""

from typing import Any

import pytest

from pipeline.errors import InvalidJob
from pipeline.searchers import SEARCHERS, Tried
from pipeline.space import Choice, IntUniform, LogUniform, Switch, Uniform, fits
from pipeline.study import Budget, Objective, TuneJob
from pipeline.study.drawing import config_of_trial, fewer, trials_in_all

_SPACE = {
    "lr": LogUniform(0.001, 1.0),
    "momentum": Uniform(0, 1),
    "schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}}),
    "width": 64,
}


def _build(config: dict[str, Any]) -> None:
    """Stands for a user's function."""


def _job(**fields: Any) -> TuneJob:
    return TuneJob(**{"name": "a", "function": _build, "space": _SPACE, "objectives": Objective("v", "max"), **fields})


@pytest.mark.parametrize("kind", SEARCHERS)
def test_starts_come_first_and_draws_follow_as_without_them(kind: str) -> None:
    """Trials 0 and 1 are the starts, then comes what the searcher draws from its number 0; a grid leaves out starts."""
    space = {"a": Choice([1, 2, 3]), "b": Choice([4, 5]), **({} if kind == "grid" else _SPACE)}
    starts = [{"a": 3, "b": 5}, {"a": 2}]
    job, plain = _job(space=space, searcher=kind, start_with=starts), _job(space=space, searcher=kind)
    configs = [config_of_trial(job, index) for index in range(5)]
    assert (configs[0]["a"], configs[0]["b"], configs[1]["a"]) == (3, 5, 2)
    drawn = (config_of_trial(plain, index) for index in range(5))
    assert configs[2:] == [config for config in drawn if kind != "grid" or config not in configs[:2]][:3]
    assert all(fits(job.space, config) for config in configs)


@pytest.mark.parametrize("kind", ["random", "sobol"])
def test_what_the_study_it_starts_from_has_drawn_is_not_drawn_again(kind: str) -> None:
    """Though both have the same seed; the draws are the same each time."""
    source = _job(searcher=kind)
    further = _job(searcher=kind, start_from={"study": "a"}, name="b")
    drawn = [config_of_trial(further, index) for index in range(5)]
    assert not [config for config in drawn if config in [config_of_trial(source, index) for index in range(8)]]
    assert drawn == [config_of_trial(further, index) for index in range(5)]


def test_what_a_start_leaves_out_is_drawn() -> None:
    """From the seed and the trial's number alone; a start that names a branch gets the branch's parameters."""
    job = _job(start_with=[{"schedule": "cyclic", "momentum": 0}, {"lr": 0.5}])
    first, second = config_of_trial(job, 0), config_of_trial(job, 1)
    assert (first["schedule"], first["momentum"], second["lr"]) == ("cyclic", 0.0, 0.5)
    assert type(first["momentum"]) is float
    assert list(first) == ["lr", "momentum", "schedule", "period", "width"]
    assert config_of_trial(job, 0) == first
    assert config_of_trial(job.replaced({"seed": 1}), 0)["lr"] != first["lr"]


def test_every_fault_of_every_start_is_told() -> None:
    """Unknown names, values beyond a domain, what belongs to another branch, what the space fixes."""
    with pytest.raises(InvalidJob) as refused:
        _job(
            start_with=[
                {"lr": 2.0, "rate": 1},
                {"schedule": "constant", "period": 3},
                {"schedule": "linear", "width": 32},
                {"schedule": "cyclic", "period": 3, "lr": 0.1, "momentum": 0.9, "width": 64},
            ]
        )
    assert [str(fault) for fault in refused.value.faults] == [
        "start_with.0.lr: must be a value of its domain, LogUniform(low=0.001, high=1.0); found 2.0",
        "start_with.0.rate: no such parameter; there are lr, momentum, schedule, period, width; found 1",
        "start_with.1.period: must stand beside what it belongs to: schedule 'cyclic'; found 3",
        f"start_with.2.schedule: must be a value of its domain, {refused.value.faults[3].allowed.split(', ', 1)[1]}; "
        "found 'linear'",
        "start_with.2.width: must be 64, which the space fixes it at, or be left out; found 32",
    ]


def test_a_grid_trains_no_start_twice() -> None:
    """Every combination comes once, the starts first and the others in the grid's order, branches included."""
    space = {"s": Switch({"a": {"p": Choice([1, 2])}, "b": {"q": Choice(["x", "y"])}, "c": {}}), "n": Choice([1, 2, 3])}
    plain = _job(space=space, searcher="grid")
    grid = [config_of_trial(plain, index) for index in range(15)]
    starts = [{"s": "c", "n": 3}, {"s": "b", "q": "x", "n": 2}, {"n": 1, "s": "a", "p": 1}]
    job = plain.replaced({"start_with": starts})
    configs = [config_of_trial(job, index) for index in range(trials_in_all(job))]
    assert configs[:3] == [grid[14], grid[7], grid[0]]
    assert configs[3:] == [config for config in grid if config not in configs[:3]]


@pytest.mark.parametrize(
    ("fields", "trials"),
    [
        ({}, 16),
        ({"searcher": "grid", "space": {"a": Choice([1, 2, 3])}}, 3),
        ({"searcher": "grid", "space": {"a": Choice([1, 2, 3])}, "start_with": [{"a": 3}]}, 3),
        ({"searcher": "grid", "space": {"a": Choice([1, 2, 3])}, "start_with": [{"a": 3}, {"a": 3}]}, 4),
        ({"searcher": "grid", "space": {"a": Choice([1, 2, 3])}, "budget": Budget(trials=2)}, 2),
        ({"searcher": "grid", "space": {"s": Switch({"a": {"p": Choice([1, 2])}, "b": {}})}}, 3),
        ({"space": {"a": 1}}, 1),
        ({"space": {"a": 1}, "start_with": [{"a": 1}]}, 1),
        ({"space": {"a": 1}, "trial_seeds": True}, 16),
    ],
)
def test_a_study_has_as_many_trials_as_there_are_configs(fields: dict[str, Any], trials: int) -> None:
    """Its budget, or all combinations and what it starts with; one where nothing is drawn."""
    assert trials_in_all(_job(**fields)) == trials


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, None),
        ({"space": {"a": 1}}, "all 16 trials would be alike: 1 is run"),
        ({"space": {"a": 1}, "trial_seeds": True}, None),
        ({"space": {"a": 1}, "budget": Budget(trials=1)}, None),
        (
            {"searcher": "grid", "space": {"a": Choice([1, 2, 3])}},
            "There are 3 configs to draw: 3 trials are run, not 16",
        ),
    ],
)
def test_fewer_trials_than_the_budget_are_explained(fields: dict[str, Any], told: str | None) -> None:
    """Constants alone make one trial, a grid as many as it has; both are said, and nothing else is."""
    said = fewer(_job(**fields))
    assert said is None if told is None else told in str(said)


def test_what_was_tried_in_another_space_is_not_learned_from() -> None:
    """Domains may have changed since: a config that is none of the space's any more is left out."""
    job = _job(searcher="tpe", space={"a": Choice([1, 2])})
    good = [Tried({"a": 1 + index % 2}, "known", float(index)) for index in range(12)]
    alien = [Tried({"a": 7}, "known", -100.0)]
    assert config_of_trial(job, 12, good + alien) == config_of_trial(job, 12, good)
