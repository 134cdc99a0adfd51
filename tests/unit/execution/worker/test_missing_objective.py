"""The error of a trial that does not report the objective."""

from tests.unit.execution.preflight.facts import job, steps

from pipeline import Objective, TuneJob
from pipeline.execution.worker.missing_objective import missing_objective


def test_a_function_should_report_the_metric() -> None:
    """If a function does not report the objective, the message asks to yield or return a dict with the metric."""
    tuned: TuneJob = job(function=steps, objectives=[Objective("loss", "min")])
    reported = missing_objective(tuned, ["score"])
    assert reported.startswith(
        "The objective 'loss' is not among the metrics that the function reports. There are: score."
    )
    assert reported.endswith('or have the function yield or return it: {"loss": …}.')


def test_a_model_should_compile_the_metric() -> None:
    """If a model does not report the objective, the message asks to compile the model with that metric."""
    assert missing_objective(job(), ["loss"]).endswith("or compile the model with that metric.")


def test_a_mistyped_objective_has_a_suggestion() -> None:
    """A mistyped objective is reported with the most similar metric."""
    reported = missing_objective(job(objectives=[Objective("val_acuracy", "max")]), ["accuracy", "val_accuracy"])
    assert "Did you mean 'val_accuracy'? Make one of them the objective" in reported
