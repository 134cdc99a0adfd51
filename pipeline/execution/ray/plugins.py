"""Ray Tune's own schedulers and searchers in place of a study's; a class is imported only for a job that names it.

Neither gives reasons or can be saved, so a study that uses one cannot be resumed.
"""

import importlib
import inspect
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.engine.draws import Draw, Trials, own_draw, since
from pipeline.engine.trial import Trial
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.ray.cluster import logger_level, ray_environment
from pipeline.schedulers import Decision, ObjectiveValues, RayScheduler, Scheduler, SchedulerContext
from pipeline.searchers import RaySearch, Suggestion
from pipeline.space import Config, Domain, ListedDomain, ParameterPath, column_text, compose, config_value, plain
from pipeline.storage import layout
from pipeline.study import TuneJob
from pipeline.study.trial_configs import start_configs

_METRIC, _TIME = "objective", "training_iteration"

_UNSUPPORTED = {
    "HyperBandScheduler",
    "PopulationBasedTraining",
    "PopulationBasedTrainingReplay",
    "ResourceChangingScheduler",
    "ConcurrencyLimiter",
    "Repeater",
}
"""Classes that change trials in Tune itself; those derived from them are not supported, either."""


def ray_scheduler(job: TuneJob) -> Callable[[SchedulerContext], Scheduler] | None:
    """The function that builds the scheduler of a job that names a class of Ray Tune; None for one of tunepipe."""
    return partial(_RayTuneScheduler, job.scheduler) if isinstance(job.scheduler, RayScheduler) else None


def ray_draw(job: TuneJob) -> Draw | None:
    """The function that draws the configs of a job that names a searcher of Ray Tune; None for one of tunepipe."""
    return _RayTuneSearcher(job.searcher, job).draw if isinstance(job.searcher, RaySearch) else None


class _Plugin:
    """An instance of a class of Ray Tune, derived from `base`; users set what is not reserved.

    Any error of it is a fault of the job: wrong settings, or a use that it is not made for.
    """

    def __init__(
        self, settings: RayScheduler | RaySearch, base: str, reserved: Mapping[str, Any], defaults: Mapping[str, Any]
    ) -> None:
        self.path, self._part = settings.kind, "scheduler" if isinstance(settings, RayScheduler) else "searcher"
        module, _, name = self.path.rpartition(".")
        with self._errors():
            # Ray reads some of its variables when it is imported.
            with ray_environment():
                plugin = getattr(importlib.import_module(module), name)
            lineage = {each.__name__ for each in getattr(plugin, "__mro__", ())}
            if base not in lineage or lineage & _UNSUPPORTED:
                raise TypeError(f"{name} is no {base} of Ray Tune that works outside of it; use one of tunepipe's own")
            parameters = inspect.signature(plugin).parameters
            of_study, free = ({n: given[n] for n in given if n in parameters} for given in (reserved, defaults))
            self._instance = plugin(**of_study, **{**free, **settings.settings})

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        with self._errors():
            return getattr(self._instance, method)(*arguments, **named)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            # Optuna would log each study that it creates between the command's own output.
            with logger_level("optuna", logging.WARNING):
                yield
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise InvalidJob(
                "the job", [Fault(self._part, self.path, f"must work here; its error is: {text}")]
            ) from error


@dataclass(eq=False)
class _StandIn:
    """What schedulers of Ray Tune read of a trial."""

    trial_id: str
    last_result: dict[str, Any] = field(default_factory=dict)


