"""A searcher of Ray Tune as the source of a study's configs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

from ray import tune
from ray.tune.search import ConcurrencyLimiter, Repeater, Searcher

from pipeline.engine.draws import Trials, since
from pipeline.engine.trial import Trial
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.ray.environment import logger_level
from pipeline.execution.ray.plugin_class import build_plugin, plugin_errors
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
    compose,
    key_of,
)
from pipeline.space.column_values import column_text, config_value
from pipeline.space.values import plain
from pipeline.study import TuneJob, layout
from pipeline.study.trial_configs import draws_each_config_once, start_configs, untried_config

_METRIC = "objective"

_ATTEMPTS = 8
"""How often it is asked again for a config that was not tried; then any config that is left is taken."""
_UNSUPPORTED = {
    ConcurrencyLimiter: "the job says how many trials run in parallel",
    Repeater: "the job says how often a config is repeated",
}


class PluginSearcher:
    """Reports trials to a searcher of Ray Tune, and asks it for the next config."""

    def __init__(self, settings: RaySearch, job: TuneJob) -> None:
        self._path, self._job = settings.kind, job
        self._drawn = {name: domain for name, domain in job.space.items() if isinstance(domain, Domain)}
        self._starts = len(start_configs(job))
        space = {name: _ray_domain(domain) for name, domain in self._drawn.items()}
        self._plugin: Searcher = build_plugin(
            "searcher",
            settings.kind,
            settings.settings,
            base=Searcher,
            unsupported=_UNSUPPORTED,
            reserved={"metric": _METRIC, "mode": job.objective.mode, "space": None},
            defaults={"seed": job.seed, "random_state_seed": job.seed, "random_seed": job.seed},
        )
        with self._calls():
            accepted = self._plugin.set_search_properties(_METRIC, job.objective.mode, space)
        if not accepted:
            allowed = "must be a searcher that accepts the job's space, without settings for another space"
            raise InvalidJob("the job", [Fault("searcher", self._path, allowed)])
        self._seen = 0
        self._unreported: dict[str, Trial] = {}
        self._keys: set[str] = set()
        # Trial → the id under which the searcher drew its config, where it differs; None if it did not draw it.
        self._ids: dict[str, str | None] = {}

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
        draw_id = layout.trial_id(index)
        config = self._suggested(draw_id)
        if config is None or not draws_each_config_once(self._job):
            return config
        keys = self._keys
        attempts = 0
        while key_of(config) in keys and attempts < _ATTEMPTS:
            self._report_duplicate(draw_id, config, trials)
            attempts += 1
            draw_id = f"{layout.trial_id(index)}-{attempts}"
            if (config := self._suggested(draw_id)) is None:
                return None
        if key_of(config) not in keys:
            self._ids[layout.trial_id(index)] = draw_id
            return config
        self._report_duplicate(draw_id, config, trials)
        self._ids[layout.trial_id(index)] = None
        last = Suggestion(config)
        return untried_config(self._job.space, last, keys, lambda _: last, seed=self._job.seed, number=index).config

    def _suggested(self, draw_id: str) -> Config | None:
        with self._calls():
            suggestion = self._plugin.suggest(draw_id)
        if not isinstance(suggestion, dict):
            return None
        return compose(
            self._job.space, lambda parameter: _own_value(parameter.domain, plain(suggestion[parameter.name]))
        )

    @contextmanager
    def _calls(self) -> Iterator[None]:
        # Optuna would log each study that it creates between the command's own output.
        with logger_level("optuna", logging.WARNING), plugin_errors("searcher", self._path):
            yield

    def _report_duplicate(self, draw_id: str, config: Config, trials: Trials) -> None:
        """Report the result of the trial that had the same config already."""
        key = key_of(config)
        earlier = next((trial for trial in trials if trial.best is not None and key_of(trial.config) == key), None)
        result = None if earlier is None else {_METRIC: earlier.best, "training_iteration": earlier.best_epoch}
        with self._calls():
            self._plugin.on_trial_complete(draw_id, result, error=result is None)

    def _report(self, trial: Trial) -> None:
        failed = trial.state == "failed" or trial.best is None
        with self._calls():
            draw_id = self._ids.get(trial.trial_id, trial.trial_id)
            if draw_id is not None and int(trial.trial_id) >= self._starts:
                result = None if failed else {_METRIC: trial.best, "training_iteration": trial.best_epoch}
                self._plugin.on_trial_complete(draw_id, result, error=failed)
            elif not failed:
                config, drawn = trial.config, self._drawn
                own = {name: _ray_value(domain, config[name]) for name, domain in drawn.items()}
                try:
                    self._plugin.add_evaluated_point(own, trial.best)
                except NotImplementedError:
                    # Some searchers learn only from configs that they have drawn themselves.
                    return


def _in_steps(domain: Any) -> TypeGuard[QUniform | IntUniform]:
    return isinstance(domain, QUniform) or (isinstance(domain, IntUniform) and domain.step > 1)


def _ray_domain(domain: Any) -> Any:
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


def _is_text(domain: Any) -> bool:
    """Whether Ray gets JSON instead of values: its searchers take no list or dict, and some of them no None."""
    listed = isinstance(domain, Choice | Grid)
    return listed and any(not isinstance(value, bool | int | float | str) for value in domain.values)


def _ray_value(domain: Any, value: Value) -> Any:
    if _is_text(domain):
        return column_text(value)
    return domain.to_unit(value) if _in_steps(domain) else value


def _own_value(domain: Any, value: Any) -> Value:
    """The value within its domain; Ray Tune may return an end that the domain excludes."""
    if _is_text(domain):
        return config_value(value, domain.values)  # type: ignore[no-any-return]
    if _in_steps(domain):
        return domain.from_unit(value)
    if domain.contains(value):
        return value  # type: ignore[no-any-return]
    return domain.from_unit(domain.to_unit(value))  # type: ignore[no-any-return]
