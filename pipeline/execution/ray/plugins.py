"""Ray Tune's own schedulers and searchers in place of a study's; a class is imported only for a job that names it.

A scheduler sees stand-ins for Tune's trials and controller. Neither gives reasons or can be saved, so a study that uses
one cannot be resumed.
"""

import importlib
import inspect
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipeline.engine.draws import Draw, Trials, own_draw, since
from pipeline.engine.trial import BestEpoch, Trial
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.ray.cluster import logger_level, ray_environment
from pipeline.schedulers import Decision, RayScheduler, Scheduler, SchedulerContext, Selection
from pipeline.searchers import RaySearch, Suggestion
from pipeline.space import (
    Choice,
    Config,
    Domain,
    Grid,
    IntUniform,
    LogUniform,
    Normal,
    QUniform,
    Uniform,
    Value,
    column_text,
    compose,
    config_value,
    key_of,
    plain,
)
from pipeline.study import TuneJob, layout
from pipeline.study.trial_configs import draws_each_config_once, start_configs, untried_config

_METRIC, _TIME = "objective", "training_iteration"

_UNSUPPORTED = {
    "HyperBandScheduler": "it needs all trials of a bracket before the first one runs; use hyperband",
    "PopulationBasedTraining": "it copies weights through Tune's own checkpoints; use pbt or pb2",
    "PopulationBasedTrainingReplay": "it copies weights through Tune's own checkpoints; use pbt or pb2",
    "ResourceChangingScheduler": "a trial's resources stay as the job says",
    "ConcurrencyLimiter": "the job says how many trials run in parallel",
    "Repeater": "the job says how often a config is repeated",
}
"""Classes of Ray Tune that cannot be used, nor those derived from them, and why."""


def ray_scheduler(job: TuneJob) -> Callable[[SchedulerContext], Scheduler] | None:
    """The function that builds the scheduler of a job that names a class of Ray Tune; None for one of tunepipe.

    The function raises InvalidJob where the class cannot be used.
    """
    return partial(PluginScheduler, job.scheduler) if isinstance(job.scheduler, RayScheduler) else None


def ray_draw(job: TuneJob) -> Draw | None:
    """The function that draws the configs of a job that names a searcher of Ray Tune; None for one of tunepipe."""
    if not isinstance(job.searcher, RaySearch):
        return None
    own, plugin, starts = own_draw(job), PluginSearcher(job.searcher, job), len(start_configs(job))

    def draw(index: int, trials: Trials, changed: Collection[str]) -> Suggestion | None:
        if index < starts:
            return own(index, trials, changed)
        config = plugin.draw(index, trials)
        return None if config is None else Suggestion(config)

    return draw


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
        """Whether it has ended."""
        return self.status in ("TERMINATED", "ERROR")


