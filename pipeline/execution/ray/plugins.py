"""Ray Tune's own schedulers and searchers in place of a study's; a class is imported only for a job that names it.

A scheduler sees stand-ins for Tune's trials and controller. Neither gives reasons or can be saved, so a study that uses
one cannot be resumed.
"""

import importlib
import inspect
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipeline.engine.draws import Draw, Trials, own_draw, since
from pipeline.engine.trial import Trial
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.ray.cluster import logger_level, ray_environment
from pipeline.schedulers import Decision, ObjectiveValues, RayScheduler, Scheduler, SchedulerContext, Selection
from pipeline.searchers import RaySearch, Suggestion
from pipeline.space import Config, Domain, ListedDomain, ParameterPath, column_text, compose, config_value, plain
from pipeline.study import TuneJob, layout
from pipeline.study.trial_configs import start_configs

_METRIC, _TIME = "objective", "training_iteration"

_UNSUPPORTED = {
    "HyperBandScheduler": "it needs all trials of a bracket before the first one runs; use hyperband",
    "PopulationBasedTraining": "it copies weights through Tune's own checkpoints; use pbt",
    "PopulationBasedTrainingReplay": "it copies weights through Tune's own checkpoints; use pbt",
    "ResourceChangingScheduler": "a trial's resources stay as the job says",
    "ConcurrencyLimiter": "the job says how many trials run in parallel",
    "Repeater": "the job says how often a config is repeated",
}
"""Classes of Ray Tune that cannot be used, nor those derived from them, and why."""


def ray_scheduler(job: TuneJob) -> Callable[[SchedulerContext], Scheduler] | None:
    """The function that builds the scheduler of a job that names a class of Ray Tune; None for one of tunepipe.

    The function raises InvalidJob where the class cannot be used.
    """
    return partial(_RayTuneScheduler, job.scheduler) if isinstance(job.scheduler, RayScheduler) else None


def ray_draw(job: TuneJob) -> Draw | None:
    """The function that draws the configs of a job that names a searcher of Ray Tune; None for one of tunepipe."""
    return _RayTuneSearcher(job.searcher, job).draw if isinstance(job.searcher, RaySearch) else None


