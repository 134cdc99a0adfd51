"""What a Tuner or tune.run says about a job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import Grid, IntUniform, LogUniform, Normal, QUniform, Uniform, load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.ray_tune.tuner import fields_of_tuner, left_out_of_tuner
from pipeline.errors import InvalidJob
from pipeline.space import Choice

_SPACES: dict[str, dict[str, Any]] = {
    "rt_keras.py:train_digits": {
        "lr": LogUniform(1e-3, 1e-1),
        "momentum": Uniform(0.1, 0.9),
        "hidden": IntUniform(16, 63),
        "activation": Choice(("relu", "tanh")),
        "epochs": 4,
    },
    "rt_basic.py:training_function": {"alpha": Grid((0.001, 0.01, 0.1)), "nested_beta": Choice((1, 2, 3))},
    "rt_params.py:cost": {"lr": QUniform(0.1, 0.9, 0.1), "unused": IntUniform(2, 10, step=2), "n": Normal(0, 1)},
    "rt_simple.py:objective": {"a": Grid((0.001, 0.01, 0.1, 1.0)), "b": Choice((1, 2, 3))},
    "rt_class.py:Guess": {"a": Uniform(0, 1)},
    "rt_pbt.py": {"lr": Uniform(0, 1), "every": 2},
}


_BUDGETS = {
    "rt_keras.py:train_digits": (3, 4, "asha", "mean_accuracy", "max"),
    "rt_basic.py:training_function": (6, 10, None, "mean_loss", "min"),
    "rt_params.py:cost": (4, 5, None, "loss", "min"),
    "rt_simple.py:objective": (4, 1, None, "score", "min"),
    "rt_class.py:Guess": (4, 6, None, "score", "max"),
    "rt_pbt.py": (4, 8, "pbt", "value", "max"),
}


@pytest.mark.parametrize("place", _SPACES)
def test_a_program_becomes_a_job(place: str, program: Callable[[str], str]) -> None:
    """A Ray Tune program becomes a job with the space, metric, budget and scheduler of its Tuner or tune.run."""
    name, _, function = place.partition(":")
    job = from_file(f"{program(name)}:{function}".rstrip(":"), "ray-tune", {})
    assert job.space == _SPACES[place]
    trials, epochs, kind, metric, mode = _BUDGETS[place]
    assert (job.budget.trials, job.budget.epochs) == (trials, epochs)
    assert (job.objective.metric, job.objective.mode) == (metric, mode)
    assert kind in (None, job.scheduler.kind)
    assert job.resumable


def test_reports_of_a_callback_are_epochs(program: Callable[[str], str], tmp_path: Path) -> None:
    """A Ray Tune trial has an epoch for each report of a callback, and options that are left out are noted."""
    notes: list[str] = []
    job = from_file(program("rt_helper.py") + ":train", "ray-tune", {"name": "s", "scheduler": "fifo"}, notes.append)
    assert notes == [
        "rt_helper.py, line 33: BasicVariantGenerator is ignored; set --search instead.",
    ]
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    assert load_results(tmp_path / "s").trials[["state", "epochs"]].to_numpy().tolist() == [["completed", 3]] * 2


def test_a_class_gets_its_parameters(program: Callable[[str], str], tmp_path: Path) -> None:
    """A trainable class gets the parameters of `tune.with_parameters`, and Ray's PB2 becomes the scheduler pb2."""
    notes: list[str] = []
    given = {"name": "s", "budget": {"epochs": 4}, "resources": {"workers": 0}}
    job = from_file(program("rt_pb2.py") + ":Bench", "ray-tune", given, notes.append)
    assert (job.scheduler.kind, job.scheduler.interval) == ("pb2", 2)
    assert notes == ["rt_pb2.py, line 27: PB2 counts time_total_s; the scheduler of the job counts reports instead."]
    run(job, storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "s")
    assert (results.trials["epochs"] == 4).all()
    assert (results.epochs["acc"] > 10).all()


def test_a_search_algorithm_gives_objectives_and_first_configs(program: Callable[[str], str]) -> None:
    """The metrics of a search algorithm are the objectives, and its points within the space are tried first."""
    notes: list[str] = []
    job = from_file(program("rt_search.py"), "ray-tune", {}, notes.append)
    assert [(one.metric, one.mode) for one in job.objectives] == [("loss", "min"), ("size", "max")]
    assert job.start_with == ({"x": 0.5, "kind": "b"},)
    assert notes == [
        "rt_search.py, line 18: x=9 in the first configs is outside of the space, and drawn instead.",
        "rt_search.py, line 18: OptunaSearch is ignored; set --search instead.",
    ]


def test_a_space_in_a_search_algorithm_is_refused(program: Callable[[str], str]) -> None:
    """A program whose space is in its search algorithm is refused, with the line and where the space belongs."""
    path = Path(program("rt_search.py"))
    text = path.read_text().replace("OptunaSearch(\n", "OptunaSearch(lambda trial: None,\n")
    path.write_text(text.replace("param_space={", "run_config=tune.RunConfig(), param_space={} and {"))
    with pytest.raises(InvalidJob, match=r"line 18: must have the space in param_space.* found 'a space in Optuna"):
        from_file(str(path), "ray-tune", {})


