"""KerasTuner's tuners, which end the program where they would search, and the classes that they take."""

from typing import Any

from pipeline.adapters.program import end_here
from pipeline.adapters.user_code import refused

__all__ = [
    "TUNERS",
    "BayesianOptimization",
    "GridSearch",
    "HyperModel",
    "Hyperband",
    "Objective",
    "RandomSearch",
    "Tuner",
]


class HyperModel:
    """A hypermodel: subclasses define `build(hp)`, and may define `fit(hp, model, …)`.

    Args:
        name: Its name.
        tunable: Whether its hyperparameters are tuned.
    """

    def __init__(self, name: str | None = None, tunable: bool = True) -> None:
        self.name, self.tunable = name, tunable

    def build(self, hp: Any) -> Any:
        """The model of some hyperparameters.

        Args:
            hp: The hyperparameters.

        Returns:
            A Keras model, compiled.
        """
        raise NotImplementedError

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train a model.

        Args:
            hp: The hyperparameters.
            model: The model.
            args: Positional arguments.
            kwargs: Keyword arguments.

        Returns:
            Keras' `History`; or, from a subclass, the objective's value or a dict of metrics.
        """
        return model.fit(*args, **kwargs)


class Objective:
    """A metric and its direction.

    Args:
        name: The metric.
        direction: `min` or `max`.
    """

    def __init__(self, name: str, direction: str) -> None:
        self.name, self.direction = name, direction


class Tuner:
    """A tuner that records its arguments, and ends the program where it would search."""

    names: tuple[str, ...] = ("hypermodel", "objective", "max_trials")
    """The positional arguments."""

    def __init__(self, *args: Any, **arguments: Any) -> None:
        self.arguments = {**dict(zip(self.names, args, strict=False)), **arguments}
        self.hypermodel = self.arguments.get("hypermodel")

    def search(self, *args: Any, **arguments: Any) -> None:
        """End the program.

        Args:
            args: Positional arguments.
            arguments: Keyword arguments.

        Raises:
            InvalidJob: The tuner has methods of its own.
            ProgramEnd: A program is running.
        """
        for method in ("run_trial", "run_build", "load_model"):
            if hasattr(self, method):
                allowed = "must not be overridden: move its code into HyperModel.fit"
                raise refused("the tuner", f"{type(self).__name__}.{method}", allowed)
        end_here(
            self.hypermodel,
            {
                "kind": next(each.__name__ for each in type(self).__mro__ if each in TUNERS),
                "tuner": self.arguments,
                "args": args,
                "kwargs": arguments,
            },
        )

    def search_space_summary(self, extended: bool = False) -> None:
        """Print nothing: `tunepipe check` prints the space.

        Args:
            extended: Has no effect.
        """


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
