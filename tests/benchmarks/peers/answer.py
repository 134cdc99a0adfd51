"""A study of `bench_answer` tuned by another tool, as its own documentation writes it, until its time is over.

Each epoch leaves a line with its time and value. Processes end when their time is over, wherever they are.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.datasets import Dataset
from pipeline.space import Choice, Domain, IntUniform, LogUniform, Switch
from pipeline.study import TuneJob
from pipeline.training.data import load_data
from tests.benchmarks.jobs.bench_answer import JOBS
from tests.benchmarks.peers import problem

_FACTOR = 3
_STEPS = 32

Ask = Callable[[str, Domain], Any]


def config_of(space: Mapping[str, Any], ask: Ask, *, whole: bool = False) -> dict[str, Any]:
    """A config by a tool's own draws; `whole` has those of all branches."""
    config = {}
    for name, domain in space.items():
        config[name] = ask(name, domain)
        if isinstance(domain, Switch):
            for branch, below in domain.branches.items():
                if whole or branch == config[name]:
                    config |= config_of(below, ask, whole=whole)
    return config


def curve(job: TuneJob, lines: Path, *tell: Callable[[float, int], None]) -> Any:
    """A callback that leaves a line for each epoch, and tells the tool."""
    import keras

    class Curve(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            value = float(logs[job.objective.metric])
            with lines.open("a") as file:
                file.write(f"{time.time()} {value}\n")
            for each in tell:
                each(value, epoch)

    return Curve()


def rows(job: TuneJob, data: Dataset, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `fit` that say what is trained on."""
    train, validation, batch = data.train, data.validation, config.get("batch_size", job.batch_size)
    return {
        "x": train.x, "y": train.y, "validation_data": (validation.x, validation.y), "batch_size": batch, "verbose": 0,
    }  # fmt: skip


def fit(job: TuneJob, data: Dataset, config: dict[str, Any], callback: Any, steps: int = 1) -> float:
    """Train a config to its last epoch, or until a callback ends it; returns the best value."""
    import keras

    keras.backend.clear_session()
    model = job.model(config)
    model.steps_per_execution = steps
    trained = model.fit(**rows(job, data, config), epochs=job.budget.epochs, callbacks=[callback])
    return (max if job.objective.mode == "max" else min)(trained.history[job.objective.metric])


def ray_tune(job: TuneJob, data: Dataset, lines: Path, end: float, seed: int, *, expert: bool = False) -> None:
    """ASHA and Optuna's search; as an expert, workers are kept and batches run in one call of the graph."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    def train(config, data):
        def report(value, _):
            tune.report({metric: value})

        fit(job, data, config, curve(job, lines, report), _STEPS if expert else 1)

    def domain_of(_, domain):
        if isinstance(domain, (Choice, Switch)):
            return tune.choice(list(domain.values))
        if isinstance(domain, IntUniform):
            return tune.randint(domain.low, domain.high + 1)
        return (tune.loguniform if isinstance(domain, LogUniform) else tune.uniform)(domain.low, domain.high)

    metric, mode = job.objective.metric, job.objective.mode
    scheduler = ASHAScheduler(max_t=job.budget.epochs, grace_period=1, reduction_factor=_FACTOR)
    how = {"scheduler": scheduler, "search_alg": OptunaSearch(seed=seed), "time_budget_s": end - time.time()}
    tune.Tuner(
        tune.with_resources(tune.with_parameters(train, data=data), {"cpu": 1}),
        param_space=config_of(job.space, domain_of, whole=True),
        tune_config=tune.TuneConfig(metric=metric, mode=mode, num_samples=-1, reuse_actors=expert, **how),
    ).fit()


def optuna(job: TuneJob, data: Dataset, lines: Path, end: float, seed: int) -> None:
    """TPE with its Hyperband pruner, in one process whose TensorFlow uses all cores."""
    import optuna

    def objective(trial):
        def ask(name, domain):
            if isinstance(domain, (Choice, Switch)):
                return trial.suggest_categorical(name, domain.values)
            if isinstance(domain, IntUniform):
                return trial.suggest_int(name, domain.low, domain.high)
            return trial.suggest_float(name, domain.low, domain.high, log=isinstance(domain, LogUniform))

        def report(value, epoch):
            trial.report(value, epoch + 1)
            _leave(end)
            if trial.should_prune():
                raise optuna.TrialPruned

        return fit(job, data, config_of(job.space, ask), curve(job, lines, report))

    pruner = optuna.pruners.HyperbandPruner(1, job.budget.epochs, _FACTOR)
    direction = "maximize" if job.objective.mode == "max" else "minimize"
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)
    study.optimize(objective)


def keras_tuner(job: TuneJob, data: Dataset, lines: Path, end: float, seed: int, *, bayesian: bool = False) -> None:
    """Hyperband, or Bayesian optimization without early stopping."""
    import keras_tuner

    def config(hp):
        def ask(name, domain):
            if isinstance(domain, (Choice, Switch)):
                return hp.Choice(name, list(domain.values))
            if isinstance(domain, IntUniform):
                return hp.Int(name, domain.low, domain.high)
            return hp.Float(name, domain.low, domain.high, sampling="log" if isinstance(domain, LogUniform) else None)

        return config_of(job.space, ask)

    class Tuned(keras_tuner.HyperModel):
        def build(self, hp):
            return job.model(config(hp))

        def fit(self, hp, model, callbacks=(), **given):
            more = given | rows(job, data, config(hp))
            return model.fit(callbacks=[*callbacks, curve(job, lines, lambda *_: _leave(end))], **more)

    objective = keras_tuner.Objective(job.objective.metric, job.objective.mode)
    how, epochs = {"objective": objective, "seed": seed, "directory": "tuner"}, job.budget.epochs
    if bayesian:
        tuner = keras_tuner.BayesianOptimization(Tuned(), max_trials=1000, **how)
    else:
        tuner = keras_tuner.Hyperband(Tuned(), max_epochs=epochs, factor=_FACTOR, hyperband_iterations=100, **how)
    tuner.search(epochs=epochs)


def _leave(end: float) -> None:
    if time.time() > end:
        problem.tell()
        os._exit(0)


TOOLS: dict[str, Callable[..., None]] = {
    "ray-tune": ray_tune,
    "ray-tune-expert": partial(ray_tune, expert=True),
    "optuna": optuna,
    "keras-tuner-hyperband": keras_tuner,
    "keras-tuner-bayesian": partial(keras_tuner, bayesian=True),
}


def main() -> None:
    tool, study, end, seed = sys.argv[1:]
    job = JOBS[study]
    TOOLS[tool](job, load_data(job), Path("curve").absolute(), float(end), int(seed))
    problem.tell()


if __name__ == "__main__":
    main()
