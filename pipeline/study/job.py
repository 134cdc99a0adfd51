"""TuneJob: everything that is to be known about a study before it starts."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from pipeline.errors import Fault, InvalidJob
from pipeline.schedulers import ASHA, SCHEDULERS, AnyScheduler
from pipeline.searchers import SEARCHERS, AnySearcher, RandomSearch
from pipeline.space import Choice, Grid, IntUniform, Space
from pipeline.study.code import Code, Data, is_saved
from pipeline.study.parts import Budget, Objective, Resources

__all__ = ["SCHEMA_VERSION", "TuneJob"]

SCHEMA_VERSION = 1

_NAME = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"


def _named(known: Mapping[str, type]) -> BeforeValidator:
    """Accept a bare name, `asha`, where settings are wanted: the defaults of that kind."""

    def settings(value: object) -> object:
        if isinstance(value, str):
            return known[value]() if value in known else {"kind": value}
        return value

    return BeforeValidator(settings)


class TuneJob(BaseModel):
    """What is tuned, how, and for how long: validated as a whole, frozen, JSON both ways.

    Args:
        name: Lower-case letters, digits, `.`, `_`, `-`; at most 63. A study is called as its job unless told otherwise.
        description: One line for `tunepipe list`.
        model: `build_model(config)`, returns a compiled keras.Model.
        function: Instead of a model: `f(config)`, yields a dict of metrics for each epoch.
        callbacks: `callbacks(config)`, returns the Keras callbacks of a trial.
        data: A data set's name, a function that returns a Dataset, or the path of a Parquet file.
        space: Parameter name → domain, or a plain value for a fixed one. Names are lower-case.
        objectives: What is to be made best; a scheduler looks at the first.
        scheduler: ASHA(…), PBT(…), FIFO(), or a name.
        searcher: RandomSearch(), GridSearch(), or a name.
        budget: When the study ends.
        resources: What one trial gets.
        batch_size: Rows in a step; a parameter named `batch_size` in the space takes its place.
        checkpoint_seconds: A trial in training leaves a checkpoint at least this often, in seconds.
        seed: Where every draw comes from: configs, initial weights, shuffling.
        trial_seeds: Give each trial initial weights and shuffling of its own, instead of the same for all.

    Raises:
        InvalidJob: Lists every fault, with the field, what was found and what is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    name: Annotated[str, Field(pattern=_NAME)]
    description: str = ""
    model: Code | None = None
    function: Code | None = None
    callbacks: Code | None = None
    data: Data | None = None
    space: Space
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)]
    scheduler: Annotated[AnyScheduler, _named(SCHEDULERS)] = ASHA()
    searcher: Annotated[AnySearcher, _named(SEARCHERS)] = RandomSearch()
    budget: Budget = Budget()
    resources: Resources = Resources()
    batch_size: PositiveInt = 128
    checkpoint_seconds: PositiveFloat = 60
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    trial_seeds: bool = False

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        fields = value if isinstance(value, Mapping) else {}
        try:
            job = handler(value)
        except ValidationError as error:
            raise InvalidJob(_subject(fields), _faults(error)) from None
        if faults := list(job._across_fields()):
            raise InvalidJob(_subject(fields), faults)
        return job

    @property
    def objective(self) -> Objective:
        """The first objective: what the scheduler looks at and `best` means."""
        return self.objectives[0]

    @property
    def functions(self) -> dict[str, Any]:
        """The user's functions by field name."""
        fields = {name: getattr(self, name) for name in ("model", "function", "callbacks", "data")}
        return {name: value for name, value in fields.items() if callable(value)}

    @property
    def resumable(self) -> bool:
        """Whether every function can be loaded back: none was typed into a notebook or a prompt."""
        return all(is_saved(function) for function in self.functions.values())

    def replaced(self, changes: Mapping[str, Any]) -> "TuneJob":
        """A job with some fields changed.

        Args:
            changes: New values by dotted field, as `--set` takes them: `budget.trials`, `space.lr`, `scheduler`. Values
                are JSON values; a plain value for `space.lr` fixes that parameter. Changing `scheduler.kind` starts
                from that kind's defaults.

        Raises:
            InvalidJob: A field does not exist or a value is not allowed.
        """
        fields: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        faults = []
        for path, value in changes.items():
            head, *rest = path.split(".")
            if head not in fields:
                faults.append(Fault(path, value, f"no such field; there are {', '.join(fields)}"))
            elif not rest:
                fields[head] = value
            else:
                fields[head] = _put(_plain(fields[head]), rest, value)
        if faults:
            raise InvalidJob(f"job {self.name!r}", faults)
        return TuneJob(**fields)

    def to_json(self) -> dict[str, Any]:
        """The job as JSON values; functions by name and digest."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], *, source: Path | None = None) -> Self:
        """A job from what `to_json` returned.

        Args:
            fields: The JSON object.
            source: The folder with copies of the sources, for functions whose modules changed or are not here.

        Raises:
            InvalidJob: Lists every fault.
        """
        return cls.model_validate(dict(fields), context={"source": source})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TuneJob) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_json(), sort_keys=True))

    def _across_fields(self) -> list[Fault]:
        faults = []
        if (self.model is None) == (self.function is None):
            found = "neither" if self.model is None else "both"
            faults.append(Fault("model", found, "either model or function must be given"))
        if self.model is not None and self.data is None:
            faults.append(Fault("data", None, "a model needs a data set: a name, a function or a Parquet file"))
        if self.function is not None and self.callbacks is not None:
            faults.append(Fault("callbacks", self.callbacks.__name__, "callbacks need a model, not a function"))
        if unfit := self.searcher.fault(self.space):
            faults.append(Fault("searcher", self.searcher.kind, unfit))
        if self.scheduler.kind == "pbt" and self.budget.trials < 2:
            faults.append(Fault("budget.trials", self.budget.trials, "a population needs at least 2 trials"))
        if self.scheduler.kind == "pbt" and self.function is not None:
            faults.append(
                Fault(
                    "scheduler",
                    "pbt",
                    "a function's steps cannot be taken over by another trial: use a model",
                )
            )
        if self.resources.gpus > 1 and self.resources.gpus != int(self.resources.gpus):
            faults.append(Fault("resources.gpus", self.resources.gpus, "must be whole above 1"))
        if self.resources.gpus > 1 and self.model is not None and self.resources.strategy is None:
            faults.append(
                Fault(
                    "resources.gpus",
                    self.resources.gpus,
                    "more than one GPU for a trial needs resources.strategy='mirrored', or the others stay idle",
                )
            )
        faults += self._batch_size_faults()
        return faults

    def _batch_size_faults(self) -> list[Fault]:
        domain = self.space.get("batch_size")
        if domain is None or self.model is None:
            return []
        values = domain.values if isinstance(domain, Choice | Grid) else [getattr(domain, "low", domain)]
        whole = not hasattr(domain, "draw") or isinstance(domain, Choice | Grid | IntUniform)
        if whole and all(isinstance(value, int) and value >= 1 for value in values):
            return []
        return [Fault("space.batch_size", domain, "a batch size must be a whole number of at least 1")]


def _subject(fields: Mapping[str, Any]) -> str:
    name = fields.get("name")
    return f"job {name!r}" if isinstance(name, str) and re.match(_NAME, name) else "the job"


def _faults(error: ValidationError) -> list[Fault]:
    faults = []
    for item in error.errors(include_url=False):
        # Tags of unions stand in the path of an error; a person never wrote them.
        kinds = {
            "domain",
            "constant",
            *SCHEDULERS,
            *SEARCHERS,
            "function-plain[_validate()]",
            "constrained-str",
        }
        path = [str(part) for part in item["loc"]]
        path = [p for i, p in enumerate(path) if i == 0 or (p not in kinds and p != _kind_of(error, path, i))]
        allowed = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
        faults.append(Fault(".".join(path), item["input"], allowed[0].lower() + allowed[1:]))
    return faults


def _kind_of(error: ValidationError, path: list[str], index: int) -> str | None:
    known = {"uniform", "loguniform", "intuniform", "quniform", "normal", "choice", "grid"}
    return path[index] if path[0] == "space" and index >= 2 and path[index] in known else None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    return dict(value) if isinstance(value, Mapping) else value


def _put(tree: Any, path: list[str], value: Any) -> Any:
    head, *rest = path
    if not isinstance(tree, dict):
        tree = {} if tree is None else _fields_of(tree)
    if head == "kind" and not rest and tree.get("kind") != value:
        return {"kind": value}
    return {**tree, head: _put(_plain(tree.get(head)), rest, value) if rest else value}


def _fields_of(value: Any) -> dict[str, Any]:
    names = getattr(value, "__dataclass_fields__", {})
    return {name: getattr(value, name) for name in names}
