"""KerasTuner's tuners, which end the program where they would search, and the classes that they take."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.adapters.keras_tuner.run_trial import RunTrialHypermodel
from pipeline.adapters.program import end_program
from pipeline.adapters.user_code import refused


class HyperModel:
    """A hypermodel: subclasses define `build(hp)`, and may define `fit(hp, model, …)`."""

    def __init__(self, name: str | None = None, tunable: bool = True) -> None:
        self.name, self.tunable = name, tunable

    def build(self, hp: Any) -> Any:
        """The model of some hyperparameters."""
        raise NotImplementedError

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train a model."""
        return model.fit(*args, **kwargs)


class _FunctionHyperModel(HyperModel):
    """A function `build(hp)` as a hypermodel."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self._function = function

    def build(self, hp: Any) -> Any:
        """The model of some hyperparameters."""
        return self._function(hp)


class Objective:
    """A metric and its direction.

    Args:
        name: The metric.
        direction: `min` or `max`.
    """

    def __init__(self, name: str, direction: str) -> None:
        self.name, self.direction = name, direction


class Oracle:
    """An oracle, which defines the objective and the budget of a `Tuner`; it draws nothing."""

    def __init__(self, **arguments: Any) -> None:
        self.objective, self.max_trials = arguments.get("objective"), arguments.get("max_trials")
        vars(self).update(arguments)


ORACLES: dict[str, type[Oracle]] = {
    name + end: type(name, (Oracle,), {})
    for name in ("RandomSearch", "GridSearch", "BayesianOptimization", "Hyperband")
    for end in ("", "Oracle")
}
"""The oracles by their names in `keras_tuner.oracles`."""


class _ReportingOracle:
    """The oracle of a tuner whose `run_trial` is the user's."""

    def __init__(self, tuner: "Tuner") -> None:
        self._tuner = tuner

    def update_trial(self, trial_id: str, metrics: Mapping[str, Any], step: int = 0) -> None:
        """Report the metrics of a trial."""
        self._tuner.report(metrics)


class Tuner:
    """A tuner that records its arguments, and ends the program where it would search.

    A subclass may have its own `run_trial`, which runs a trial of tunepipe with the methods and attributes here.
    """

    names: tuple[str, ...] = ("hypermodel", "objective", "max_trials")
    """The positional arguments."""

    def __init__(self, *args: Any, **arguments: Any) -> None:
        self.arguments = {**dict(zip(self.names, args, strict=False)), **arguments}
        hypermodel = self.arguments.get("hypermodel")
        self.hypermodel: Any = _FunctionHyperModel(hypermodel) if inspect.isfunction(hypermodel) else hypermodel
        self.oracle = _ReportingOracle(self)
        self.report: Callable[[Mapping[str, Any]], None] = lambda _: None
        self.built: Callable[[], None] = lambda: None
        self.directory = self.project_dir = "."

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        """Build and train a model."""
        model = self.hypermodel.build(trial.hyperparameters)
        fit = getattr(self.hypermodel, "fit", None)
        return model.fit(*args, **kwargs) if fit is None else fit(trial.hyperparameters, model, *args, **kwargs)

    def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report an epoch."""
        self.report(logs or {})

    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing, as the methods for batches and files."""

    on_batch_begin = on_batch_end = on_trial_begin = on_trial_end = save_model = on_epoch_begin

    def get_trial_dir(self, trial_id: str) -> str:
        """The working folder of the trial, which is the current one."""
        return "."

    def search(self, *args: Any, **arguments: Any) -> None:
        """End the program."""
        for method in _NOT_OVERRIDDEN:
            if hasattr(self, method):
                allowed = "must not be overridden: move its code into run_trial or HyperModel.fit"
                raise refused("the tuner", f"{type(self).__name__}.{method}", allowed)
        kind = next(each.__name__ for each in type(self).__mro__ if each in TUNERS)
        given = self.arguments
        if (oracle := given.get("oracle")) is not None:
            kind = type(oracle).__name__.removesuffix("Oracle")
            given = {**{name: getattr(oracle, name) for name in _OF_ORACLES if hasattr(oracle, name)}, **given}
        end_program(
            self.arguments.get("hypermodel"),
            {
                "kind": kind,
                "tuner": given,
                "args": args,
                "kwargs": arguments,
                "own": None if type(self).run_trial is Tuner.run_trial else RunTrialHypermodel(self),
                "hooks": self._hooks(),
            },
        )

    def _hooks(self) -> list[str]:
        """The methods of a subclass that KerasTuner would call, and that nothing calls here, with their class."""
        own = type(self).run_trial is not Tuner.run_trial
        # A tuner with its own `run_trial` calls those of epochs and batches itself.
        names = _HOOKS_OF_TRIALS if own else (*_HOOKS_OF_TRIALS, *_HOOKS_OF_EPOCHS)
        return [
            f"{type(self).__name__}.{name}" for name in names if getattr(type(self), name) is not getattr(Tuner, name)
        ]

    def search_space_summary(self, extended: bool = False) -> None:
        """Print nothing: `tunepipe check` prints the space."""


_NOT_OVERRIDDEN = ("run_build", "load_model", "_build_and_fit_model", "_build_hypermodel", "_try_build")
"""Methods of KerasTuner's tuners that decide how a model is built or trained."""

_HOOKS_OF_TRIALS = ("on_trial_begin", "on_trial_end")
_HOOKS_OF_EPOCHS = ("on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end", "save_model")
"""Methods of KerasTuner's tuners that it calls in addition to the training."""

_OF_ORACLES = ("objective", "max_trials", "seed", "max_epochs", "factor", "hyperband_iterations")


class RandomSearch(Tuner):
    """As keras_tuner.RandomSearch."""


class GridSearch(Tuner):
    """As keras_tuner.GridSearch."""


class BayesianOptimization(Tuner):
    """As keras_tuner.BayesianOptimization."""


class Hyperband(Tuner):
    """As keras_tuner.Hyperband."""

    names = ("hypermodel", "objective", "max_epochs", "factor", "hyperband_iterations", "seed")


TUNERS: tuple[type[Tuner], ...] = (RandomSearch, GridSearch, BayesianOptimization, Hyperband, Tuner)
