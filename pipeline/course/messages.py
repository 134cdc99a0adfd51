"""What a driver and a worker say to each other: an assignment one way, reports the other."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from pipeline.space import Config

__all__ = ["FINISH", "REPORT_SECONDS", "Assignment", "EpochRow", "Report"]

REPORT_SECONDS = 2.0
"""A trial reports at the latest after this many seconds, or after the epoch that passes them."""


FINISH = "finish"
"""The key of a study's last assignment."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is to do next.

    Args:
        trial_id: The trial.
        config: Its config from now on.
        seed: Where its initial weights and shuffling come from.
        task: `train` a trial, or `finish` the study: export the winner and test it.
        attempt: How often the trial was started, this time included.
        segment: Contiguous epochs under one config, from 1.
        epoch: The trial's own epoch at which this segment began; 0 for the first.
        parent_trial: Whose weights are taken over where this segment begins; None for the trial's own.
        parent_epoch: That trial's epoch.
        heard: The last epoch that the driver has heard of.
        value: For the task `finish`: the objective by which the winner is the winner.
    """

    trial_id: str
    config: Config
    seed: int
    task: Literal["train", "finish"] = "train"
    attempt: int = 1
    segment: int = 1
    epoch: int = 0
    parent_trial: str | None = None
    parent_epoch: int | None = None
    heard: int = 0
    value: float | None = None

    @property
    def key(self) -> str:
        """What tells it apart from all others that are at work: its trial, or its task where that is another."""
        return self.trial_id if self.task == "train" else FINISH

    def to_json(self) -> str:
        """The assignment as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Assignment":
        """An assignment from what `to_json` returned."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class EpochRow:
    """What a worker knows of one epoch; the columns of the table `epochs` say what each field means.

    Checkpoints hold rows: a new field needs a default, so that older ones can be read.
    """

    attempt: int
    segment: int
    epoch: int
    model_epoch: int
    metrics: Mapping[str, float]
    learning_rate: float | None
    seconds_build: float
    seconds_train: float
    seconds_evaluate: float
    seconds_checkpoint: float
    bytes_checkpoint: int
    time: float
    node: str
    updates: int | None = None
    parameters: int | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EpochRow":
        """A row out of a checkpoint; what a newer tunepipe may have added is left out."""
        return cls(**{name: values[name] for name in (each.name for each in fields(cls)) if name in values})


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells after a milestone, after two seconds, or at the end.

    Args:
        rows: Every epoch since the last report; after a restart, epochs that may have been reported before.
        epoch: The trial's own epoch now.
        last: Whether the trial is over: its maximum, a callback, the target.
        failure: Why the trial cannot go on, with the traceback; None where it can.
        unusable: Why no trial of this job can be trained; the study ends.
        stuck: Why the worker cannot write to the storage; the study ends, and goes on when that is mended.
        checkpoints: Epochs of which checkpoints were written since the last report.
        worn: Whether the worker's process holds more memory than it should, and is to be replaced between trials.
        winner: For the task `finish`: what the winner scored on the test split.
    """

    rows: tuple[EpochRow, ...] = ()
    epoch: int = 0
    last: bool = False
    failure: str | None = None
    unusable: str | None = None
    stuck: str | None = None
    checkpoints: tuple[int, ...] = ()
    worn: bool = False
    winner: Mapping[str, float] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The report as bytes: Ray Tune keeps and prints every value of a result, and leaves bytes alone."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Report":
        """A report from what `to_bytes` returned."""
        fields: dict[str, Any] = json.loads(content)
        rows = tuple(EpochRow(**row) for row in fields.pop("rows"))
        return cls(rows=rows, **{**fields, "checkpoints": tuple(fields["checkpoints"])})
