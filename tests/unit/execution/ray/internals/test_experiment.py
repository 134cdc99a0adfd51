"""What tunepipe changes for an experiment of Ray Tune, and what it reads of one."""

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.execution.ray import internals


def test_tunes_environment_of_actors_comes_back() -> None:
    """Tune's environment of actors is empty within the context only."""
    from ray.tune.execution import class_cache

    before = dict(class_cache.DEFAULT_ENV_VARS)
    assert before
    with internals.plain_actors():
        assert not class_cache.DEFAULT_ENV_VARS
    assert before == class_cache.DEFAULT_ENV_VARS


def test_an_experiment_is_saved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller of Tune saves its experiment once within the context, and each time after it."""
    from ray.tune.execution.tune_controller import TuneController

    saved: list[tuple[str, bool]] = []
    monkeypatch.setattr(TuneController, "checkpoint", lambda self, force=False: saved.append((self.name, force)))

    class Named(TuneController):
        """A controller without an experiment."""

        def __init__(self, name: str) -> None:
            self.name = name

    first, second = Named("first"), Named("second")
    with internals.experiment_saved_once():
        for controller in (first, first, second, first):
            controller.checkpoint(force=True)
    assert saved == [("first", True), ("second", True)]
    first.checkpoint()
    assert saved[2:] == [("first", False)]


def test_tune_keeps_no_history_of_metrics() -> None:
    """Within the context, Tune keeps no metric values and reads no results, and afterwards both work as before."""
    from ray.tune import ExperimentAnalysis
    from ray.tune.trainable.metadata import _TrainingRunMetadata

    inside, after = _TrainingRunMetadata(), _TrainingRunMetadata()
    analysis = dict(vars(ExperimentAnalysis))
    with internals.results_not_kept():
        inside.update_metric("value", 1.0)
        replaced = [name for name, value in vars(ExperimentAnalysis).items() if value is not analysis[name]]
    assert (inside.metric_analysis, inside.metric_n_steps) == ({}, {})
    after.update_metric("value", 1.0)
    assert after.metric_analysis["value"]["last"] == 1.0
    assert len(replaced) == 1
    assert dict(vars(ExperimentAnalysis)) == analysis


def test_the_arguments_of_a_scheduler_are_read() -> None:
    """The arguments of a Ray scheduler, such as metric, mode and max_t, are read from its attributes."""
    from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule

    asha = ASHAScheduler(metric="loss", mode="min", max_t=27, grace_period=3, reduction_factor=3)
    known = ("kind", "metric", "mode", "longest", "grace", "factor")
    assert [internals.scheduler_facts(asha)[name] for name in known] == [
        "AsyncHyperBandScheduler",
        "loss",
        "min",
        27,
        3,
        3,
    ], "Ray no longer keeps a scheduler's arguments under these names, which scheduler_facts reads."
    assert internals.scheduler_facts(MedianStoppingRule(grace_period=4))["grace"] == 4
    assert internals.scheduler_facts(None) == {}


def test_mutations_and_lengths_are_read() -> None:
    """The longest trial and the factor of Ray's HyperBand, and what its populations change, are read."""
    from ray.tune.schedulers import HyperBandScheduler, PopulationBasedTraining
    from ray.tune.schedulers.pb2 import PB2

    message = "Ray no longer keeps a scheduler's arguments under these names, which scheduler_facts reads."
    hyperband = internals.scheduler_facts(HyperBandScheduler(max_t=27, reduction_factor=4))
    assert [hyperband[name] for name in ("longest", "factor", "time")] == [27, 4, "training_iteration"], message
    pbt = internals.scheduler_facts(PopulationBasedTraining(hyperparam_mutations={"lr": [1, 2]}))
    assert pbt["mutations"] == {"lr": [1, 2]}, message
    pb2 = internals.scheduler_facts(PB2(hyperparam_bounds={"lr": [1, 2]}))
    assert (pb2["kind"], pb2["mutations"]) == ("PB2", {"lr": [1, 2]}), message


def test_the_arguments_of_a_search_algorithm_are_read() -> None:
    """Metrics, points and the space of a search algorithm within a ConcurrencyLimiter are read."""
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    search = OptunaSearch(None, metric=["a", "b"], mode=["min", "max"], points_to_evaluate=[{"x": 1}])
    facts = internals.searcher_facts(ConcurrencyLimiter(search, max_concurrent=1))
    assert facts == {
        "kind": "OptunaSearch",
        "metric": ["a", "b"],
        "mode": ["min", "max"],
        "space": None,
        "points": [{"x": 1}],
    }, "Ray no longer keeps the arguments of a search algorithm under the names that searcher_facts reads."
    assert internals.searcher_facts("random")["kind"] == "random"


def test_facts_of_stoppers_are_read() -> None:
    """The limits of Ray's stoppers are read from the attributes that keep them."""
    from ray.tune import stopper

    message = "Ray no longer keeps the arguments of a stopper under the names that stopper_facts reads."
    assert internals.stopper_facts(stopper.MaximumIterationStopper(3))["longest"] == 3, message
    assert internals.stopper_facts(stopper.TimeoutStopper(5))["seconds"] == 5, message
    assert len(internals.stopper_facts(stopper.CombinedStopper(stopper.NoopStopper()))["stoppers"]) == 1, message
    assert set(internals.stopper_facts(lambda: None).values()) == {None}


def test_reports_reach_an_object_of_tunepipe() -> None:
    """The functions ray.tune.report and get_checkpoint use Ray's session, which tunepipe replaces."""
    from ray import tune
    from ray.train._internal import session as sessions

    assert "_session" in vars(sessions), "Ray no longer has train._internal.session._session, which reporting_to sets."
    reported: list[Any] = []
    session = SimpleNamespace(
        world_rank=None, loaded_checkpoint="kept", trial_id="0003", report=lambda metrics, **_: reported.append(metrics)
    )
    with internals.reporting_to(session):
        tune.report({"loss": 1.0})
        assert (tune.get_checkpoint(), tune.get_context().get_trial_id()) == ("kept", "0003")
    assert reported == [{"loss": 1.0}]
    assert vars(sessions)["_session"] is None


def test_the_steps_of_a_trainable_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """`training_iteration` of a Trainable is what is set; without the name in Ray, the consequence is said."""
    from ray import tune

    trainable = tune.Trainable(config={})
    internals.set_iteration(trainable, 3)
    assert trainable.training_iteration == 3, "Ray's Trainable no longer counts its steps in _iteration."
    internals.set_iteration(SimpleNamespace(), 3)
    assert "training_iteration stays at 0" in capsys.readouterr().err


def test_an_argument_that_a_scheduler_no_longer_keeps_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """An argument that a scheduler takes and does not keep under its old name is named once; others are not."""

    class Renamed:
        """A scheduler that keeps its arguments elsewhere."""

        def __init__(self, metric: str = "loss", max_t: int = 9) -> None:
            self._metric, self.longest = metric, max_t

    for _ in range(2):
        assert internals.scheduler_facts(Renamed())["longest"] is None
    expected = "tunepipe: This version of Ray has no Renamed._max_t: the job has its own default instead of max_t."
    assert capsys.readouterr().err.splitlines() == [expected]
