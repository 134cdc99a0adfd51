"""An ensemble: the models of a trial with folds or repeats, which are trained together, epoch by epoch."""

import math
import statistics
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.storage import Checkpoint
from pipeline.study.context import in_part
from pipeline.training.base import EpochResult, Learner, TrainingEnded


def labels_of(folds: int, repeats: int) -> list[str]:
    """The names of a trial's models, as suffixes of their metrics; the folds of the first repeat come first."""
    parts = [
        (f"fold{fold + 1}" if folds > 1 else "", f"repeat{repeat + 1}" if repeats > 1 else "")
        for repeat in range(repeats)
        for fold in range(folds)
    ]
    return ["_".join(filter(None, part)) for part in parts]


def seed_of(seed: int, place: int) -> int:
    """The seed of one of a trial's models: the trial's seed for the first, another one for each of the others."""
    return seed if not place else zlib.crc32(f"{seed} model {place}".encode()) >> 1


def first_model(checkpoint: Checkpoint) -> Checkpoint:
    return _apart(checkpoint)[0]


class Ensemble:
    """Several models as one learner: each epoch trains every one of them, and its metrics are their means.

    Each metric also has its standard deviation over the models, `<metric>_std` (divided by their number, as
    scikit-learn does), and the value of each model, `<metric>_fold1`, … A model that a callback has stopped keeps the
    metrics of its last epoch; training ends when all have stopped.
    """

    def __init__(self, labels: Sequence[str], members: Sequence[Learner]) -> None:
        self.members = list(members)
        self._labels = list(labels)
        self._ended: list[dict[str, float] | None] = [None] * len(members)

    @property
    def model_epoch(self) -> int:
        return max(member.model_epoch for member in self.members)

    @property
    def trained_with(self) -> str | None:
        return self.members[0].trained_with

    def run_epoch(self) -> EpochResult:
        if all(self._ended):
            raise TrainingEnded
        results: list[EpochResult] = []
        metrics: list[Mapping[str, float]] = []
        for place, member in enumerate(self._in_parts()):
            if (kept := self._ended[place]) is None:
                result = member.run_epoch()
                results.append(result)
                self._ended[place] = dict(result.metrics) if result.last else None
            metrics.append(result.metrics if kept is None else kept)

        def highest(name: str) -> Any:
            return max((getattr(result, name) for result in results), default=None)

        rates = [result.learning_rate for result in results if result.learning_rate is not None]
        return EpochResult(
            metrics=_together(self._labels, metrics),
            # Exact if all are equal, as they are unless callbacks change them one by one.
            learning_rate=statistics.mean(rates) if rates else None,
            seconds_build=math.fsum(result.seconds_build for result in results),
            seconds_train=math.fsum(result.seconds_train for result in results),
            seconds_evaluate=math.fsum(result.seconds_evaluate for result in results),
            updates=highest("updates"),
            parameters=highest("parameters"),
            last=all(self._ended),
            phase=highest("phase"),
        )

    def save(self) -> Checkpoint:
        states = [member.save() for member in self._in_parts()]
        header = {
            "model_epoch": self.model_epoch,
            "models": [{"header": state.header, "arrays": len(state.arrays)} for state in states],
            "ended": list(self._ended),
        }
        return Checkpoint(header, [array for state in states for array in state.arrays])

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        for member, state in zip(self._in_parts(), _apart(checkpoint), strict=True):
            member.load(state, exploit=exploit)
        self._ended = [dict(kept) if kept else None for kept in checkpoint.header["ended"]]

    def close(self) -> None:
        for member in self._in_parts():
            member.close()

    def _in_parts(self) -> Iterator[Learner]:
        """Each model, in its own folder."""
        for label, member in zip(self._labels, self.members, strict=True):
            with in_part(label):
                yield member


def _together(labels: Sequence[str], metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    means: dict[str, float] = {}
    for name in metrics[0]:
        if not all(name in values for values in metrics):
            continue
        values = [member[name] for member in metrics]
        means[name] = float(np.mean(values))
        means[f"{name}_std"] = float(np.std(values))
        means.update({f"{name}_{label}": value for label, value in zip(labels, values, strict=True)})
    return means


def _apart(checkpoint: Checkpoint) -> list[Checkpoint]:
    checkpoints, begin = [], 0
    for model in checkpoint.header["models"]:
        end = begin + model["arrays"]
        checkpoints.append(Checkpoint(model["header"], checkpoint.arrays[begin:end]))
        begin = end
    return checkpoints
