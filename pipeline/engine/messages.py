"""Messages between driver and workers: assignments to a worker, progress reports to the driver."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from pipeline.space import Config

FINISH = "finish"
"""The key of a study's final evaluation."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker does next."""

    trial_id: str
    config: Config
    seed: int
    task: Literal["train", "finish"] = "train"
    attempt: int = 1
    segment: int = 1
    segment_session: int = 0
    epoch: int = 0
    parent_trial: str | None = None
    parent_epoch: int | None = None
    reported_epoch: int = 0
    value: float | None = None
    new: bool = False
    finished: bool = False

    @property
    def key(self) -> str:
        """The assignment's key among those that are active: its trial, or FINISH."""
        return self.trial_id if self.task == "train" else FINISH

    def to_json(self) -> str:
        """The assignment as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Assignment":
        """Read an assignment from the result of `to_json`."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class EpochRow:
    """A worker's record of one epoch; the columns of the table `epochs` define its fields.

    Checkpoints contain rows: a new field needs a default, so that older checkpoints stay readable.
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
    trained_with: str | None = None
    phase: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return {column.name: getattr(self, column.name) for column in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EpochRow":
        """Read a row from a checkpoint; fields that a newer tunepipe has added are ignored."""
        return cls(**{name: values[name] for name in (column.name for column in fields(cls)) if name in values})


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """A worker's report after a milestone, after some seconds, or at the end of a trial."""

    rows: tuple[EpochRow, ...] = ()
    epoch: int = 0
    last: bool = False
    failure: str | None = None
    unusable: str | None = None
    stuck: str | None = None
    checkpoints: Mapping[int, int] = field(default_factory=dict)
    left: tuple[tuple[str, int, int], ...] = ()
    over_memory_limit: str = ""
    winner: Mapping[str, float] = field(default_factory=dict)
    node: Mapping[str, Any] | None = None
    data: tuple[Mapping[str, Any], ...] = ()
    inexact: str | None = None
    finishing: bool = False
    finished: bool = False

    def to_bytes(self) -> bytes:
        """The report as bytes: Ray Tune stores and prints every value of a result, except bytes."""
        values = {column.name: getattr(self, column.name) for column in fields(self)}
        return json.dumps({**values, "rows": [row.to_json() for row in self.rows]}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "ProgressReport":
        """Read a report from the result of `to_bytes`."""
        values: dict[str, Any] = json.loads(content)
        rows = tuple(EpochRow(**row) for row in values.pop("rows"))
        left = tuple((trial_id, epoch, size) for trial_id, epoch, size in values.pop("left", ()))
        checkpoints = {int(epoch): size for epoch, size in values.pop("checkpoints").items()}
        data = tuple(values.pop("data", ()))
        return cls(rows=rows, checkpoints=checkpoints, left=left, data=data, **values)
