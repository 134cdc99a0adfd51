"""The scheduler and the searcher of a job that specifies none."""

from typing import Any

import pytest

from pipeline import ASHA, FIFO, Budget, Choice, Grid, LogUniform, Objective, TuneJob
from pipeline.errors import InvalidJob
from pipeline.schedulers import MOASHA, PromotingASHA, PromotingMOASHA, SuccessiveHalving
from pipeline.searchers import CurveSearch, MOTPESearch, RandomSearch, SearcherSettings, TPESearch


def model(config: dict[str, Any]) -> None:
    """A model function."""


def function(config: dict[str, Any]) -> None:
    """A plain function."""


def continued(config: dict[str, Any], state: Any) -> None:
    """A function that keeps its state."""


def _job(**fields: Any) -> TuneJob:
    given = {"model": model, "data": "digits", "space": {"lr": LogUniform(1e-3, 1)}, **fields}
    return TuneJob(name="x", objectives=[Objective("loss", "min")], **given)


@pytest.mark.parametrize(("epochs", "grace"), [(1, 1), (8, 1), (27, 2), (50, 3), (100, 6)])
def test_the_first_rung_follows_the_budget(epochs: int, grace: int) -> None:
    """A model's job without a scheduler gets promoting ASHA with its first rung at about 6% of the epochs."""
    job = _job(budget=Budget(epochs=epochs))
    assert (job.scheduler, job.searcher) == (PromotingASHA(), CurveSearch())
    assert job.resolved().scheduler == PromotingASHA(grace_period=grace, reduction_factor=3.5)


def test_another_budget_gets_another_recommendation() -> None:
    """A changed budget changes the recommended settings of a job."""
    resolved = _job().replaced({"budget.epochs": 50}).resolved()
    assert resolved.scheduler == PromotingASHA(grace_period=3, reduction_factor=3.5)


@pytest.mark.parametrize("trained", [{}, {"model": None, "data": None, "function": function}])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("promoting-asha", PromotingASHA), ("promoting-moasha", PromotingMOASHA), ("halving", SuccessiveHalving)],
)
def test_a_scheduler_by_name_has_the_measured_rungs(trained: dict[str, Any], name: str, kind: type) -> None:
    """A scheduler with measured rungs that is chosen by name takes those of the final budget, of any job."""
    measured = kind(grace_period=3, reduction_factor=3.5)
    job = _job(**trained, scheduler=FIFO())
    assert job.replaced({"scheduler": name, "searcher": "curves", "budget.epochs": 50}).resolved().scheduler == measured
    assert _job(**trained, scheduler=name).replaced({"budget.epochs": 50}).resolved().scheduler == measured
    assert _job().replaced({"scheduler": name, "budget.epochs": 50}).resolved().scheduler == measured


def test_given_rungs_stay() -> None:
    """A grace period or a reduction factor that the user gives stays, and the other one is the measured one."""
    job = _job(budget=Budget(epochs=50))
    changed = job.replaced({"scheduler": "promoting-asha", "scheduler.reduction_factor": 2})
    assert changed.resolved().scheduler == PromotingASHA(grace_period=3, reduction_factor=2.0)
    given = _job(budget=Budget(epochs=50), scheduler={"kind": "promoting-asha", "grace_period": 1}).resolved()
    assert given.scheduler == PromotingASHA(grace_period=1, reduction_factor=3.5)


def test_a_named_scheduler_stays() -> None:
    """A named scheduler gets random search by default, and a later change keeps the scheduler."""
    job = _job(scheduler=FIFO()).replaced({"budget.epochs": 50})
    assert (job.scheduler, job.searcher) == (FIFO(), RandomSearch())


def test_a_named_searcher_stays() -> None:
    """A job with its own searcher gets the recommended scheduler and keeps the searcher."""
    job = _job().replaced({"searcher": "tpe", "budget.epochs": 50})
    assert (job.scheduler, job.searcher) == (PromotingASHA(), TPESearch())


def test_a_grid_is_drawn_in_turn() -> None:
    """A space with a grid gets random search, which takes the grid's values in turn."""
    assert _job(space={"lr": LogUniform(1e-3, 1), "width": Grid([1, 2])}).searcher == RandomSearch()


