"""Schedulers and searchers of Ray Tune by their class paths; no Ray is started."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import given, strategies as st
from ray.tune.schedulers import PopulationBasedTraining

from pipeline import PBT, Choice, Grid, IntUniform, LogUniform, QUniform, Uniform, load_results, run
from pipeline.errors import Interrupted, InvalidJob, UsageError
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.schedulers import SCHEDULERS, RayScheduler, SchedulerContext
from pipeline.space import fits
from tests.rising_job import rising_job

MEDIAN = "ray.tune.schedulers.MedianStoppingRule"
ASHA = "ray.tune.schedulers.ASHAScheduler"
OPTUNA = "ray.tune.search.optuna.OptunaSearch"


def stacked(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A function whose score grows with the number of layers, and which changes its config."""
    layers = config["layers"]
    if layers is not None:
        layers.append(0)
    for step in range(1, 9):
        yield {"score": float(10 * len(layers or []) + step * config["u"])}


@pytest.mark.parametrize(
    ("path", "settings"),
    [(MEDIAN, {"grace_period": 1, "min_samples_required": 2}), (ASHA, {"grace_period": 1, "reduction_factor": 2})],
)
def test_a_study_ends_within_its_budget_and_is_not_resumed(tmp_path: Path, path: str, settings: Any) -> None:
    space = {"layers": Choice([None, [8], [16, 8]]), "u": Uniform(0, 1)}
    start = {"layers": [16, 8], "u": 0.5}
    theirs = rising_job(
        function=stacked, space=space, scheduler={"kind": path, **settings}, searcher=OPTUNA, start_with=[start]
    )
    run(theirs, storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "theirs")
    assert (results.state, len(results.trials), results.trials["epochs"].max()) == ("ended", 12, 6)
    assert results.best is not None
    assert results.best.config["layers"] == [16, 8]
    assert list(results.trials["config_u"]).count(0.5) == 1
    decisions = results.decisions[results.decisions["kind"] == "stop"]
    assert set(decisions["reason"]) == {f"decided by {path}, which gives no reason"}
    with pytest.raises(UsageError):
        run(theirs.replaced({"budget.trials": 20}), storage=tmp_path, resume=True)


def test_a_class_that_pauses_trials_is_refused(tmp_path: Path) -> None:
    settings = {"grace_period": 1, "min_samples_required": 1, "hard_stop": False}
    with pytest.raises(InvalidJob, match="promoting-asha pauses") as refused:
        run(
            rising_job(function=stacked, space={"layers": [8], "u": Grid([1.0, 0.5])}, searcher="grid",
                       scheduler={"kind": MEDIAN, **settings}), storage=tmp_path, note=lambda _: None,
        )  # fmt: skip
    assert [fault.field for fault in refused.value.faults] == ["scheduler"]


