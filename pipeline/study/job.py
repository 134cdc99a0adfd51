"""TuneJob: what a study tunes, and the rules between its fields."""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import FunctionType
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

from pipeline.code.functions import Code, Data, loaded_module, origin, takes_state
from pipeline.code.snapshot import Copies, imported_code
from pipeline.errors import Fault, InvalidJob
from pipeline.schedulers import (
    ASHA,
    MOASHA,
    SCHEDULERS,
    AnyScheduler,
    PromotingASHA,
    PromotingMOASHA,
)
from pipeline.searchers import SEARCHERS, AnySearcher, CurveSearch, MOTPESearch, RandomSearch
from pipeline.space import (
    Count,
    Grid,
    ReadValue,
    Space,
    Whole,
    conflicts,
    drawn_parameters,
    flat,
    key_of,
    kind_of,
    listed_values,
    normalize,
)
from pipeline.study.faults import NAME, apply_changes, read_faults, start_faults, unknown
from pipeline.study.specification import Budget, Checkpoints, Fit, Objective, Phase, Resources, StartFrom
from pipeline.text import counted

FUNCTION_FIELDS = ("model", "function", "callbacks", "data")
"""The fields of a job that are functions, or may be."""

KEPT_FIELDS = ("budget", "resources", "checkpoints")
"""What a study keeps from one session to the next, unless an option changes it."""

FREE_FIELDS = (*KEPT_FIELDS, "description", "name")
"""What may change from one session to the next; the name does where a study's folder was copied or renamed."""


def _by_name(known: Mapping[str, type]) -> BeforeValidator:
    """Accept a bare name, `asha`, or a class path where settings are wanted: the defaults of that kind."""

    def settings(value: object) -> object:
        if isinstance(value, str):
            return known[value]() if value in known else {"kind": value}
        return normalize(value) if isinstance(value, Mapping) and kind_of(value) == "ray" else value

    return BeforeValidator(settings)


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, Objective | Phase | Mapping | str) else value


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [str(getattr(value, "metric", value)) for value in values]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"must name each once, and {', '.join(repeated)} is there more than once")
    return values


def _several_objectives(job: Mapping[str, Any]) -> bool:
    """Whether one value does not say which trial is better."""
    objectives = job.get("objectives", ())
    return len(objectives) > 1 or any(objective.bounded for objective in objectives)


def recommended_scheduler(job: Mapping[str, Any]) -> ASHA | PromotingASHA | MOASHA | PromotingMOASHA:
    """The scheduler of a job that names none; a function without a state would train its epochs again after a pause."""
    function = job.get("function")
    if function is not None and not takes_state(function):
        return MOASHA() if _several_objectives(job) else ASHA()
    return PromotingMOASHA() if _several_objectives(job) else PromotingASHA()


def recommended_searcher(job: Mapping[str, Any]) -> CurveSearch | MOTPESearch | RandomSearch:
    """The searcher of a job that names none: `curves` only with the schedulers with which it was measured."""
    domains = [parameter.domain for parameter in drawn_parameters(job.get("space", {}))]
    scheduler = job.get("scheduler")
    if scheduler is None or not domains or any(isinstance(domain, Grid) for domain in domains):
        return RandomSearch()
    if _several_objectives(job):
        return MOTPESearch() if scheduler.every_objective else RandomSearch()
    return CurveSearch() if isinstance(scheduler, PromotingASHA) else RandomSearch()


