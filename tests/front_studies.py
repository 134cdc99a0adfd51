"""Synthetic studies of several objectives."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.space import IntUniform
from pipeline.study import Objective
from tests.recorded_studies import Recording, tune_job

POINTS = [(0.9, 1000), (0.8, 50), (0.7, 60), (0.95, 20_000), (0.5, 10), (0.99, 5)]
"""Accuracy and parameters of each trial; the last one fails."""


def recorded(root: Path, *further: Objective, points: Sequence[tuple[float, int]] = POINTS) -> Recording:
    """A study of an accuracy and of other objectives; its trials have two epochs, and the first is the best."""
    objectives = [Objective("val_accuracy", "max"), *(further or [Objective("parameters", "min")])]
    job = tune_job("both", space={"width": IntUniform(1, 99)}, objectives=objectives)
    study = Recording(root, job, metrics=("val_accuracy",))
    for index, (value, parameters) in enumerate(points):
        trial, config = f"{index:04d}", {"width": index + 1}
        study.decide(trial, 0, "start", float(index), config_after=config)
        study.train(trial, 1, config, value, float(index), parameters=parameters)
        study.train(trial, 2, config, value - 0.01, index + 0.5, parameters=parameters)
        study.decide(trial, 2, "fail" if index == 5 else "complete", index + 0.6)
    study.end(float(len(points)))
    return study
