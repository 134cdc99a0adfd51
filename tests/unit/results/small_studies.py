"""Small studies, each made for one question."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console, RenderableType

from pipeline.results import Results, load_results
from pipeline.space import Choice, Grid, LogUniform, Uniform, draw
from pipeline.storage.schema import metric_column
from pipeline.study import Objective, layout
from tests.unit.results.studies import Recording, tune_job

INITS = {"he": (0.9, 0.92, 0.94), "lecun": (0.91, 0.91, 0.92), "zero": (0.1, 0.1, 0.1), "glorot": (0.88, 0.9, 0.92)}
"""The values of each fold in `folded_study`, by initialiser."""

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
        study.decide(layout.trial_id(index), 1, "finish", index + 1.0)
    study.end(float(len(values)))
    return load_results(study.store.uri)


def of_function(
    root: Path,
    value: Callable[[Mapping[str, Any]], float],
    *,
    trials: int = 150,
    space: Any = KNOWN,
    name: str = "known",
) -> Results:
    """Trials of one epoch whose objective is a function of the config."""
    job = tune_job(name, space=space, scheduler="fifo", objectives=(Objective("val_loss", "min"),))
    study, rng = Recording(root, job), np.random.default_rng(4)
    for index in range(trials):
        trial, config = layout.trial_id(index), draw(job.space, rng, index)
        study.decide(trial, 0, "start", 0.0, config_after=config)
        study.train(trial, 1, config, value(config), 1.0, val_loss=value(config))
        study.decide(trial, 1, "finish", 1.0)
    study.end(2.0)
    return load_results(study.store.uri)


def wide_study(root: Path, *, parameters: int = 60, trials: int = 80, name: str = "wide") -> Results:
    """Trials with many hyperparameters of which one, p41, matters."""
    space = {f"p{number:02d}": Uniform(0.0, 1.0) for number in range(parameters)}
    return of_function(root, lambda config: config["p41"], trials=trials, space=space, name=name)


def folded_study(root: Path, metric: str = "val_accuracy") -> Results:
    """Four trials of three folds, each best at its second epoch of two."""
    names = [metric_column(f"{metric}{end}") for end in ("", "_std", "_fold1", "_fold2", "_fold3")]
    job = tune_job("folded", space={"init": Grid(tuple(INITS))}, folds=3, objectives=(Objective(metric, "max"),))
    recording = Recording(root, job, metrics=tuple(names))
    for index, (init, each) in enumerate(INITS.items()):
        trial = layout.trial_id(index)
        recording.decide(trial, 0, "start", 0, config_after={"init": init})
        for epoch, less in ((1, 0.05), (2, 0.0)):
            found = np.array(each) - less
            more: dict[str, Any] = dict(zip(names, (found.mean(), found.std(), *found), strict=True))
            recording.train(trial, epoch, {"init": init}, found.mean(), epoch, **more)
        recording.decide(trial, 2, "finish", 3)
    recording.end(5)
    return load_results(root / "folded")


def batches_study(root: Path) -> Results:
    """Two trials: 100 updates an epoch and 10."""
    recording = Recording(root, tune_job("batches", space={"batch_size": Grid((8, 80))}))
    for trial, size, value in (("0000", 8, 0.9), ("0001", 80, 0.7)):
        recording.decide(trial, 0, "start", 0, config_after={"batch_size": size})
        for epoch in (1, 2):
            more = {"updates": 800 // size * epoch, "seconds_train": 80 / size}
            recording.train(trial, epoch, {"batch_size": size}, value + epoch / 100, epoch, **more)
        recording.decide(trial, 2, "finish", 3)
    recording.end(5)
    return load_results(root / "batches")


def walked_study(root: Path) -> Results:
    """Two trials that walk for three epochs."""
    job = tune_job("walk", space={"lr": Uniform(0, 1)}, objectives=[Objective("value", "min")])
    recording = Recording(root, job, metrics=("value", "x", "y"))
    for index, lr in enumerate((0.2, 0.4)):
        trial = layout.trial_id(index)
        recording.decide(trial, 0, "start", index, config_after={"lr": lr})
        for epoch in (1, 2, 3):
            recording.train(trial, epoch, {"lr": lr}, 1 - lr * epoch, epoch, x=lr * epoch, y=-lr * epoch)
        recording.decide(trial, 3, "finish", 3)
    recording.end(4)
    return load_results(root / "walk")


def cut_off_study(root: Path, *, compared: bool) -> Results:
    """Two trials of four epochs whose study ends after the second; one of them may be stopped before by comparison."""
    study = Recording(root, tune_job("cut", scheduler="asha", budget={"trials": 2, "epochs": 4}))
    for number in range(2):
        trial = layout.trial_id(number)
        study.decide(trial, 0, "start", 0.0)
        for epoch in (1, 2):
            study.train(trial, epoch, {"lr": 0.1}, 0.1 * number + 0.1 * epoch, 1.0 * epoch)
        rung = {"rung": 2, "cutoff": 0.25, "value": 0.2} if compared and not number else {}
        study.decide(trial, 2, "stop", 2.0, "The study's budget of 2 seconds is spent.", **rung)
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
    study.decide("0001", 2, "finish", 2.0)
    study.end(2.0)
    return load_results(study.store.uri)


def plane_study(root: Path, places: Sequence[tuple[float, float]], **space: Any) -> Results:
    """A trial at each place of two hyperparameters; the nearer to the middle, the better."""
    job = tune_job("plane", space=space, objectives=[Objective("value", "min")])
    recording = Recording(root, job, metrics=("value",))
    for index, (x, y) in enumerate(places):
        trial, config = layout.trial_id(index), dict(zip(space, (x, y), strict=True))
        recording.decide(trial, 0, "start", index, config_after=config)
        recording.train(trial, 1, config, math.hypot(x - 0.5, y - 0.5), index)
        recording.decide(trial, 1, "finish", index)
    recording.end(len(places))
    return load_results(root / "plane")


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
            study.decide(trial, epochs, "finish", 9.0)
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
