"""The scheduler and the searcher that are recommended for a job that names none."""

from collections.abc import Mapping
from typing import Any

from pipeline.schedulers import ASHA, MOASHA, PromotingASHA, PromotingMOASHA, SuccessiveHalving
from pipeline.searchers import CurveSearch, MOTPESearch, RandomSearch
from pipeline.space import Grid, drawn_parameters
from pipeline.study.signature import takes_state


def recommended_scheduler(job: Mapping[str, Any]) -> ASHA | PromotingASHA | MOASHA | PromotingMOASHA:
    """The scheduler for what a job trains.

    For a model, and for a function that keeps its state, ASHA that pauses and promotes: a trial that improves late
    continues from its checkpoint. For another function, ASHA that stops: it would train its epochs again after each
    pause. With several objectives, or bounds, the variant that compares trials by all of them.
    """
    function = job.get("function")
    if function is not None and not takes_state(function):
        return MOASHA() if _of_all(job) else ASHA()
    return PromotingMOASHA() if _of_all(job) else PromotingASHA()


def recommended_searcher(job: Mapping[str, Any]) -> CurveSearch | MOTPESearch | RandomSearch:
    """The searcher for a scheduler and a space.

    `curves` with the schedulers with which it was measured, and for a study that learns from others; `motpe`
    with the schedulers that compare trials by all objectives; random draws with other schedulers, and for a space
    with a grid, whose values they take in turn.
    """
    domains = [parameter.domain for parameter in drawn_parameters(job.get("space", {}))]
    in_turn = not domains or any(isinstance(domain, Grid) for domain in domains)
    scheduler = job.get("scheduler")
    if in_turn or scheduler is None:
        return RandomSearch()
    if job.get("learn_from"):
        return CurveSearch()
    if _of_all(job):
        return MOTPESearch() if scheduler.every_objective else RandomSearch()
    return CurveSearch() if isinstance(scheduler, PromotingASHA | SuccessiveHalving) else RandomSearch()


def _of_all(job: Mapping[str, Any]) -> bool:
    """Whether one value does not say which trial is better."""
    objectives = job.get("objectives", ())
    return len(objectives) > 1 or any(objective.bounded for objective in objectives)
