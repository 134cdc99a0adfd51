"""The trial that an objective gets: Optuna's, with the values of a config."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from pipeline.adapters.domains import choice, distinct, floats, identity, integers, labels
from pipeline.adapters.optuna.internals import number_in_storage
from pipeline.adapters.parameters import Hyperparameter, parameter_name, typed
from pipeline.adapters.user_code import refused, user_place
from pipeline.space import Choice, Domain, IntUniform


@dataclass(eq=False)
class Trial:
    """Optuna's trial, for a trial of tunepipe or to find suggestions."""

    values: Mapping[str, Any]
    report_to: Callable[[float, dict[str, Any]], None]
    seen: Callable[[Hyperparameter], None] | None = None
    pruned: Callable[[], bool] = lambda: False
    number: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    distributions: dict[str, Any] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)
    datetime_start: datetime = field(default_factory=datetime.now)
    relative_params: Mapping[str, Any] = field(default_factory=dict)
    constraints: dict[str, float] = field(default_factory=dict)
    study_of: Callable[[], Any] | None = None
    _steps: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        import optuna

        # Optuna's functions ask whether they get a trial.
        optuna.trial.Trial.register(Trial)

    @cached_property
    def _in_memory(self) -> Any:
        """The only trial of a study of Optuna in memory, where functions of Optuna keep artifacts and scores."""
        import optuna

        with quiet_optuna():
            return (optuna.create_study() if self.study_of is None else self.study_of()).ask()

    @property
    def study(self) -> Any:
        """A study of Optuna in memory with this trial alone."""
        return self._in_memory.study

    @property
    def storage(self) -> Any:
        """The storage of that study."""
        return self._in_memory.storage

    @property
    def _trial_id(self) -> int:
        """The number of the trial in that storage."""
        return number_in_storage(self._in_memory)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A real number."""
        _check_order(name, low, high)
        try:
            domain = floats(float(low), float(high), None if step is None else float(step), log=log)
        except ValueError as error:
            raise refused("the objective", name, str(error)) from None
        return float(self._suggested(name, domain))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number, both ends included."""
        _check_order(name, low, high)
        return int(self._suggested(name, integers(int(low), int(high), int(step), log=log)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of several values."""
        try:
            named = labels(choices)
        except ValueError as error:
            raise refused("the objective", name, str(error)) from None
        value = self._suggested(name, choice(distinct(named)))
        # A config has a list where the program has a tuple, and a name where it has a function.
        originals = (one for one, text in zip(choices, named, strict=True) if identity(text) == identity(value))
        self.params[name] = next(originals, value)
        return self.params[name]

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """A real number, as suggest_float draws it."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """A real number whose logarithm is drawn uniformly, as suggest_float draws it."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """A multiple of a step above the smallest value, as suggest_float draws it."""
        return self.suggest_float(name, low, high, step=q)

    def report(self, value: float, step: int) -> None:
        """An epoch, unless the step has a value already: as in Optuna, the first one counts."""
        value = float(value)
        if (step := int(step)) < 0:
            raise ValueError(f"{user_place()}: the step of a report must be at least 0; found {step}")
        if step not in self._steps:
            self._steps.add(step)
            self.report_to(value, self.user_attrs)

    def should_prune(self) -> bool:
        """Whether the scheduler has stopped the trial."""
        return self.pruned()

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a value; a number is a metric of the next report."""
        self.user_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """Keep a constraint, unless it has a value."""
        self.constraints.setdefault(key, float(value))

    def set_system_attr(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.system_attrs[key] = value

    def _suggested(self, name: str, domain: Any) -> Any:
        if self.seen is not None and isinstance(domain, Domain) and (faults := domain.faults()):
            raise refused("the objective", name, faults[0].allowed)
        if name not in self.params:
            key = next((key for key in (name, parameter_name(name)) if key in self.values), None)
            if key is not None:
                self.params[name] = typed(self.values[key], domain)
            elif self.seen is None:
                raise ValueError(
                    f"{user_place()}: the suggestion {name!r} was not found when the objective was translated, "
                    "because it depends on other suggestions in a way that no run showed"
                )
            else:
                self.params[name] = _default(domain)
        if self.seen is not None:
            self.seen(Hyperparameter(name, domain, user_place()))
        return self.params[name]


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """A context in which Optuna prints warnings and errors only."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _check_order(name: str, low: float, high: float) -> None:
    if low > high:
        raise refused("the objective", f"{name} from {low} to {high}", "must have its smallest value first")


def _default(domain: Any) -> Any:
    if isinstance(domain, Choice):
        return domain.values[0]
    if isinstance(domain, IntUniform):
        return domain.nth((domain.count - 1) // 2) if domain.count > 10 else domain.low
    return domain.from_unit(0.4) if isinstance(domain, Domain) else domain