def test_a_fixed_space_needs_no_search() -> None:
    """A space without draws gets no model-based searcher."""
    assert _job(space={"lr": 0.1}).searcher == RandomSearch()


def test_a_function_is_not_paused() -> None:
    """A function's trials are stopped instead of paused, because they would repeat epochs after a pause."""
    job = _job(model=None, data=None, function=function)
    assert (job.scheduler, job.searcher) == (ASHA(), RandomSearch())


def test_a_function_with_state_is_paused() -> None:
    """A function that continues from its state gets the same pair as a model."""
    job = _job(model=None, data=None, function=continued)
    assert (job.scheduler, job.searcher) == (PromotingASHA(), CurveSearch())
    objectives = [Objective("loss", "min"), Objective("parameters", "min")]
    several = job.replaced({"objectives": objectives})
    assert (several.scheduler, several.searcher) == (PromotingMOASHA(), MOTPESearch())


@pytest.mark.parametrize(("name", "search"), [("halving", CurveSearch()), ("asha", RandomSearch())])
def test_the_searcher_follows_the_scheduler(name: str, search: SearcherSettings) -> None:
    """A job with a named scheduler alone gets curve search if it was measured with it, else random search."""
    job = _job(scheduler=FIFO()).replaced({"scheduler": name})
    assert job.searcher == search
    assert _job(space={"lr": LogUniform(1e-3, 1), "width": Grid([1, 2])}, scheduler=name).searcher == RandomSearch()


def test_a_saved_job_keeps_both() -> None:
    """A job that is read from JSON keeps its scheduler and searcher, although the recommendation has changed."""
    saved = TuneJob.from_json(_job(space={"width": Choice([1, 2])}).resolved().to_json())
    assert saved.recommended == set()
    longer = saved.replaced({"budget.epochs": 100}).resolved()
    assert longer.scheduler == PromotingASHA(grace_period=1, reduction_factor=3.5)


def test_the_recommendation_is_in_words() -> None:
    """The recommendation is printed as sentences with the choice, the budget and the way to change it."""
    assert _job().recommendation == (
        "Uses scheduler promoting-asha and searcher curves, the defaults for 16 trials of up to 8 epochs. "
        "Trials are first compared at epoch 1. --scheduler and --search choose others."
    )
    assert _job(budget=Budget(epochs=1)).recommendation == (
        "Uses scheduler promoting-asha and searcher curves, the defaults for 16 trials of up to 1 epoch. Trials are "
        "not compared before the last epoch, so that each of them completes. --scheduler and --search choose others."
    )
    alone = _job(searcher=RandomSearch()).recommendation
    assert alone is not None
    assert alone.startswith("Uses scheduler promoting-asha, the default for 16 trials")
    assert _job(scheduler=FIFO(), searcher=RandomSearch()).recommendation is None


def test_an_invalid_budget_is_the_only_fault() -> None:
    """An invalid budget is the only fault, although defaults depend on it."""
    with pytest.raises(InvalidJob) as refused:
        _job(budget={"epochs": 0})
    assert [fault.field for fault in refused.value.faults] == ["budget.epochs"]


@pytest.mark.parametrize(
    "objectives",
    [[Objective("loss", "min"), Objective("parameters", "min")], [Objective("loss", "min", at_most=2.0)]],
)
def test_several_objectives_and_bounds_get_what_looks_at_all(objectives: list[Objective]) -> None:
    """A job with several objectives or a bound gets a scheduler and a searcher that use all of them."""
    job = _job().replaced({"objectives": objectives, "budget.epochs": 50})
    assert (job.scheduler, job.searcher) == (PromotingMOASHA(), MOTPESearch())
    assert job.recommendation is not None
    assert "scheduler promoting-moasha and searcher motpe" in job.recommendation
    fn = TuneJob(name="x", function=function, space={"lr": LogUniform(1e-3, 1)}, objectives=objectives)
    assert (fn.scheduler, fn.searcher) == (MOASHA(), MOTPESearch())


def test_a_scheduler_of_one_objective_keeps_random_draws() -> None:
    """A job of several objectives with a scheduler that uses the first one gets random search."""
    objectives = [Objective("loss", "min"), Objective("parameters", "min")]
    assert _job().replaced({"scheduler": "asha", "objectives": objectives}).searcher == RandomSearch()
