"""What a study's scheduler knows of the study."""

from pipeline.engine.scheduler_context import scheduler_context
from pipeline.space import Choice
from pipeline.study import Budget, Objective, TuneJob


def test_a_scheduler_knows_the_study() -> None:
    """The context has the space, the mode, the seed, the trials that the space allows, and several objectives."""
    job = TuneJob(
        name="s",
        function=lambda _: {"a": 1.0},
        space={"x": Choice([1, 2])},
        objectives=[Objective("a", "max")],
        budget=Budget(trials=5, epochs=3),
        searcher="grid",
        seed=7,
    )
    context = scheduler_context(job)
    assert (context.mode, context.epochs, context.trials, context.seed, context.space) == ("max", 3, 2, 7, job.space)
    assert list(context.objectives) == []
    two = job.replaced({"objectives": [Objective("a", "max"), Objective("b", "min")]})
    assert list(scheduler_context(two).objectives) == [("a", "max"), ("b", "min")]
