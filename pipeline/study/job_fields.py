"""The fields of a TuneJob, each validated by itself: the input of the rules and of the draw."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr

from pipeline.schedulers import SCHEDULERS, AnyScheduler
from pipeline.searchers import SEARCHERS, AnySearcher
from pipeline.space import Space
from pipeline.space.kinds import kind_of, normalize
from pipeline.space.values import Count, ReadValue, Whole
from pipeline.study.code import Code, Data
from pipeline.study.faults import NAME
from pipeline.study.fit import Fit, Phase
from pipeline.study.function_source import is_loadable
from pipeline.study.named_functions import FUNCTION_FIELDS
from pipeline.study.recommendation import recommended_scheduler, recommended_searcher
from pipeline.study.specification import Budget, Checkpoints, Objective, Resources, StartFrom

MAX_STUDIES = 8
"""The maximum number of studies to learn from: they share the points of a curve process."""


def _by_name(known: Mapping[str, type]) -> BeforeValidator:
    """Accept a bare name, `asha`, or a class path where settings are wanted: the defaults of that kind."""

    def settings(value: object) -> object:
        if isinstance(value, str):
            return known[value]() if value in known else {"kind": value}
        return normalize(value) if isinstance(value, Mapping) and kind_of(value) == "ray" else value

    return BeforeValidator(settings)


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, Objective | Phase | Mapping) else value


def _refuse_repeated(what: str, names: Sequence[str]) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"must name each {what} once, and {', '.join(repeated)} is there more than once")


def _each_study_once(studies: tuple[str, ...]) -> tuple[str, ...]:
    _refuse_repeated("study", studies)
    return studies


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _each_metric_once(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    _refuse_repeated("metric", [objective.metric for objective in objectives])
    return objectives


class JobFields(BaseModel):
    """The fields of a TuneJob, whose docstring explains them, without the rules between fields."""

    # Only TuneJob validates: its validator, which each command waits for, is built once, and not here as well.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), defer_build=True
    )

    name: Annotated[StrictStr, Field(pattern=NAME)]
    description: StrictStr = ""
    model: Code | None = None
    function: Code | None = None
    callbacks: Code | None = None
    data: Data | None = None
    space: Space
    objectives: Annotated[
        tuple[Objective, ...], BeforeValidator(_as_list), Field(min_length=1), AfterValidator(_each_metric_once)
    ]
    start_with: tuple[dict[StrictStr, ReadValue], ...] = ()
    start_from: StartFrom | None = None
    learn_from: Annotated[
        tuple[Annotated[StrictStr, Field(min_length=1)], ...],
        BeforeValidator(_one_or_several),
        Field(max_length=MAX_STUDIES),
        AfterValidator(_each_study_once),
    ] = ()
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
        return all(is_loadable(function) for function in self.functions.values())