def test_hyperband_keeps_its_factor_and_length() -> None:
    """Ray's HyperBandScheduler becomes the scheduler hyperband, with its reduction factor and its longest trial."""
    from ray.tune.schedulers import HyperBandScheduler

    space = {"x": Uniform(0, 1)}
    arguments = {"scheduler": HyperBandScheduler(metric="loss", mode="min", max_t=9, reduction_factor=2)}
    fields = fields_of_tuner(arguments, lambda _: None, {}, space, "")
    assert fields["scheduler"] == {"kind": "hyperband", "reduction_factor": 2}
    assert fields["budget"]["epochs"] == 9


def ten_reports(config: Any) -> None:
    """Reports ten times."""
    from ray import tune

    for _ in range(10):
        tune.report({"loss": 0.0})


@pytest.mark.parametrize(
    ("arguments", "stop", "epochs"),
    [
        ({}, None, 10),
        ({"max_t": 4}, None, 4),
        ({"max_t": 40}, None, 10),
        ({"max_t": 40}, {"training_iteration": 3}, 3),
        ({}, {"training_iteration": 30}, 10),
        ({"max_t": 4, "time_attr": "time_total_s"}, None, 10),
    ],
)
def test_a_trial_has_the_fewest_reports_that_a_program_allows(arguments: Any, stop: Any, epochs: int) -> None:
    """A Ray Tune trial has the least of the reports of its function, its scheduler and its stopping rule."""
    from ray.tune.schedulers import ASHAScheduler

    given = {"scheduler": ASHAScheduler(metric="loss", mode="min", **arguments), "stop": stop}
    assert fields_of_tuner(given, ten_reports, {}, {"x": Uniform(0, 1)}, "")["budget"]["epochs"] == epochs


def test_the_mode_of_another_call_is_not_that_of_the_metric(program: Callable[[str], str]) -> None:
    """A metric that only the program's results name has the mode next to it, and without one it is refused."""
    path = Path(program("rt_simple.py"))
    text = path.read_text() + "\nopen('log', mode='w')\n"
    path.write_text(text)
    assert from_file(str(path), "ray-tune", {}).objective.mode == "min"
    path.write_text(text.replace(', mode="min"', ""))
    with pytest.raises(InvalidJob, match=r"TuneConfig\(metric=…, mode=…\).* found 'no metric with a mode, min or max'"):
        from_file(str(path), "ray-tune", {})


def _population(**arguments: Any) -> Any:
    from ray.tune.schedulers import PopulationBasedTraining

    return PopulationBasedTraining("training_iteration", hyperparam_mutations={"x": [1, 2]}, **arguments)


def test_arguments_of_a_scheduler_are_those_of_the_job() -> None:
    """The shares of a population and the samples of the median rule are those of the program's scheduler."""
    from ray.tune.schedulers import MedianStoppingRule
    from ray.tune.schedulers.pb2 import PB2

    def scheduler(given: Any) -> Any:
        stop = {"training_iteration": 90}
        return fields_of_tuner({"scheduler": given, "stop": stop}, print, {}, {}, "")["scheduler"]

    assert scheduler(_population(perturbation_interval=3, quantile_fraction=0.5, resample_probability=0.75)) == {
        "kind": "pbt",
        "interval": 3,
        "quantile": 0.5,
        "resample_probability": 0.75,
        "factors": [1.2, 0.8],
    }
    asked = scheduler(_population(perturbation_interval=3, burn_in_period=5, perturbation_factors=(1.5, 0.5)))
    assert (asked["grace_period"], asked["factors"]) == (5, [1.5, 0.5])
    bounds = {"x": [0.0, 1.0]}
    assert scheduler(PB2(perturbation_interval=4, quantile_fraction=0.4, hyperparam_bounds=bounds)) == {
        "kind": "pb2",
        "interval": 4,
        "quantile": 0.4,
    }
    median = {"kind": "median", "grace_period": 60, "min_samples_required": 7}
    assert scheduler(MedianStoppingRule(min_samples_required=7)) == median


def test_arguments_that_a_scheduler_of_the_job_lacks_are_noted() -> None:
    """Arguments of a Ray scheduler that the job's scheduler does not have are named with their values."""
    from ray.tune.schedulers import ASHAScheduler, HyperBandScheduler, MedianStoppingRule

    def notes(given: Any) -> list[str]:
        return left_out_of_tuner({"scheduler": given})

    assert notes(
        _population(burn_in_period=2, perturbation_factors=(1.5, 0.5), custom_explore_fn=dict, synch=True)
    ) == ["custom_explore_fn, synch=True of PopulationBasedTraining are ignored."]
    assert notes(ASHAScheduler(brackets=2)) == ["brackets=2 of AsyncHyperBandScheduler is ignored."]
    assert notes(MedianStoppingRule()) == [
        "MedianStoppingRule counts time_total_s; the scheduler of the job counts reports instead."
    ]
    assert notes(_population()) == notes(ASHAScheduler()) == notes(HyperBandScheduler()) == []