class PluginScheduler(Scheduler):
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
        """For Tune: the trials that have not ended."""
        return [trial for trial in self._trials.values() if not trial.is_finished()]

    def add(self, trial_id: str, config: Config) -> None:
        """Add a trial that was drawn."""
        self._trials[trial_id] = _StandIn(trial_id, dict(config))
        with self._calls():
            self._plugin.on_trial_add(self, self._trials[trial_id])

    def start(self, trial_id: str) -> None:
        """Mark a trial as running."""
        self._trials[trial_id].status = "RUNNING"

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
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
        if action == "STOP":
            trial.status = "TERMINATED"
            return Decision("stop", reason)
        if action == "PAUSE":
            trial.status = "PAUSED"
            return Decision("pause", reason)
        return Decision("continue", reason)

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
        """Set the largest number of trials."""
        self._context = replace(self._context, trials=trials)

    def choose(self, candidates: Collection[str]) -> Selection | None:
        """The paused trial that resumes."""
        with self._calls():
            chosen = self._plugin.choose_trial_to_run(self)
        if chosen is None or chosen.trial_id not in candidates:
            return None
        return Selection(chosen.trial_id, f"chosen by {self._path}, which gives no reason")

    def state(self) -> dict[str, Any]:
        """Nothing: its state cannot be saved."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""

    def _calls(self) -> Any:
        return _plugin_errors("scheduler", self._path)


class PluginSearcher:
    """Reports trials to a searcher of Ray Tune, and asks it for the next config."""

    def __init__(self, settings: RaySearch, job: TuneJob) -> None:
        self._path, self._job, mode = settings.kind, job, job.objective.mode
        self._drawn = {name: domain for name, domain in job.space.items() if isinstance(domain, Domain)}
        self._starts = len(start_configs(job))
        seeds = {"seed": job.seed, "random_state_seed": job.seed, "random_seed": job.seed}
        reserved = {"metric": _METRIC, "mode": mode, "space": None}
        self._plugin = _build("searcher", settings.kind, settings.settings, "Searcher", reserved, seeds)
        with self._calls():
            space = {name: _ray_domain(domain) for name, domain in self._drawn.items()}
            accepted = self._plugin.set_search_properties(_METRIC, mode, space)
        if not accepted:
            allowed = "must be a searcher that accepts the job's space, without settings for another space"
            raise InvalidJob("the job", [Fault("searcher", self._path, allowed)])
        self._seen = 0
        self._unreported: dict[str, Trial] = {}
        self._keys: set[str] = set()
        self._not_drawn: set[str] = set()
        """Trials whose config is not the searcher's: it had suggested one that was tried before."""

    def draw(self, index: int, trials: Trials) -> Config | None:
        """The config of trial number `index`."""
        for trial in since(trials, self._seen):
            self._unreported[trial.trial_id] = trial
            self._keys.add(key_of(trial.config))
        self._seen = len(trials)
        for trial in [trial for trial in self._unreported.values() if not trial.live]:
            del self._unreported[trial.trial_id]
            self._report(trial)
        if not self._drawn:
            return compose(self._job.space, lambda parameter: parameter.domain)
        trial_id = layout.trial_id(index)
        config = self._suggested(trial_id)
        if config is None or not draws_each_config_once(self._job) or key_of(config) not in self._keys:
            return config
        key, last = key_of(config), Suggestion(config)
        self._completed(trial_id, next((each.best for each in trials if key_of(each.config) == key), None))
        self._not_drawn.add(trial_id)
        return untried_config(
            self._job.space, last, self._keys, lambda _: last, seed=self._job.seed, number=index
        ).config

    def _suggested(self, trial_id: str) -> Config | None:
        with self._calls():
            suggestion = self._plugin.suggest(trial_id)
        if not isinstance(suggestion, dict):
            return None
        return compose(
            self._job.space, lambda parameter: _own_value(parameter.domain, plain(suggestion[parameter.name]))
        )

    def _report(self, trial: Trial) -> None:
        best = None if trial.state == "failed" else trial.best
        if int(trial.trial_id) >= self._starts and trial.trial_id not in self._not_drawn:
            self._completed(trial.trial_id, best)
        elif best is not None:
            own = {name: _ray_value(domain, trial.config[name]) for name, domain in self._drawn.items()}
            with self._calls():
                try:
                    self._plugin.add_evaluated_point(own, best.value)
                except NotImplementedError:
                    # Some searchers learn only from configs that they have drawn themselves.
                    return

    def _completed(self, trial_id: str, best: BestEpoch | None) -> None:
        result = None if best is None else {_METRIC: best.value, "training_iteration": best.epoch}
        with self._calls():
            self._plugin.on_trial_complete(trial_id, result, error=best is None)

    def _calls(self) -> Any:
        return _plugin_errors("searcher", self._path)


def _ray_domain(domain: Any) -> Any:
    from ray import tune

    match domain:
        case Uniform(low=low, high=high):
            return tune.uniform(low, high)
        case LogUniform(low=low, high=high):
            return tune.loguniform(low, high)
        case QUniform() | IntUniform() if _in_steps(domain):
            # Ray Tune requires ends that are multiples of the step: the position among the steps is drawn instead.
            return tune.uniform(0.0, 1.0)
        case IntUniform(low=low, high=high, log=log):
            return (tune.lograndint if log else tune.randint)(low, high + 1)
        case Normal(mean=mean, std=std):
            return tune.randn(mean, std)
        case Choice(values=values) | Grid(values=values):
            return tune.choice([column_text(value) for value in values] if _is_text(domain) else list(values))
    raise AssertionError(f"a domain that the job should have refused: {domain!r}")


def _in_steps(domain: Any) -> bool:
    return isinstance(domain, QUniform) or (isinstance(domain, IntUniform) and domain.step > 1)


def _is_text(domain: Any) -> bool:
    """Whether Ray gets JSON instead of values: its searchers take no list or dict, and some of them no None."""
    listed = isinstance(domain, Choice | Grid)
    return listed and any(not isinstance(value, bool | int | float | str) for value in domain.values)


def _ray_value(domain: Any, value: Value) -> Any:
    if _is_text(domain):
        return column_text(value)
    return domain.to_unit(value) if _in_steps(domain) else value


def _own_value(domain: Any, value: Any) -> Any:
    """The value within its domain; Ray Tune may return an end that the domain excludes."""
    if _is_text(domain):
        return config_value(value, domain.values)
    if _in_steps(domain):
        return domain.from_unit(value)
    return value if domain.contains(value) else domain.from_unit(domain.to_unit(value))