class TuneJob(BaseModel):
    """The definition of a study. Immutable; validated on creation; converts to and from JSON.

    Args:
        name: Lower-case letters, digits, `.`, `_`, `-`; at most 63. Also the study's name, unless `--name` is
            given.
        description: One line for `tunepipe list`.
        model: A function `build_model(config)`, or `build_model()`, that returns a compiled keras.Model.
        function: Instead of a model: a function `f(config)` that yields a dict of metrics for each epoch, or
            `f(config, state)` that yields `(metrics, state)` and continues from the last state.
        callbacks: A function `callbacks(config)`, or `callbacks()`, that returns new Keras callbacks for each trial.
        data: A data set's name, the path of a Parquet file or of a folder of them (`folder/`), or a function that
            returns a Dataset: `data()`, or `data(config)` for data that depend on hyperparameters.
        space: Maps each hyperparameter's name to a domain, or to a JSON value for a fixed one. Names are lower-case. A
            Switch holds hyperparameters that only some trials have.
        objectives: One or several metrics to optimise, with bounds. The first one decides which trial is best.
        start_with: Configs to try first. The searcher draws the hyperparameters that a config leaves out.
        start_from: Another study, StartFrom(study, top): its best configs are added to start_with at the start.
        budget: When the study ends.
        scheduler: Stops trials early: ASHA(…), PBT(…), FIFO(), another scheduler, its name, or the path of a Ray Tune
            class. Default: see [Defaults](search.md#defaults).
        searcher: Draws configs: RandomSearch(), GridSearch(), SobolSearch(), CurveSearch(…), TPESearch(…),
            GPSearch(…), MOTPESearch(…), a name, or the path of a Ray Tune class. Default: see
            [Defaults](search.md#defaults).
        resources: CPUs, GPUs and limits of one trial, and the number of workers.
        folds: Number of cross-validation folds. A trial trains one model for each fold, evaluated on the part of the
            training split that it does not see. The objective is the mean. The best config trains again on the whole
            split.
        repeats: Number of models that a trial trains (for each fold); they differ only in their seeds.
        batch_size: Rows in a step; a hyperparameter named `batch_size` overrides it.
        fit: Arguments of Keras' `fit`: class weights, steps of an epoch and of a validation, and whether to shuffle.
        phases: Parts of the training that begin with a change of the model, as in fine-tuning: Phase(at, prepare).
        checkpoints: How often a trial writes a checkpoint, and how many a study keeps.
        seed: Seed of configs, initial weights and shuffling.
        trial_seeds: Give each trial its own initial weights and shuffling, instead of the same for all trials.

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
    start_with: tuple[dict[StrictStr, ReadValue], ...] = ()
    start_from: StartFrom | None = None
    budget: Budget = Budget()
    scheduler: Annotated[AnyScheduler, _by_name(SCHEDULERS)] = Field(default_factory=recommended_scheduler)
    searcher: Annotated[AnySearcher, _by_name(SEARCHERS)] = Field(default_factory=recommended_searcher)
    resources: Resources = Resources()
    folds: Annotated[Whole, Field(ge=1, le=100)] = 1
    repeats: Annotated[Whole, Field(ge=1, le=100)] = 1
    batch_size: Count = 128
    fit: Fit = Fit()
    phases: Annotated[tuple[Phase, ...], BeforeValidator(_as_list)] = ()
    checkpoints: Checkpoints = Checkpoints()
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    trial_seeds: StrictBool = False

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Report all faults together: those of single fields, and those between valid fields."""
        fields = value if isinstance(value, Mapping) else {}
        try:
            job = handler(value)
        except ValidationError as error:
            known = {name: fields[name] for name in cls.model_fields if name in fields}
            if not all(faulty["loc"] for faulty in error.errors()) and known:
                # A field's name that is not UTF-8 hides all other faults.
                raise InvalidJob(_subject(fields), read_faults(error, list(known))) from None
            faults = read_faults(error, list(cls.model_fields))
            invalid = {fault.field.split(".")[0] for fault in faults}
            valid = {name: known[name] for name in known if name not in invalid}
            if isinstance(value, Mapping):
                faults += _broken_rules(handler({**_REQUIRED, **valid}), invalid)
        else:
            faults = _broken_rules(job)
        if faults:
            raise InvalidJob(_subject(fields), faults)
        return job

    @property
    def objective(self) -> Objective:
        """The first objective, which the scheduler uses and which defines the best trial."""
        return self.objectives[0]

    @property
    def functions(self) -> dict[str, Any]:
        """The user's functions by the dotted path of their field."""
        fields = {name: getattr(self, name) for name in FUNCTION_FIELDS}
        fields |= {f"fit.{name}": value for name, value in self.fit.given.items()}
        fields |= {f"phases.{place}.prepare": phase.prepare for place, phase in enumerate(self.phases)}
        return {name: value for name, value in fields.items() if callable(value)}

    @property
    def resumable(self) -> bool:
        """Whether every function can be loaded from a file: none was defined in a notebook or a prompt."""
        return all(origin(function).loadable for function in self.functions.values())

    @property
    def identity(self) -> str:
        """A digest of what must stay the same in all sessions of a study, with the code that its functions import."""
        fixed = {field: value for field, value in self.to_json().items() if field not in FREE_FIELDS}
        fixed["imported"] = imported_code(self.functions.values())
        return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:32]

    def replaced(self, changes: Mapping[str, Any]) -> "TuneJob":
        """A copy of the job with some fields changed.

        Args:
            changes: New values by dotted field, as `--set` takes them: `budget.trials`, `space.lr`, `scheduler`,
                `scheduler.interval`, in any order. Values are JSON values or domains and settings; a plain value for
                `space.lr` fixes that hyperparameter. A scheduler that is named starts from its defaults.

        Raises:
            InvalidJob: Lists every field that does not exist and every value that is not allowed.
        """
        fields, faults = apply_changes({name: getattr(self, name) for name in type(self).model_fields}, changes)
        touched = {path.split(".")[0] for path in changes}
        for name in self.recommended - touched:
            # Recommended again, for the changed budget and space.
            del fields[name]
        try:
            job = TuneJob(**fields)
        except InvalidJob as error:
            raise InvalidJob(error.subject, [*faults, *error.faults]) from None
        if faults:
            raise InvalidJob(_subject(fields), faults)
        return job

    def resolved(self, before: "TuneJob | None" = None) -> "TuneJob":
        """The job as a study stores it: with the rungs of its budget, or those with which it began (`before`)."""
        scheduler = self.scheduler.resolved(self.budget.epochs, None if before is None else before.scheduler)
        return self if scheduler == self.scheduler else self.replaced({"scheduler": scheduler})

    @property
    def recommended(self) -> set[str]:
        """Those of `scheduler` and `searcher` that the job does not name: tunepipe chooses them."""
        return {"scheduler", "searcher"} - self.model_fields_set

    @property
    def recommendation(self) -> str | None:
        """What tunepipe chose for the job, as sentences; None if that is no more than random draws."""
        if not self.recommended or (self.recommended == {"searcher"} and self.searcher == RandomSearch()):
            return None
        chosen = " and ".join(f"{name} {getattr(self, name).kind}" for name in sorted(self.recommended))
        budget = f"{counted(self.budget.trials, 'trial')} of up to {counted(self.budget.epochs, 'epoch')}"
        default = "default" if len(self.recommended) == 1 else "defaults"
        return (
            f"Uses {chosen}, the {default} for {budget}. --scheduler (in Python: scheduler=) and --search (searcher=) "
            "choose others."
        )

    def to_json(self) -> dict[str, Any]:
        """The job as JSON values; functions by name and digest."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], *, copies: Copies | None = None, load: bool = True) -> Self:
        """Read a job from the result of `to_json`; raises InvalidJob with every fault.

        Functions whose modules have changed or are missing are loaded from the study's `copies`, if they have the
        digest that the job states. Without `load`, functions are only named, and none of their code is run.
        """
        module = loaded_module if copies is None else copies.module
        return cls.model_validate(dict(fields), context={"module": module, "load": load})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TuneJob) and key_of(self.to_json()) == key_of(other.to_json())


_REQUIRED: dict[str, Any] = {"name": "x", "space": {}, "objectives": (Objective("x", "max"),)}
"""Placeholders for missing or invalid fields while the rules between the other fields are applied."""


def _subject(fields: Mapping[str, Any]) -> str:
    name = fields.get("name")
    return f"job {name!r}" if isinstance(name, str) and re.fullmatch(NAME, name) else "the job"


def _broken_rules(job: TuneJob, invalid: Collection[str] = ()) -> list[Fault]:
    """The faults of a job's fields together, by the rules whose fields are valid by themselves."""
    return [fault for rule, fields in _RULES if not fields & set(invalid) for fault in rule(job)]


