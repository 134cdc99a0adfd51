"""Classes of Ray Tune by their paths: an unusable one is reported before anything starts."""

from typing import Any

import pytest
from ray.tune.schedulers import HyperBandScheduler, TrialScheduler

from pipeline import Budget, Objective, TuneJob, Uniform
from pipeline.errors import InvalidJob
from pipeline.execution.ray.plugin_class import build_plugin, plugin_errors
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.schedulers import SchedulerContext

MEDIAN = "ray.tune.schedulers.MedianStoppingRule"
ASHA = "ray.tune.schedulers.ASHAScheduler"
OPTUNA = "ray.tune.search.optuna.OptunaSearch"


def function(config: Any) -> Any:
    """A function that is never called here."""


def build(**fields: Any) -> None:
    """Build the classes that a job names."""
    job = TuneJob(
        name="theirs",
        function=function,
        space={"a": Uniform(0, 1)},
        objectives=Objective("score", "max"),
        budget=Budget(trials=12, epochs=6),
        **fields,
    )
    if (scheduler := ray_scheduler(job)) is not None:
        scheduler(SchedulerContext(job.space, "max", 6, 12, 0))
    ray_draw(job)


MISTAKES = [
    ({"scheduler": "ray.tune.schedulers.MedianStopping"}, "scheduler: .*did you mean MedianStoppingRule"),
    ({"scheduler": "ray.tune.schedulers.nowhere.X"}, "scheduler: must be a class of Ray Tune that can be imported"),
    ({"scheduler": "ray.tune.schedulers.create_scheduler"}, "scheduler: must be a TrialScheduler of Ray Tune"),
    ({"scheduler": {"kind": MEDIAN, "metric": "x"}}, "scheduler.metric: must be left out: the study sets it"),
    ({"scheduler": {"kind": MEDIAN, "gracep": 1}}, "scheduler.gracep: no such setting; .*did you mean grace_period"),
    ({"scheduler": {"kind": ASHA, "grace_period": 100}}, "scheduler: .*grace_period must be <= max_t"),
    ({"scheduler": "ray.tune.schedulers.HyperBandScheduler"}, "scheduler: .*use hyperband"),
    ({"scheduler": "ray.tune.schedulers.HyperBandForBOHB"}, "scheduler: .*use hyperband"),
    ({"scheduler": "ray.tune.schedulers.PopulationBasedTraining"}, "scheduler: .*use pbt or pb2"),
    ({"scheduler": "ray.tune.schedulers.ResourceChangingScheduler"}, "scheduler: .*resources stay as the job says"),
    ({"searcher": "ray.tune.search.BasicVariantGenerator"}, "searcher: must be a Searcher of Ray Tune"),
    ({"searcher": "ray.tune.search.ConcurrencyLimiter"}, "searcher: .*how many trials run in parallel"),
    ({"searcher": {"kind": OPTUNA, "space": {}}}, "searcher.space: must be left out: the study sets it"),
    ({"searcher": {"kind": OPTUNA, "sampler": "tpe"}}, "searcher: must work here; its error is: AssertionError"),
]


@pytest.mark.parametrize(("fields", "reported"), MISTAKES)
def test_a_class_that_cannot_be_used_is_a_fault(fields: dict[str, Any], reported: str) -> None:
    """A plugin class that is missing, has invalid settings or needs more of Tune is a fault with a remedy."""
    with pytest.raises(InvalidJob, match=reported):
        build(**fields)


def _built(path: str = MEDIAN, **settings: Any) -> Any:
    return build_plugin(
        "scheduler",
        path,
        settings,
        base=TrialScheduler,
        unsupported={HyperBandScheduler: "it needs all trials of a bracket"},
        reserved={"metric": "objective", "mode": "max", "time_attr": "epoch"},
        defaults={"max_t": 9, "grace_period": 2},
    )


def test_the_study_sets_what_the_class_takes() -> None:
    """A Ray scheduler class gets the study's metric, and defaults such as max_t unless the user sets them."""
    assert _built().metric == "objective"
    with pytest.raises(InvalidJob, match="grace_period must be <= max_t"):
        _built(ASHA, grace_period=10)
    assert _built(ASHA, grace_period=10, max_t=20).metric == "objective"


def test_all_faults_of_settings_are_reported_together() -> None:
    """All invalid settings of a plugin class are reported together, each by its field."""
    with pytest.raises(InvalidJob) as refused:
        _built(metric="x", gracep=1)
    assert [fault.field for fault in refused.value.faults] == ["scheduler.metric", "scheduler.gracep"]


def test_a_class_may_be_refused_with_the_reason() -> None:
    """A class that needs more of Ray Tune than a study offers is refused with the reason."""
    with pytest.raises(InvalidJob, match="must be another class: it needs all trials of a bracket"):
        _built("ray.tune.schedulers.HyperBandScheduler")


def test_an_error_of_a_class_is_a_fault_of_the_job() -> None:
    """An error of a plugin class is a fault of the job with the error's text in one line, and Ctrl-C is raised."""
    reported = f"searcher: .*ZeroDivisionError: by zero; found '{OPTUNA}'"
    with pytest.raises(InvalidJob, match=reported), plugin_errors("searcher", OPTUNA):
        raise ZeroDivisionError("by\nzero")
    with pytest.raises(KeyboardInterrupt), plugin_errors("searcher", OPTUNA):
        raise KeyboardInterrupt
