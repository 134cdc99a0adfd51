"""A searcher of Ray Tune's as the source of a study's configs."""

import logging
from collections.abc import Iterable
from typing import Any

from ray import tune
from ray.tune.search import ConcurrencyLimiter, Repeater, Searcher

from pipeline.course.trial import Trial
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.foreign import built, heard
from pipeline.searchers import RaySearch
from pipeline.space import Choice, Config, Grid, IntUniform, LogUniform, Normal, QUniform, Scalar, Uniform, compose
from pipeline.space.values import plain
from pipeline.study import TuneJob, layout

__all__ = ["ForeignSearcher"]

_METRIC = "objective"
_UNFIT = {
    ConcurrencyLimiter: "the job says how many trials run at once",
    Repeater: "the job says how often a config is repeated",
}


class ForeignSearcher:
    """Tells a searcher of Ray's what was tried, and asks it for the next config.

    Args:
        settings: The class's path and settings.
        job: The study's job.

    Raises:
        InvalidJob: There is no such class, its library is not installed, or it does not take the settings or the space.
    """

    def __init__(self, settings: RaySearch, job: TuneJob) -> None:
        self._path, self._job = settings.kind, job
        self._drawn = {name: domain for name, domain in job.space.items() if hasattr(domain, "draw")}
        space = {name: _as_rays(domain) for name, domain in self._drawn.items()}
        self._asked: Searcher = built(
            "searcher",
            settings.kind,
            settings.settings,
            base=Searcher,
            unfit=_UNFIT,
            ours={"metric": _METRIC, "mode": job.objective.mode, "space": None},
            unless_given={"seed": job.seed, "random_state_seed": job.seed, "random_seed": job.seed},
        )
        # Optuna would tell of each study it makes, beside the command's own output.
        logging.getLogger("optuna").setLevel(logging.WARNING)
        with heard("searcher", self._path):
            taken = self._asked.set_search_properties(_METRIC, job.objective.mode, space)
        if not taken:
            allowed = "must be a searcher that takes the job's space, and without settings that say another"
            raise InvalidJob("the job", [Fault("searcher", self._path, allowed)])
        self._told: set[str] = set()

    def draw(self, index: int, trials: Iterable[Trial]) -> Config | None:
        """The config of trial number `index`.

        Args:
            index: The trial's number.
            trials: Those before, in order: it hears of each that has ended since.

        Returns:
            The config; None where the searcher has none now, or none any more.
        """
        for trial in trials:
            if trial.trial_id not in self._told and not trial.live:
                self._told.add(trial.trial_id)
                self._tell(trial)
        if not self._drawn:
            return compose(self._job.space, lambda place: place.domain)
        with heard("searcher", self._path):
            found = self._asked.suggest(layout.trial_id(index))
        if not isinstance(found, dict):
            return None
        return compose(self._job.space, lambda place: _as_ours(place.domain, plain(found[place.name])))

    def _tell(self, trial: Trial) -> None:
        failed = trial.state == "failed" or trial.best is None
        with heard("searcher", self._path):
            if int(trial.trial_id) >= len(self._job.start_with):
                result = None if failed else {_METRIC: trial.best, "training_iteration": trial.best_epoch}
                self._asked.on_trial_complete(trial.trial_id, result, error=failed)
            elif not failed:
                config, drawn = trial.config, self._drawn
                own = {n: d.unit(config[n]) if isinstance(d, QUniform) else config[n] for n, d in drawn.items()}
                try:
                    self._asked.add_evaluated_point(own, trial.best)
                except NotImplementedError:
                    # Some learn only from what they have drawn themselves.
                    return


def _as_rays(domain: Any) -> Any:
    match domain:
        case Uniform(low=low, high=high):
            return tune.uniform(low, high)
        case LogUniform(low=low, high=high):
            return tune.loguniform(low, high)
        case IntUniform(low=low, high=high, log=log):
            return (tune.lograndint if log else tune.randint)(low, high + 1)
        case QUniform():
            # Ray wants ends that are steps themselves: a place among the steps is drawn instead.
            return tune.uniform(0.0, 1.0)
        case Normal(mean=mean, std=std):
            return tune.randn(mean, std)
        case Choice(values=values) | Grid(values=values):
            return tune.choice(list(values))
    raise AssertionError(f"a domain that the job should have refused: {domain!r}")


def _as_ours(domain: Any, value: Any) -> Scalar:
    """The value as its domain has it: Ray's ends are included."""
    if isinstance(domain, QUniform):
        return domain.at(value)
    if domain.contains(value):
        return value  # type: ignore[no-any-return]
    return domain.at(domain.unit(value))  # type: ignore[no-any-return]
