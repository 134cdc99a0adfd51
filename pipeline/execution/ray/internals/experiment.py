"""A study as an experiment of Ray Tune: what Tune registers, saves, and knows of sessions and schedulers."""

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.execution.ray.internals.names import find_private, replaced
from pipeline.missing_names import ABSENT, warn_once


@contextlib.contextmanager
def plain_actors() -> Iterator[None]:
    """Within the context, Tune gives its actors no environment of their own.

    Tune has one for Lightning, and an actor with a separate environment is a new process: without it, Tune takes the
    worker processes that have imported TensorFlow already.
    """
    variables = find_private(
        "ray.tune.execution.class_cache", "DEFAULT_ENV_VARS", "each worker imports its libraries when its trial begins"
    )
    if variables is ABSENT:
        yield
        return
    kept = dict(variables)
    variables.clear()
    try:
        yield
    finally:
        variables.update(kept)


@contextlib.contextmanager
def kept_registry(trainable: str) -> Iterator[None]:
    """Remove, after the context, what Ray Tune has registered for a study.

    That is the trainable, in the cluster, and a hook of each later ray.init, which holds the study's data.
    """
    hooks = find_private(
        "ray._private.worker", "_post_init_hooks", "the study's data stay in memory until the process ends"
    )
    consequence = "the study stays registered in the cluster"
    registry = find_private("ray.tune.registry", "_global_registry", consequence)
    kind = find_private("ray.tune.registry", "TRAINABLE_CLASS", consequence)
    with contextlib.ExitStack() as stack:
        if hooks is not ABSENT:
            stack.callback(hooks.__setitem__, slice(None), list(hooks))
        if ABSENT not in (registry, kind):
            stack.callback(registry.unregister, kind, trainable)
        yield


@contextlib.contextmanager
def experiment_saved_once() -> Iterator[None]:
    """Within the context, Tune saves its experiment at the start only, and not again with all trials at the end.

    The study's state is in the study's folder. Without this, a quarter of the driver's time goes into a file that is
    deleted, and a twentieth into asking for the path of that file after each report.
    """
    module, name, consequence = (
        "ray.tune.execution.tune_controller",
        "TuneController.checkpoint",
        "Tune saves its own state again and again, which slows the study down",
    )
    save, saved = find_private(module, name, consequence), set[int]()

    def save_first(controller: Any, *arguments: Any, **named_arguments: Any) -> None:
        if id(controller) not in saved:
            saved.add(id(controller))
            save(controller, *arguments, **named_arguments)

    with replaced(module, name, save_first, consequence):
        yield


@contextlib.contextmanager
def results_not_kept() -> Iterator[None]:
    """Within the context, Tune keeps no history of a trial's metrics, and reads no trial's results at its end.

    The session has the rows. Otherwise the history takes more memory than the rest of a trial, and a large study ends
    seconds later.
    """
    with (
        replaced(
            "ray.tune.trainable.metadata",
            "_TrainingRunMetadata.update_metric",
            lambda *_, **__: None,
            "Tune keeps all metrics, and a large study takes more memory",
        ),
        replaced(
            "ray.tune.analysis.experiment_analysis",
            "ExperimentAnalysis._fetch_trial_dataframes",
            lambda *_: {},
            "Tune reads all results at the end, which takes longer",
        ),
    ):
        yield


@contextlib.contextmanager
def reporting_to(session: Any) -> Iterator[None]:
    """Within the context, ray.tune.report, get_checkpoint and get_context reach an object of tunepipe."""
    from ray.train._internal import session as sessions

    before = sessions._session
    sessions._session = session
    try:
        yield
    finally:
        sessions._session = before


def set_iteration(trainable: Any, steps: int) -> None:
    """Set the `training_iteration` of a Trainable, which Tune counts where it calls the steps itself."""
    if hasattr(trainable, "_iteration"):
        trainable._iteration = steps
    else:
        warn_once("Ray", "Trainable._iteration", "training_iteration stays at 0 in a Trainable class")


_FACTS = {
    "metric": ("metric", ("_metric",)),
    "mode": ("mode", ("_mode",)),
    "longest": ("max_t", ("_max_t", "_max_t_attr")),
    "time": ("time_attr", ("_time_attr",)),
    "grace": ("grace_period", ("_grace_period",)),
    "factor": ("reduction_factor", ("_reduction_factor", "_eta")),
    "interval": ("perturbation_interval", ("_perturbation_interval",)),
    "mutations": ("hyperparam_mutations", ("_hyperparam_mutations",)),
    "quantile": ("quantile_fraction", ("_quantile_fraction",)),
    "resample": ("resample_probability", ("_resample_probability",)),
    "samples": ("min_samples_required", ("_min_samples_required",)),
    "brackets": ("brackets", ("_brackets",)),
    "burn_in": ("burn_in_period", ("_burn_in_period",)),
    "factors": ("perturbation_factors", ("_perturbation_factors",)),
    "explore": ("custom_explore_fn", ("_custom_explore_fn",)),
    "synch": ("synch", ("_synch",)),
}
"""Fact → the argument of a scheduler of Ray Tune, and the attributes that keep it in its classes."""


def scheduler_facts(scheduler: Any) -> dict[str, Any]:
    """The arguments with which a scheduler of Ray Tune was made, as far as it keeps them."""
    if scheduler is None:
        return {}
    kind = type(scheduler).__name__
    facts = {fact: _kept(scheduler, attributes) for fact, (_, attributes) in _FACTS.items()}
    if facts["grace"] is ABSENT:
        with contextlib.suppress(AttributeError, LookupError, TypeError, ValueError):
            facts["grace"] = min(milestone for milestone, _ in scheduler._brackets[0]._rungs)
    arguments = inspect.signature(type(scheduler)).parameters
    for fact, (argument, attributes) in _FACTS.items():
        if facts[fact] is ABSENT and argument in arguments:
            warn_once("Ray", f"{kind}.{attributes[0]}", f"the job has its own default instead of {argument}")
    return {"kind": kind, **{fact: None if value is ABSENT else value for fact, value in facts.items()}}


def searcher_facts(searcher: Any) -> dict[str, Any]:
    """What a search algorithm of Ray Tune says about a study, except for how it draws."""
    while (inner := getattr(searcher, "searcher", None)) is not None:
        searcher = inner
    names = {"metric": "_metric", "mode": "_mode", "space": "_space", "points": "_points_to_evaluate"}
    kind = searcher if isinstance(searcher, str) else type(searcher).__name__
    return {"kind": kind, **{fact: getattr(searcher, attribute, None) or None for fact, attribute in names.items()}}


def stopper_facts(stopper: Any) -> dict[str, Any]:
    """What a stopper of Ray Tune says in addition to its answers."""
    from ray import tune

    names = {"longest": "_max_iter", "seconds": "_timeout_seconds", "stoppers": "_stoppers"}
    known = isinstance(stopper, tune.Stopper)
    return {fact: getattr(stopper, attribute, None) if known else None for fact, attribute in names.items()}


def _kept(scheduler: Any, attributes: Sequence[str]) -> Any:
    return next((getattr(scheduler, name) for name in attributes if hasattr(scheduler, name)), ABSENT)
