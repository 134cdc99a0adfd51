"""A tuner with its own `run_trial`, as a hypermodel whose `fit` is that method."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.study.context import current


@dataclass(frozen=True)
class _Trial:
    """What `run_trial` gets."""

    hyperparameters: Any
    trial_id: str


class RunTrialHypermodel:
    """A hypermodel that builds nothing, and whose `fit` calls `run_trial` of a tuner."""

    def __init__(self, tuner: Any) -> None:
        self.tuner = tuner

    @property
    def training(self) -> Callable[..., Any]:
        """The method of the user's class."""
        method: Callable[..., Any] = type(self.tuner).run_trial
        return method

    def build(self, hp: Any) -> None:
        """Nothing: `run_trial` builds its models itself."""

    def reports_to(self, report: Callable[[Mapping[str, Any]], None], built: Callable[[], None] = lambda: None) -> None:
        """Where the tuner reports the metrics of an epoch, and the oracle those of a trial."""
        self.tuner.report, self.tuner.built = report, built

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a trial."""
        trial = current()
        parameters = inspect.signature(self.tuner.run_trial).parameters
        if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            kwargs = {name: value for name, value in kwargs.items() if name in parameters}
        return self.tuner.run_trial(_Trial(hp, trial.id if trial is not None else "0000"), *args, **kwargs)
