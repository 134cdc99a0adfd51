"""An objective of Optuna as the function of a job."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from pipeline.adapters.adapter import Adapter
from pipeline.adapters.metrics import numeric
from pipeline.adapters.optuna.enqueued import enqueued_configs
from pipeline.adapters.optuna.internals import constraints_of, stoppable
from pipeline.adapters.optuna.samplers import combinations_of, sampled_space
from pipeline.adapters.optuna.study import (
    EXCESS,
    METRIC,
    fields_of_study,
    is_constrained,
    left_out_of_study,
    metrics_of,
    stated_reports,
)
from pipeline.adapters.optuna.suggestions import suggestions_of
from pipeline.adapters.optuna.trial import Trial, quiet_optuna
from pipeline.adapters.parameters import space_of
from pipeline.adapters.program import Call
from pipeline.adapters.steps import Steps
from pipeline.errors import Fault, InvalidJob
from pipeline.study.context import current
from pipeline.wording import counted


class ObjectiveAdapter(Adapter):
    """An objective of Optuna as the function of a job."""

    def __init__(self, program: Any, name: str, given: Any = None, names: Sequence[str] = (METRIC,)) -> None:
        super().__init__(program, name, given)
        self._names = names
        self._outside: list[str] = []

    def is_tuned_by(self, call: Call) -> bool:
        """Whether a call of `optimize` has the objective, or may pass it additional arguments.

        A call of `ask` does not say what is optimised.
        """
        return call.target is None or call.target is self.named or bool(_further(self.named))

    @cached_property
    def objective(self) -> Any:
        """The objective."""
        if self.program is None:
            return self._given
        if not self._name:
            return None if self.call is None else self.call.target
        if inspect.isclass(self.named):
            return self.call.target if self.call is not None and self.call.target is not None else self.named()
        if _further(self.named) and self.call is not None and self.call.target is not None:
            # Such as a lambda that calls the objective with the data.
            return self.call.target
        return self.named

    @cached_property
    def metrics(self) -> list[str]:
        """The names of the objective's values."""
        return list(self._names) if self.call is None else metrics_of(self.call.arguments)

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The functions of the module that a study copies, as functions of this process."""
        return {"objective": lambda config: self.steps(config)}

    @property
    def function_fields(self) -> Mapping[str, str | None]:
        """The fields of the job that are one of these functions."""
        return {"function": "objective"}

    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The fields of a job, as far as the objective and its study define them."""
        if self.objective is None and self.call is not None:
            allowed = "must be study.optimize(objective, …): move the body of the loop into a function objective(trial)"
            raise InvalidJob(subject, [Fault(self.call.line, "study.ask()", allowed)])
        if not callable(self.objective):
            raise InvalidJob(subject, [Fault("name", None, "must be a function objective(trial)")])
        if further := _further(self.objective):
            allowed = (
                "must be a function objective(trial): give the others defaults, or set them in a lambda or a partial"
            )
            raise InvalidJob(subject, [Fault("parameters", f"also {', '.join(further)}", allowed)])
        sampler = self._arguments.get("sampler")
        found = given.get("space") or space_of(suggestions_of(self.objective, subject, self._study), subject)
        space = found if given.get("space") else sampled_space(found, sampler)
        fields = {"space": space, **fields_of_study(self._arguments, self.metrics, self.objective)}
        if (count := combinations_of(space, sampler)) is not None:
            fields["budget"]["trials"] = min(count, fields["budget"].get("trials", count))
        if enqueued := self._arguments.get("enqueued"):
            fields["start_with"], self._outside = enqueued_configs(enqueued, space)
        return fields

    @property
    def left_out(self) -> list[str]:
        """The settings of the study that the job does not have, a sentence each."""
        left_out = left_out_of_study(self._arguments, self.objective)
        if self._outside:
            values = ", ".join(self._outside)
            left_out.append(f"The enqueued {values} are outside of the space, and drawn instead.")
        return left_out

    @property
    def _arguments(self) -> Mapping[str, Any]:
        return {} if self.call is None else self.call.arguments

    def _study(self) -> Any:
        """A new study of Optuna in memory, as the program has created its own."""
        import optuna

        with quiet_optuna():
            study = optuna.create_study(**self._arguments.get("study", {}))
        for name, value in self._arguments.get("attributes", {}).items():
            study.set_user_attr(name, value)
        return stoppable(study)

    def steps(self, config: Mapping[str, Any]) -> Iterator[Any]:
        """The reports of the objective, or its value."""
        trial = current()
        number = int(trial.id) if trial is not None and trial.id.isdigit() else 0

        def train(steps: Steps) -> Any:
            from optuna.exceptions import TrialPruned

            def report(value: float, attributes: Mapping[str, Any]) -> None:
                steps.report({self.metrics[0]: value, **numeric(attributes)})

            shown = Trial(config, report, pruned=lambda: steps.stopped, number=number, study_of=self._study)
            try:
                value = self.objective(shown)
            except TrialPruned:
                if steps.stopped:
                    return None
                # The program gives the config up by itself: the trial fails with its reason, and is never the best.
                raise
            if steps.count and not steps.stopped and not _is_value(value):
                # The reports alone would make it one of the best.
                raise ValueError(
                    f"the objective returned {value!r} after its reports: such a trial fails, as in Optuna"
                )
            metrics = {**_values(self.metrics, value), **numeric(shown.user_attrs)}
            if is_constrained(self._arguments, self.objective):
                metrics[EXCESS] = sum(max(0.0, float(one)) for one in self._constraints(shown))
            return metrics

        return Steps(train, lambda value, count: None if count else value, length=stated_reports(self.objective))

    def _constraints(self, shown: Trial) -> Iterator[float]:
        """The constraints of a trial: those that its objective set, and those that the sampler computes."""
        yield from shown.constraints.values()
        if (function := constraints_of(self._arguments.get("sampler"))) is not None:
            yield from function(shown) or ()


def _further(function: Any) -> list[str]:
    """The parameters without defaults that a function has in addition to the trial."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters[1:] if p.default is inspect.Parameter.empty and p.kind not in kinds]


def _is_value(value: Any) -> bool:
    """Whether Optuna takes what an objective with one value returns."""
    try:
        (number,) = value if isinstance(value, Sequence) else [value]
        return not math.isnan(float(number))
    except (TypeError, ValueError):
        return False


def _values(names: Sequence[str], value: Any) -> dict[str, Any]:
    values = list(value) if isinstance(value, Sequence) else [value]
    if len(values) != len(names):
        raise ValueError(f"the objective returned {counted(len(values), 'value')}; the study has {len(names)}")
    return dict(zip(names, values, strict=True))
