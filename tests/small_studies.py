"""Small studies, each made for one question."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console, RenderableType

from pipeline.results import Results, load_results
from pipeline.space import Choice, LogUniform, Uniform, draw
from pipeline.storage import layout
from pipeline.study import Objective
from tests.recorded_studies import Recording, tune_job

KNOWN = {"a": Uniform(0.0, 1.0), "b": LogUniform(0.001, 1.0), "c": Choice(("x", "y", "z")), "idle": Uniform(0.0, 1.0)}
"""The space of `of_function`."""


def one_epoch_study(
    root: Path,
    name: str,
    values: Sequence[float],
    *,
    seed: int = 0,
    metric: str = "val_accuracy",
    mode: Literal["max", "min"] = "max",
) -> Results:
    """A trial of one epoch for each value; trial i has the same config in every study."""
    job = tune_job(name, scheduler="fifo", seed=seed, objectives=(Objective(metric, mode),))
    study = Recording(root, job)
    for index, value in enumerate(values):
        config = {"lr": 0.001 * (index + 1)}
        study.decide(layout.trial_id(index), 0, "start", float(index), config_after=config)
        study.train(layout.trial_id(index), 1, config, value, index + 1.0, **{metric: value})
        study.decide(layout.trial_id(index), 1, "complete", index + 1.0)
    study.end(float(len(values)))
    return load_results(study.store.uri)


def of_function(
    root: Path,
    value: Callable[[Mapping[str, Any]], float],
    *,
    trials: int = 150,
    space: Any = KNOWN,
    name: str = "known",
    stopped_at: Callable[[Mapping[str, Any]], int | None] = lambda _: None,
    epochs: int = 1,
) -> Results:
    """Trials whose objective approaches a function of the config, some of which are stopped early."""
    job = tune_job(name, space=space, scheduler="fifo", objectives=(Objective("val_loss", "min"),))
    study, rng = Recording(root, job), np.random.default_rng(4)
    for index in range(trials):
        trial, config = layout.trial_id(index), draw(job.space, rng, index)
        study.decide(trial, 0, "start", 0.0, config_after=config)
        early, final = stopped_at(config), value(config)
        for epoch in range(1, (early or epochs) + 1):
            study.train(trial, epoch, config, final, 1.0, val_loss=final + 30 / epoch - 30)
        study.decide(trial, early or epochs, "stop" if early else "complete", 1.0)
    study.end(2.0)
    return load_results(study.store.uri)


def wide_study(root: Path, *, parameters: int = 60, trials: int = 80, name: str = "wide") -> Results:
    """Trials with many hyperparameters of which one, p41, matters."""
    space = {f"p{number:02d}": Uniform(0.0, 1.0) for number in range(parameters)}
    return of_function(root, lambda config: config["p41"], trials=trials, space=space, name=name)


def cut_off_study(root: Path, *, compared: bool) -> Results:
    """Two trials of four epochs whose study ends after the second; one of them may be stopped before by comparison."""
    study = Recording(root, tune_job("cut", scheduler="asha", budget={"trials": 2, "epochs": 4}))
    for number in range(2):
        trial = layout.trial_id(number)
        study.decide(trial, 0, "start", 0.0)
        for epoch in (1, 2):
            study.train(trial, epoch, {"lr": 0.1}, 0.1 * number + 0.1 * epoch, 1.0 * epoch)
        rung = {"rung": 2, "cutoff": 0.25, "value": 0.2} if compared and not number else {}
        study.decide(trial, 2, "stop", 2.0, "The study's budget of 2 s is spent.", **rung)
    study.end(2.0)
    return load_results(study.store.uri)


def user_stopped_study(root: Path) -> Results:
    """Two trials of two epochs: a user stopped the first one after its first epoch, and the other one trained both."""
    study = Recording(root, tune_job("stopped", scheduler="fifo", budget={"trials": 2, "epochs": 2}))
    for number, epochs in enumerate((1, 2)):
        trial = layout.trial_id(number)
        study.decide(trial, 0, "start", 0.0)
        for epoch in range(1, epochs + 1):
            study.train(trial, epoch, {"lr": 0.1}, 0.1 * epoch, 1.0 * epoch)
    study.decide("0000", 1, "stop", 1.0, "A user stopped it: too slow (command c1).")
    study.decide("0001", 2, "complete", 2.0)
    study.end(2.0)
    return load_results(study.store.uri)


def by_epoch_study(
    root: Path, curves: Sequence[Sequence[float]], *, epochs: int, mode: Literal["max", "min"] = "max"
) -> Results:
    """Trials with these values; shorter ones were stopped by comparison at their last epoch."""
    fields = {"scheduler": "asha", "budget": {"epochs": epochs, "trials": 99}}
    study = Recording(root, tune_job("curves", objectives=[Objective("val_accuracy", mode)], **fields))
    for index, curve in enumerate(curves):
        trial = layout.trial_id(index)
        study.decide(trial, 0, "start", 0.0, config_after={"lr": 0.1})
        for epoch, value in enumerate(curve, start=1):
            study.train(trial, epoch, {"lr": 0.1}, value, float(epoch))
        if len(curve) == epochs:
            study.decide(trial, epochs, "complete", 9.0)
        else:
            study.decide(trial, len(curve), "stop", 9.0, rung=len(curve), cutoff=1.0, value=curve[-1])
    study.end(9.0)
    return load_results(study.store.uri)


def printed(what: RenderableType, width: int = 200) -> str:
    """What a terminal of that width shows, without colours."""
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(what)
    return captured.get()