class _RayTuneScheduler(Scheduler):
    """Asks a scheduler of Ray Tune, to which it is also the controller."""

    def __init__(self, settings: RayScheduler, context: SchedulerContext) -> None:
        self._epochs, self._live = context.epochs, dict[str, _StandIn]()
        reserved = {"metric": _METRIC, "mode": context.mode, "time_attr": _TIME}
        self._plugin = _Plugin(settings, "TrialScheduler", reserved, {"max_t": context.epochs})

    def get_live_trials(self) -> list[_StandIn]:
        """For Tune: no trial waits for a pause of another."""
        return []

    def add(self, trial_id: str, config: Config) -> None:
        self._live[trial_id] = _StandIn(trial_id)
        self._plugin.call("on_trial_add", self, self._live[trial_id])

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        """Decide after an epoch; the last epoch counts as the trial's end, as in Tune."""
        trial = self._live[trial_id]
        if epoch <= trial.last_result.get(_TIME, 0):
            return Decision("continue", f"epoch {epoch} was decided before")
        trial.last_result = {_TIME: epoch, _METRIC: value, "trial_id": trial_id}
        last = epoch >= self._epochs
        action = "CONTINUE" if last else self._plugin.call("on_trial_result", self, trial, trial.last_result)
        if action == "PAUSE":
            allowed = "must stop trials, and not pause them as it does: promoting-asha pauses"
            raise InvalidJob("the job", [Fault("scheduler", self._plugin.path, allowed)])
        reason = f"decided by {self._plugin.path}, which gives no reason"
        if action != "STOP":
            return Decision("continue", reason)
        del self._live[trial_id]
        return Decision("stop", reason)

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        """End a trial; one that Ray Tune's scheduler has stopped is not reported to it again."""
        if (trial := self._live.pop(trial_id, None)) is None:
            return
        if trial.last_result.get(_TIME, 0) >= self._epochs:
            self._plugin.call("on_trial_complete", self, trial, trial.last_result)
        else:
            self._plugin.call("on_trial_error", self, trial)


class _RayTuneSearcher:
    """Reports trials to a searcher of Ray Tune, and asks it for the next config.

    Every number is drawn from 0 to 1, as the domain scales it, and every listed value as its JSON text: Ray's searchers
    take no list or dict, and some of them no None.
    """

    def __init__(self, settings: RaySearch, job: TuneJob) -> None:
        self._job, mode = job, job.objective.mode
        self._drawn = {name: domain for name, domain in job.space.items() if isinstance(domain, Domain)}
        self._starts, self._own_draw = len(start_configs(job)), own_draw(job)
        self._seen, self._unreported = 0, dict[str, Trial]()
        reserved, seeds = {"metric": _METRIC, "mode": mode, "space": None}, ("seed", "random_state_seed", "random_seed")
        self._plugin = _Plugin(settings, "Searcher", reserved, dict.fromkeys(seeds, job.seed))
        from ray import tune

        space = {
            name: tune.choice([*map(column_text, domain.values)])
            if isinstance(domain, ListedDomain)
            else tune.uniform(0.0, 1.0)
            for name, domain in self._drawn.items()
        }
        if not self._plugin.call("set_search_properties", _METRIC, mode, space):
            allowed = "must be a searcher that accepts the job's space, without settings for another space"
            raise InvalidJob("the job", [Fault("searcher", settings.kind, allowed)])

    def draw(self, index: int, trials: Trials, changed: Collection[str]) -> Suggestion | None:
        self._unreported |= {trial.trial_id: trial for trial in since(trials, self._seen)}
        self._seen = len(trials)
        for trial in [trial for trial in self._unreported.values() if not trial.live]:
            del self._unreported[trial.trial_id]
            # Searchers learn from configs that they have drawn themselves.
            if int(trial.trial_id) >= self._starts:
                best = None if trial.state == "failed" else trial.best
                result = None if best is None else {_METRIC: best.value, _TIME: best.epoch}
                self._plugin.call("on_trial_complete", trial.trial_id, result, error=best is None)
        if index < self._starts or not self._drawn:
            return self._own_draw(index, trials, changed)
        drawn = self._plugin.call("suggest", layout.trial_id(index))
        if not isinstance(drawn, dict):
            return None

        def value(parameter: ParameterPath) -> Any:
            domain: Any = self._drawn[parameter.name]
            own = plain(drawn[parameter.name])
            return config_value(own, domain.values) if isinstance(domain, ListedDomain) else domain.from_unit(own)

        return Suggestion(compose(self._job.space, value))
