"""TuneJob: everything that is to be known about a study before it starts."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StrictBool,
    StrictStr,
    ValidationError,
    model_validator,
)

from pipeline.errors import InvalidJob
from pipeline.schedulers import ASHA, SCHEDULERS, AnyScheduler
from pipeline.searchers import SEARCHERS, AnySearcher, RandomSearch
from pipeline.space import Space
from pipeline.space.elsewhere import folded, kind_of
from pipeline.space.values import Count, ReadScalar, Whole
from pipeline.study.changes import changed
from pipeline.study.code import Code, Data, is_saved
from pipeline.study.copies import Copies
from pipeline.study.faults import NAME, read_faults
from pipeline.study.parts import Budget, Checkpoints, Objective, Resources, StartFrom
from pipeline.study.rules import broken_rules

__all__ = ["TuneJob"]


def _by_name(known: Mapping[str, type]) -> BeforeValidator:
    """Accept a bare name, `asha`, or a class path where settings are wanted: the defaults of that kind."""

    def settings(value: object) -> object:
        if isinstance(value, str):
            return known[value]() if value in known else {"kind": value}
        return folded(value) if isinstance(value, Mapping) and kind_of(value) == "ray" else value

    return BeforeValidator(settings)


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, Objective | Mapping) else value


def _each_once(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    metrics = [objective.metric for objective in objectives]
    if twice := sorted({metric for metric in metrics if metrics.count(metric) > 1}):
        raise ValueError(f"must name each metric once, and {', '.join(twice)} is there more than once")
    return objectives


class TuneJob(BaseModel):
    """What is tuned, how, and for how long: validated as a whole, frozen, JSON both ways.

    Args:
        name: Lower-case letters, digits, `.`, `_`, `-`; at most 63. A study is called as its job unless told
            otherwise.
        description: One line for `tunepipe list`.
        model: `build_model(config)`, returns a compiled keras.Model.
        function: Instead of a model: `f(config)`, yields a dict of metrics for each epoch.
        callbacks: `callbacks(config)`, returns the Keras callbacks of a trial.
        data: A data set's name, a function that returns a Dataset, or the path of a Parquet file.
        space: Parameter name → domain, or a plain value for a fixed one. Names are lower-case. A Switch holds
            parameters that only some trials have.
        objectives: What is to be made best, one or several; a scheduler looks at the first.
        scheduler: Who stops trials early: ASHA(…), PBT(…), FIFO(), another of the schedulers, a name, or the path
            of a class of Ray Tune's.
        searcher: RandomSearch(), GridSearch(), SobolSearch(), TPESearch(…), CMASearch(…), GPSearch(…), a name,
            or the path of a class of Ray Tune's.
        start_with: Configs that are tried before anything is drawn. Each may be partial: what is left out is drawn.
        start_from: Another study, StartFrom(study, top): its best configs are added to start_with when this one begins.
        budget: When the study ends.
        resources: What one trial gets.
        folds: Cross-validation: a trial trains so many models in step, each compared by another part of the training
            split; the objective is their mean. The winner is fitted again on the whole training split.
        repeats: A trial trains so many models of its config (of each fold), which differ in their seeds.
        batch_size: Rows in a step; a parameter named `batch_size` in the space takes its place.
        checkpoints: When a trial leaves checkpoints, and how many of them are kept.
        seed: Where every draw comes from: configs, initial weights, shuffling.
        trial_seeds: Give each trial initial weights and shuffling of its own, instead of the same for all.

    Raises:
        InvalidJob: Lists every fault, with the field, what was found and what is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    name: Annotated[StrictStr, Field(pattern=NAME)]
    description: StrictStr = ""
    model: Code | None = None
    function: Code | None = None
    callbacks: Code | None = None
    data: Data | None = None
    space: Space
    objectives: Annotated[
        tuple[Objective, ...], BeforeValidator(_as_list), Field(min_length=1), AfterValidator(_each_once)
    ]
    scheduler: Annotated[AnyScheduler, _by_name(SCHEDULERS)] = ASHA()
    searcher: Annotated[AnySearcher, _by_name(SEARCHERS)] = RandomSearch()
    start_with: tuple[dict[StrictStr, ReadScalar], ...] = ()
    start_from: StartFrom | None = None
    budget: Budget = Budget()
    resources: Resources = Resources()
    folds: Annotated[Whole, Field(ge=1, le=100)] = 1
    repeats: Annotated[Whole, Field(ge=1, le=100)] = 1
    batch_size: Count = 128
    checkpoints: Checkpoints = Checkpoints()
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    trial_seeds: StrictBool = False

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Tell all faults together: those of single fields, and those between fields that are valid."""
        fields = value if isinstance(value, Mapping) else {}
        try:
            job = handler(value)
        except ValidationError as error:
            known = {name: fields[name] for name in cls.model_fields if name in fields}
            if not all(faulty["loc"] for faulty in error.errors()) and known:
                # A name that cannot be written hides what else is wrong.
                raise InvalidJob(_subject(fields), read_faults(error, list(known))) from None
            faults = read_faults(error, list(cls.model_fields))
            invalid = {fault.field.split(".")[0] for fault in faults}
            valid = {name: known[name] for name in known if name not in invalid}
            if isinstance(value, Mapping):
                faults += broken_rules(handler({**_REQUIRED, **valid}), invalid)
        else:
            faults = broken_rules(job)
        if faults:
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
            changes: New values by dotted field, as `--set` takes them: `budget.trials`, `space.lr`, `scheduler`,
                `scheduler.interval`, in any order. Values are JSON values or domains and settings; a plain value
                for `space.lr` fixes that parameter. Another scheduler starts from its defaults.

        Raises:
            InvalidJob: Lists every field that does not exist and every value that is not allowed.
        """
        fields, faults = changed({name: getattr(self, name) for name in type(self).model_fields}, changes)
        try:
            job = TuneJob(**fields)
        except InvalidJob as error:
            raise InvalidJob(error.subject, [*faults, *error.faults]) from None
        if faults:
            raise InvalidJob(_subject(fields), faults)
        return job

    def to_json(self) -> dict[str, Any]:
        """The job as JSON values; functions by name and digest."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], *, source: Path | None = None, load: bool = True) -> Self:
        """A job from what `to_json` returned.

        Args:
            fields: The JSON object.
            source: The folder with copies of the sources, for functions whose modules changed or are not here. Only
                what has the digest that the job gives is run.
            load: Whether the functions are loaded; else they are names alone, and none of their code is run.

        Raises:
            InvalidJob: Lists every fault.
        """
        copies = None if source is None else Copies(source, fields)
        return cls.model_validate(dict(fields), context={"copies": copies, "load": load})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TuneJob) and self._text() == other._text()

    def __hash__(self) -> int:
        return hash(self._text())

    def _text(self) -> str:
        # As text, since 1 and 1.0 are equal in Python and different hyperparameters.
        return json.dumps(self.to_json(), sort_keys=True)


_REQUIRED: dict[str, Any] = {"name": "x", "space": {}, "objectives": (Objective("x", "max"),)}
"""Stands in for what is missing or invalid, while the rules between the other fields are asked."""


def _subject(fields: Mapping[str, Any]) -> str:
    name = fields.get("name")
    return f"job {name!r}" if isinstance(name, str) and re.fullmatch(NAME, name) else "the job"