def _build(
    part: str,
    path: str,
    settings: Mapping[str, Any],
    base: str,
    reserved: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> Any:
    """An instance of a class of Ray Tune, derived from `base`, with the settings of the user and of the study."""
    module_name, _, name = path.rpartition(".")
    with _plugin_errors(part, path):
        # Ray reads some of its variables when it is imported.
        with ray_environment():
            plugin = getattr(importlib.import_module(module_name), name)
        lineage = [each.__name__ for each in inspect.getmro(plugin)] if inspect.isclass(plugin) else []
        if base not in lineage[1:]:
            raise TypeError(f"{name} is no {base} of Ray Tune")
        if unsupported := [_UNSUPPORTED[each] for each in lineage if each in _UNSUPPORTED]:
            raise TypeError(unsupported[0])
        if given := ", ".join(settings.keys() & reserved.keys()):
            raise TypeError(f"the study sets {given}: leave it out")
        parameters = inspect.signature(plugin).parameters
        of_study = {each: value for each, value in {**defaults, **reserved}.items() if each in parameters}
        return plugin(**{**of_study, **settings})


@contextmanager
def _plugin_errors(part: str, path: str) -> Iterator[None]:
    """Turn any error of a class of Ray Tune into a fault of the job: wrong settings, or a use it is not made for."""
    try:
        # Optuna would log each study that it creates between the command's own output.
        with logger_level("optuna", logging.WARNING):
            yield
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise InvalidJob("the job", [Fault(part, path, f"must work here; its error is: {text}")]) from error


@dataclass(eq=False)
class _StandIn:
    """The attributes of a trial that schedulers of Ray Tune read."""

    trial_id: str
    config: Config
    status: str = "PENDING"
    last_result: dict[str, Any] = field(default_factory=dict)

    def is_finished(self) -> bool:
        return self.status in ("TERMINATED", "ERROR")


class _RayTuneScheduler(Scheduler):
    """Asks a scheduler of Ray Tune, to which it is also the controller."""

    def __init__(self, settings: RayScheduler, context: SchedulerContext) -> None:
        self._path, self._context = settings.kind, context
        reserved = {"metric": _METRIC, "mode": context.mode, "time_attr": _TIME}
        self._plugin = _build(
            "scheduler", settings.kind, settings.settings, "TrialScheduler", reserved, {"max_t": context.epochs}
        )
        self._trials: dict[str, _StandIn] = {}

    def get_trials(self) -> list[_StandIn]:
        """For Tune: all trials; while there are more to draw, one pending trial stands for them."""
        more = len(self._trials) < self._context.trials
        return [*self._trials.values(), *([_StandIn("", {})] if more else [])]

    def get_live_trials(self) -> list[_StandIn]:
        return [trial for trial in self._trials.values() if not trial.is_finished()]

    def add(self, trial_id: str, config: Config) -> None:
        self._trials[trial_id] = _StandIn(trial_id, dict(config))
        with self._calls():
            self._plugin.on_trial_add(self, self._trials[trial_id])

    def start(self, trial_id: str) -> None:
        self._trials[trial_id].status = "RUNNING"

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        """Decide after an epoch; the last epoch counts as the trial's end, as in Tune."""
        trial = self._trials[trial_id]
        if epoch <= trial.last_result.get(_TIME, 0):
            return Decision("continue", f"epoch {epoch} was decided before")
        trial.last_result = {_TIME: epoch, _METRIC: value, "trial_id": trial_id}
        reason = f"decided by {self._path}, which gives no reason"
        if epoch >= self._context.epochs:
            return Decision("continue", reason)
        with self._calls():
            action = self._plugin.on_trial_result(self, trial, trial.last_result)
        if action not in ("STOP", "PAUSE"):
            return Decision("continue", reason)
        trial.status = "TERMINATED" if action == "STOP" else "PAUSED"
        return Decision("stop" if action == "STOP" else "pause", reason)

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        """End a trial; one that Ray Tune's scheduler has stopped is not reported to it again."""
        trial = self._trials[trial_id]
        if trial.is_finished():
            return
        with self._calls():
            if trial.last_result.get(_TIME, 0) >= self._context.epochs:
                self._plugin.on_trial_complete(self, trial, trial.last_result)
            elif trial.status == "RUNNING":
                self._plugin.on_trial_error(self, trial)
            else:
                self._plugin.on_trial_remove(self, trial)
        trial.status = "TERMINATED"

    def limit_trials(self, trials: int) -> None:
        self._context = replace(self._context, trials=trials)

    def choose(self, candidates: Collection[str]) -> Selection | None:
        with self._calls():
            chosen = self._plugin.choose_trial_to_run(self)
        if chosen is None or chosen.trial_id not in candidates:
            return None
        return Selection(chosen.trial_id, f"chosen by {self._path}, which gives no reason")

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        # A study that uses it cannot be resumed.
        return

    def _calls(self) -> Any:
        return _plugin_errors("scheduler", self._path)


class _RayTuneSearcher:
    """Reports trials to a searcher of Ray Tune, and asks it for the next config.

    Every number is drawn from 0 to 1, as the domain scales it, and every listed value as its JSON text: Ray's searchers
    take no list or dict, and some of them no None.
    """

    def __init__(self, settings: RaySearch, job: TuneJob) -> None:
        from ray import tune

        self._path, self._job, mode = settings.kind, job, job.objective.mode
        self._drawn = {name: domain for name, domain in job.space.items() if isinstance(domain, Domain)}
        self._starts, self._own_draw = len(start_configs(job)), own_draw(job)
        seeds = {"seed": job.seed, "random_state_seed": job.seed, "random_seed": job.seed}
        reserved = {"metric": _METRIC, "mode": mode, "space": None}
        self._plugin = _build("searcher", settings.kind, settings.settings, "Searcher", reserved, seeds)
        space = {
            name: tune.choice([*map(column_text, domain.values)])
            if isinstance(domain, ListedDomain)
            else tune.uniform(0.0, 1.0)
            for name, domain in self._drawn.items()
        }
        with self._calls():
            accepted = self._plugin.set_search_properties(_METRIC, mode, space)
        if not accepted:
            allowed = "must be a searcher that accepts the job's space, without settings for another space"
            raise InvalidJob("the job", [Fault("searcher", self._path, allowed)])
        self._seen = 0
        self._unreported: dict[str, Trial] = {}

    def draw(self, index: int, trials: Trials, changed: Collection[str]) -> Suggestion | None:
        self._unreported |= {trial.trial_id: trial for trial in since(trials, self._seen)}
        self._seen = len(trials)
        for trial in [trial for trial in self._unreported.values() if not trial.live]:
            self._report(self._unreported.pop(trial.trial_id))
        if index < self._starts or not self._drawn:
            return self._own_draw(index, trials, changed)
        with self._calls():
            drawn = self._plugin.suggest(layout.trial_id(index))
        if not isinstance(drawn, dict):
            return None

        def value(parameter: ParameterPath) -> Any:
            domain: Any = self._drawn[parameter.name]
            own = plain(drawn[parameter.name])
            return config_value(own, domain.values) if isinstance(domain, ListedDomain) else domain.from_unit(own)

        return Suggestion(compose(self._job.space, value))

    def _report(self, trial: Trial) -> None:
        best = None if trial.state == "failed" else trial.best
        with self._calls():
            if int(trial.trial_id) >= self._starts:
                result = None if best is None else {_METRIC: best.value, _TIME: best.epoch}
                self._plugin.on_trial_complete(trial.trial_id, result, error=best is None)
            elif best is not None:
                own = {
                    name: column_text(trial.config[name])
                    if isinstance(domain, ListedDomain)
                    else domain.to_unit(trial.config[name])
                    for name, domain in self._drawn.items()
                }
                # Some searchers learn only from configs that they have drawn themselves.
                with suppress(NotImplementedError):
                    self._plugin.add_evaluated_point(own, best.value)

    def _calls(self) -> Any:
        return _plugin_errors("searcher", self._path)