def _a_model_or_a_function(job: TuneJob) -> Iterator[Fault]:
    if job.model is None and job.function is None:
        yield Fault("model", None, "must be given, unless function is")
    if job.model is not None and job.function is not None:
        yield Fault("function", job.function.__name__, "must not be combined with model")
    if job.model is not None and job.data is None:
        yield Fault("data", None, "must be given for a model: a data set's name, a function or a Parquet file's path")
    if job.model is None and job.function is not None:
        found = {"data": job.data, "callbacks": job.callbacks, "phases": job.phases}
        found |= {f"fit.{name}": value for name, value in job.fit.given.items()}
        for field, value in found.items():
            if value not in (None, ()):
                yield Fault(field, value, "must not be given for a function, which trains by itself")


def _phases_follow_each_other(job: TuneJob) -> Iterator[Fault]:
    parameters, before = flat(job.space), 0
    for place, phase in enumerate(job.phases):
        field = f"phases.{place}.at"
        if isinstance(phase.at, int):
            if phase.at <= before:
                yield Fault(field, phase.at, f"must be above {before}, where the previous phase begins")
            before = phase.at
        elif phase.at not in parameters:
            allowed = f"{unknown('hyperparameter', parameters, phase.at)}; a number of epochs is allowed"
            yield Fault(field, phase.at, allowed)
        elif not _is_whole(parameters[phase.at]):
            yield Fault(f"space.{phase.at}", parameters[phase.at], f"must be whole numbers of at least 1 for {field}")


