"""The findings of a check, and the facts that its processes publish."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from pipeline.execution.worker.weight_compatibility import WeightMismatch
from pipeline.space import Config

Level: TypeAlias = Literal["ok", "warning", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str
    level: Level
    found: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f" {self.advice}" if self.advice else ""
        end = "" if self.found.endswith((".", "?", "!")) or not advice else "."
        return f"{self.level:<7}  {self.name:<9}  {self.found}{end}{advice}"

    def as_object(self) -> dict[str, str]:
        """The finding in the JSON of `tunepipe check`."""
        return asdict(self)


def skipped(name: str, why: str) -> Finding:
    """A check that could not be made."""
    return Finding(name, "skipped", why)


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of a process or of a part of its work."""

    message: str
    trace: str = ""
    late: bool = False


@dataclass(frozen=True, slots=True)
class DataFacts:
    """A data set as it was loaded."""

    name: str
    rows: Mapping[str, int]
    inputs: str
    targets: str
    classes: int
    bytes: int
    non_finite: Mapping[str, int] = field(default_factory=dict)
    unseen: Sequence[int] = ()
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    changed: Sequence[str] = ()
    unsteady: Sequence[str] = ()
    pipelines: Mapping[str, str] = field(default_factory=dict)
    shared: str | None = None
    no_room: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """How long a worker took to be ready."""

    seconds: float


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """The first epochs of a trial."""

    trial_id: str
    config: Config
    metrics: Mapping[str, float]
    seconds_build: float = 0.0
    seconds_epoch: float = 0.0
    bytes_checkpoint: int = 0
    bytes_memory: int = 0
    message: str | None = None
    trace: str = ""
    mismatch: str | None = None
    remedy: str = ""
    inexact: str | None = None
    replays: bool = False
    notes: Sequence[str] = ()
    without_validation: str | None = None


@dataclass(frozen=True, slots=True)
class BuildFailure:
    """A config that gives no model."""

    trial_id: str
    config: Config
    message: str
    trace: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Which configs gave a model; the models were not trained."""

    configs: Sequence[Config]
    failures: Sequence[BuildFailure] = ()


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """Whether trials can take over each other's weights."""

    mismatches: Sequence[WeightMismatch]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A machine that trials may run on."""

    name: str
    cpus: float
    gpus: float
    memory: float
    versions: Mapping[str, str] = field(default_factory=dict)
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The machines of a Ray cluster."""

    nodes: Sequence[NodeFacts]


Fact: TypeAlias = Failure | DataFacts | WorkerStart | TrainingFacts | ModelFacts | WeightFacts | ClusterFacts

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Failure, DataFacts, WorkerStart, TrainingFacts, ModelFacts, WeightFacts, ClusterFacts)
}
_PARTS: dict[str, type[Any]] = {"failures": BuildFailure, "mismatches": WeightMismatch, "nodes": NodeFacts}


def as_event(fact: Fact) -> dict[str, Any]:
    """A fact as JSON values."""
    return {"kind": type(fact).__name__, **asdict(fact)}


def as_fact(event: Mapping[str, Any]) -> Fact:
    """Read a fact from the result of `as_event`."""
    fields = {
        name: [_PARTS[name](**part) for part in value] if name in _PARTS else value
        for name, value in event.items()
        if name != "kind"
    }
    fact: Fact = _KINDS[event["kind"]](**fields)
    return fact