def interrupted(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    yield {"score": 1.0}
    raise KeyboardInterrupt


@pytest.mark.parametrize(("scheduler", "resumes"), [(ASHA, False), ("asha", True)])
def test_the_end_by_a_signal_advises_a_resume_only_if_there_is_one(tmp_path: Path, scheduler: str, resumes: bool):
    with pytest.raises(Interrupted, match="Its tables are complete") as ended:
        run(rising_job(function=interrupted, scheduler=scheduler), storage=tmp_path, note=lambda _: None)
    assert ("tunepipe resume" in str(ended.value)) == resumes


MISTAKES = [
    ({"scheduler": "ray.tune.schedulers.MedianStopping"}, "has no attribute"),
    ({"scheduler": "ray.tune.schedulers.create_scheduler"}, "no TrialScheduler"),
    ({"scheduler": {"kind": MEDIAN, "metric": "x"}}, "metric"),
    ({"scheduler": {"kind": ASHA, "grace_period": 100}}, "grace_period must be <= max_t"),
    ({"scheduler": "ray.tune.schedulers.HyperBandForBOHB"}, "tunepipe's own"),
    ({"searcher": "ray.tune.search.ConcurrencyLimiter"}, "tunepipe's own"),
    ({"searcher": {"kind": OPTUNA, "sampler": "tpe"}}, "AssertionError"),
]


@pytest.mark.parametrize(("fields", "reported"), MISTAKES)
def test_a_class_that_cannot_be_used_is_a_fault_before_anything_is_written(
    tmp_path: Path, fields: dict[str, Any], reported: str
) -> None:
    with pytest.raises(InvalidJob, match=reported) as refused:
        run(rising_job(**fields), storage=tmp_path, note=lambda _: None)
    assert [fault.field for fault in refused.value.faults] == list(fields)
    assert list(tmp_path.iterdir()) == []


@given(
    rule=st.tuples(st.just(ASHA), st.just("reduction_factor"), st.floats(2, 5))
    | st.tuples(st.just(MEDIAN), st.just("min_samples_required"), st.integers(1, 4)),
    grace=st.integers(1, 3),
    mode=st.sampled_from(["max", "min"]),
    epochs=st.integers(3, 30),
    reports=st.lists(st.tuples(st.integers(0, 8), st.integers(-4, 4)), min_size=40, max_size=200),
)
def test_asha_and_median_stopping_stop_the_trials_that_rays_classes_stop(
    rule: tuple[str, str, float], grace: int, mode: Any, epochs: int, reports: list[tuple[int, int]]
) -> None:
    """With a factor of at least 2, no two rungs of Ray's are in one epoch. Sums of eighths are exact."""
    path, name, number = rule
    settings, context = {"grace_period": grace, name: number}, SchedulerContext({}, mode, epochs, 9, 0)
    theirs = ray_scheduler(rising_job(scheduler=RayScheduler(path, settings)))(context)
    native = SCHEDULERS["asha" if path == ASHA else "median"](**settings)
    both, reached = (native.build(context), theirs), dict.fromkeys(range(9), 0)
    for trial in reached:
        for each in both:
            each.add(f"{trial}", {})
    for trial, value in reports:
        if trial in reached:
            reached[trial] += 1
            ours, rays = (each.on_result(f"{trial}", reached[trial], value / 8).action for each in both)
            assert ours == rays, (trial, reached[trial])
            if ours == "stop" or reached[trial] == epochs:
                del reached[trial]
                for each in both:
                    each.end(f"{trial}")


@given(
    quantile=st.sampled_from([0.0, 0.1, 0.25, 0.4, 0.5]),
    mode=st.sampled_from(["max", "min"]),
    trials=st.integers(1, 9),
    values=st.permutations(range(60)),
    turns=st.lists(st.integers(0, 8), min_size=30, max_size=60),
)
def test_pbt_exploits_where_rays_population_based_training_does(
    quantile: float, mode: Any, trials: int, values: list[int], turns: list[int]
) -> None:
    """In addition to Ray's rule, a donor must be strictly better, and have trained since it copied weights itself."""
    mutations = {"quantile_fraction": quantile, "hyperparam_mutations": {"u": [1, 2]}, "log_config": False}
    theirs = PopulationBasedTraining("t", "v", mode, 1, **mutations)
    ours = PBT(quantile=quantile).build(SchedulerContext({"u": Choice([1, 2])}, mode, 100, trials, 0))
    members = {f"{n}": MagicMock(trial_id=f"{n}", config={"u": 1}) for n in range(trials)}
    controller = MagicMock(search_alg=None)
    for trial, member in members.items():
        member.is_finished.return_value = False
        member.run_metadata.checkpoint_manager.checkpoint_config.num_to_keep = None
        theirs.on_trial_add(controller, member)
        ours.add(trial, member.config)
    newest, copied = dict[str, int](), set[str]()
    for epoch, (turn, value) in enumerate(zip(turns, values, strict=False), start=1):
        trial = f"{turn % trials}"
        newest[trial] = value if mode == "max" else -value
        copied.discard(trial)
        theirs.on_trial_result(controller, members[trial], {"t": epoch, "v": value})
        # Its public methods draw one of the upper trials, and need one that has been there when it reported.
        lower, upper = ({one.trial_id for one in some} for some in theirs._quantiles())  # noqa: SLF001
        donors = {one for one in upper - copied if newest[one] > newest[trial]} if trial in lower else set()
        ours.start(trial)
        decision = ours.on_result(trial, epoch, value)
        assert (decision.action == "exploit") == bool(donors)
        if decision.action == "exploit":
            assert decision.parent_trial in donors
            copied.add(trial)


ALL_KINDS = {
    "a": Uniform(0, 1), "b": LogUniform(1e-3, 1.0), "c": IntUniform(2, 5), "e": QUniform(0.1, 0.9, 0.2),
    "f": Choice(["x", 2, True]), "g": Grid([2, 4]), "h": 7, "j": IntUniform(8, 64, log=True, step=8),
}  # fmt: skip


def test_a_searcher_draws_from_every_kind_of_domain() -> None:
    theirs = rising_job(space=ALL_KINDS, searcher=OPTUNA)
    draw, again = ray_draw(theirs), ray_draw(theirs)
    configs = [draw(index, [], ()).config for index in range(40)]
    assert all(fits(ALL_KINDS, config) for config in configs)
    assert {(type(config["c"]), type(config["f"]), type(config["g"])) for config in configs} == {
        (int, kind, int) for kind in (str, int, bool)
    }
    assert {round(config["e"], 9) for config in configs} == {0.2, 0.4, 0.6, 0.8}
    assert [again(index, [], ()).config for index in range(40)] == configs