def _bounds_leave_values(job: TuneJob) -> Iterator[Fault]:
    for place, objective in enumerate(job.objectives):
        low, high = objective.at_least, objective.at_most
        if low is not None and high is not None and low > high:
            yield Fault(f"objectives.{place}.at_least", low, f"must be at most at_most, which is {high:g}")


def _starts_fit(job: TuneJob) -> Iterator[Fault]:
    for place, config in enumerate(job.start_with):
        yield from start_faults(job.space, config, f"start_with.{place}")
    if len(job.start_with) > job.budget.trials:
        allowed = f"must have at most budget.trials configs, which is {job.budget.trials}"
        yield Fault("start_with", counted(len(job.start_with), "config"), allowed)


def _weights_can_be_copied(job: TuneJob) -> Iterator[Fault]:
    function = job.function
    if job.scheduler.exploits and isinstance(function, FunctionType) and not takes_state(function):
        allowed = (
            "must be a scheduler that does not copy weights, because the function keeps no state: define "
            f"{function.__name__}(config, state) that yields (metrics, state)"
        )
        yield Fault("scheduler", job.scheduler.kind, allowed)


def _models_of_a_trial(job: TuneJob) -> Iterator[Fault]:
    for name in ("folds", "repeats"):
        if (count := getattr(job, name)) > 1 and job.function is not None:
            yield Fault(name, count, "must be 1 for a function, which defines its own models")
    if job.folds > 1 and job.scheduler.exploits:
        allowed = "must be 1 with a scheduler that changes configs, because the best config is trained again"
        yield Fault("folds", job.folds, allowed)


def _several_gpus_are_whole(job: TuneJob) -> Iterator[Fault]:
    gpus = job.resources.gpus
    if gpus > 1 and gpus != int(gpus):
        yield Fault("resources.gpus", gpus, "must be a whole number if it is above 1")


def _batch_size_is_whole(job: TuneJob) -> Iterator[Fault]:
    domain = flat(job.space).get("batch_size")
    if domain is not None and job.model is not None and not _is_whole(domain):
        yield Fault("space.batch_size", domain, "must be whole numbers of at least 1")


def _is_whole(domain: Any) -> bool:
    if (values := listed_values(domain)) is None:
        return bool(domain.whole and domain.bounds[0] >= 1)
    return all(type(value) is int and value >= 1 for value in values)


_RULES: tuple[tuple[Callable[[TuneJob], Iterable[Fault]], set[str]], ...] = (
    (_a_model_or_a_function, {"model", "function", "data", "callbacks", "phases", "fit"}),
    (_phases_follow_each_other, {"phases", "space"}),
    (lambda job: conflicts(job.space), {"space"}),
    (_bounds_leave_values, {"objectives"}),
    (_starts_fit, {"start_with", "space", "budget"}),
    (lambda job: job.searcher.faults(job.space), {"searcher", "space"}),
    (lambda job: job.scheduler.faults(epochs=job.budget.epochs), {"scheduler", "budget"}),
    (lambda job: job.scheduler.space_faults(job.space), {"scheduler", "space"}),
    (_weights_can_be_copied, {"scheduler", "function"}),
    (_models_of_a_trial, {"folds", "repeats", "function", "scheduler"}),
    (_several_gpus_are_whole, {"resources"}),
    (_batch_size_is_whole, {"space", "model"}),
)
