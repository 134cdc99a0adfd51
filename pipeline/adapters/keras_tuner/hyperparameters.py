"""KerasTuner's `hp`, without KerasTuner: it returns a trial's values and records each hyperparameter that is used."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.adapters.domains import choice, distinct
from pipeline.adapters.keras_tuner.ranges import number_domain
from pipeline.adapters.parameters import Hyperparameter, parameter_name, typed
from pipeline.adapters.user_code import refused, user_line, user_place
from pipeline.space import Choice

_Conditions = tuple[tuple[str, tuple[Any, ...]], ...]


class HyperParameters:
    """The hyperparameters of one build, with the methods of `keras_tuner.HyperParameters`."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._given = dict(values or {})
        self._scopes: list[str] = []
        self._conditions: list[tuple[str, tuple[Any, ...]]] = []
        self._known: dict[tuple[str, _Conditions], Hyperparameter] = {}
        self.values: dict[str, Any] = {}

    @property
    def found(self) -> list[Hyperparameter]:
        """The hyperparameters that were used, in order."""
        return list(self._known.values())

    @property
    def space(self) -> list[Hyperparameter]:
        """As `found`."""
        return self.found

    def Int(  # noqa: N802
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A whole number, both ends included."""
        ends = (min_value, max_value)
        return self._number(name, int, ends, step, sampling, default, parent_name, parent_values)

    def Float(  # noqa: N802
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A real number."""
        ends = (min_value, max_value)
        return self._number(name, float, ends, step, sampling, default, parent_name, parent_values)

    def Choice(  # noqa: N802
        self,
        name: str,
        values: Sequence[Any],
        ordered: bool | None = None,
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """One of several values.

        Args:
            name: The user's name for it.
            values: The values.
            ordered: Has no effect.
            default: The value if the config has none.
            parent_name: Another hyperparameter that decides whether this one is active.
            parent_values: Its values with which this one is active.

        Returns:
            The value, one of `values`; the default where the config has none; None if the conditions of the
            hyperparameter do not hold.
        """
        listed = [value.item() if hasattr(value, "item") else value for value in values]
        first = None if None in listed else listed[0]
        return self._value(
            name, choice(distinct(listed)), first if default is None else default, parent_name, parent_values
        )

    def Boolean(  # noqa: N802
        self, name: str, default: bool = False, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        """True or false."""
        return self._value(name, Choice((False, True)), bool(default), parent_name, parent_values)

    def Fixed(  # noqa: N802
        self, name: str, value: Any, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        """One value."""
        return self._value(name, value, value, parent_name, parent_values)

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """Hyperparameters that are active only if another has one of these values; else they are None."""
        values = tuple(parent_values) if isinstance(parent_values, list | tuple | set | range) else (parent_values,)
        self._conditions.append((self._scoped(parent_name), values))
        try:
            yield
        finally:
            self._conditions.pop()

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """A prefix of names."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def get(self, name: str) -> Any:
        """The value of a hyperparameter that is active."""
        scoped = self._scoped(name)
        if scoped in self.values:
            return self.values[scoped]
        if any(known == scoped for known, _ in self._known):
            raise ValueError(f"{scoped} is currently inactive.")
        raise KeyError(f"{scoped} does not exist.")

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        return self._scoped(name) in self.values

    def is_active(self, hyperparameter: Any) -> bool:
        """Whether a hyperparameter is active."""
        name = getattr(hyperparameter, "name", hyperparameter)
        return name in self.values

    def copy(self) -> "HyperParameters":
        """The same values; the copy does not record which hyperparameters are used."""
        return HyperParameters({**self._given, **self.values})

    def _scoped(self, name: str) -> str:
        return "/".join([*self._scopes, str(name)])

    def _value(self, name: str, domain: Any, default: Any, parent_name: str | None, parent_values: Any) -> Any:
        if parent_name is not None:
            with self.conditional_scope(parent_name, parent_values):
                return self._value(name, domain, default, None, None)
        scoped, conditions = self._scoped(name), tuple(self._conditions)
        if (scoped, conditions) not in self._known:
            self._known[scoped, conditions] = Hyperparameter(scoped, domain, user_place(), conditions)
        if not all(self.values.get(parent, _Absent) in values for parent, values in conditions):
            return None
        if scoped not in self.values:
            self.values[scoped] = self._chosen(scoped, self._known[scoped, conditions].domain, default)
        return self.values[scoped]

    def _chosen(self, name: str, domain: Any, default: Any) -> Any:
        for key in (name, parameter_name(name)):
            if key in self._given:
                return typed(self._given[key], domain)
        return default

    def _number(
        self,
        name: str,
        kind: type[int] | type[float],
        ends: tuple[float, float],
        step: float | None,
        sampling: str | None,
        default: float | None,
        parent_name: str | None,
        parent_values: Any,
    ) -> Any:
        low, high, by = kind(ends[0]), kind(ends[1]), None if step is None else kind(step)
        try:
            domain = number_domain(kind, low, high, by, sampling)
        except ValueError as error:
            raise refused(Path(user_line()[0]).name, name, str(error)) from None
        return self._value(name, domain, low if default is None else default, parent_name, parent_values)


class _Absent:
    """Stands for the value of an inactive hyperparameter."""
