"""Ray's BOHB: TuneBOHB with HyperBandForBOHB, driven by what stands in for Tune's controller."""

from typing import Any

import numpy as np

from pipeline.space import Choice, Config, Grid, IntUniform, LogUniform, Switch, compose, walk
from tests.benchmarks.answers.peer import Verdict
from tests.benchmarks.answers.studies import EPOCHS
from tests.benchmarks.answers.tables import Table


class _Trial:
    """What the scheduler reads of a trial."""

    is_saving = False

    def __init__(self, number: int) -> None:
        self.trial_id, self.number, self.status = str(number), number, "PENDING"


class RayBOHB:
    """BOHB, as its documentation writes it. It knows no conditions, so that it draws what a config leaves out, too.

    As in Tune, one trial is always pending, so that brackets fill up. `search_alg`, `get_trials` and `stop_trial` are
    what the scheduler asks of Tune's controller.
    """

    def __init__(self, table: Table, seed: int, workers: int) -> None:
        import ray.tune
        from ray.tune.schedulers import HyperBandForBOHB
        from ray.tune.search.bohb import TuneBOHB

        self._space, self._trials, self._configs = table.study.space, list[_Trial](), list[Config]()
        self._parameters = {
            parameter.path: f"p{at}" for at, parameter in enumerate(walk(self._space)) if parameter.drawn
        }
        # hpbandster draws from the generator of the process.
        np.random.seed(seed)
        domains = {parameter.path: parameter.domain for parameter in walk(self._space) if parameter.drawn}
        spec = {name: _domain(ray.tune, domains[path]) for path, name in self._parameters.items()}
        self.searcher = TuneBOHB(seed=seed)
        self.searcher.set_search_properties("loss", "min", spec)
        self._scheduler = HyperBandForBOHB(time_attr="training_iteration", metric="loss", mode="min", max_t=EPOCHS)

    @property
    def search_alg(self) -> "RayBOHB":
        """What has the searcher."""
        return self

    def get_trials(self) -> list[_Trial]:
        """All trials."""
        return self._trials

    def stop_trial(self, trial: _Trial) -> None:
        """Ends a trial that does not run."""
        if trial.status not in ("TERMINATED", "RUNNING"):
            trial.status = "TERMINATED"
            self._scheduler.on_trial_remove(self, trial)
            self.searcher.on_trial_complete(trial.trial_id)

    def next(self) -> tuple[int, Config]:
        """What the scheduler chooses among paused trials and a pending one."""
        if not any(trial.status == "PENDING" for trial in self._trials):
            self._add()
        trial = self._scheduler.choose_trial_to_run(self)
        trial.status = "RUNNING"
        return trial.number, self._configs[trial.number]

    def reported(self, number: int, epoch: int, loss: float) -> Verdict:
        """Pauses or stops a trial when the scheduler does."""
        trial, result = self._trials[number], {"loss": loss, "training_iteration": epoch}
        decision = self._scheduler.on_trial_result(self, trial, result)
        if decision != "STOP":
            # Of one that stops, Tune gives the searcher no result.
            self.searcher.on_trial_result(trial.trial_id, result)
        if decision == "CONTINUE":
            return "continue"
        if decision == "PAUSE":
            trial.status = "PAUSED"
            return "pause"
        trial.status = "TERMINATED"
        self._scheduler.on_trial_complete(self, trial, result)
        self.searcher.on_trial_complete(trial.trial_id, result)
        return "stop"

    def _add(self) -> None:
        trial = _Trial(len(self._trials))
        drawn = self.searcher.suggest(trial.trial_id)
        config = compose(
            self._space, lambda parameter: _value(parameter.domain, drawn[self._parameters[parameter.path]])
        )
        self._configs.append(config)
        self._trials.append(trial)
        self._scheduler.on_trial_add(self, trial)


def _domain(tune: Any, domain: Any) -> Any:
    match domain:
        case Choice() | Grid() | Switch():
            return tune.choice(list(range(len(domain.values))))
        case IntUniform():
            return (tune.lograndint if domain.log else tune.randint)(domain.low, domain.high + 1)
        case LogUniform():
            return tune.loguniform(domain.low, domain.high)
        case _:
            return tune.uniform(domain.low, domain.high)


def _value(domain: Any, value: Any) -> Any:
    if isinstance(domain, Choice | Grid | Switch):
        return domain.values[int(value)]
    return int(value) if isinstance(domain, IntUniform) else float(value)
