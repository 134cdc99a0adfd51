"""The epochs of `HyperModel.fit`: it trains a model itself, and calls `on_epoch_end` at the end of each epoch."""

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters
from pipeline.adapters.keras_tuner.run_trial import RunTrialHypermodel
from pipeline.adapters.loop_length import called_once, reports_of
from pipeline.adapters.steps import Steps
from pipeline.study import Objective


def has_own_fit(hypermodel: Any) -> bool:
    """Whether a hypermodel trains its models by its own `fit`."""
    fit = getattr(type(hypermodel), "fit", None)
    own = fit is not None and getattr(fit, "__qualname__", "").partition(".")[0] not in ("HyperModel",)
    return own and not inspect.isfunction(hypermodel)


def training_of(hypermodel: Any) -> Callable[..., Any]:
    """The method in which a hypermodel with its own `fit` trains: `fit`, or the tuner's `run_trial`."""
    training: Callable[..., Any] = (
        hypermodel.training if isinstance(hypermodel, RunTrialHypermodel) else type(hypermodel).fit
    )
    return training


def sets_epochs(training: Callable[..., Any]) -> bool:
    """Whether a method that trains sets the number of epochs itself; otherwise it is that of the search."""
    try:
        source = inspect.getsource(training)
    except (OSError, TypeError):
        return False
    _, _, body = source.partition("):")
    return re.search(r"""\bepochs\b["'\]]*\s*=(?!=)""", body) is not None


def fit_once(hypermodel: Any, hp: HyperParameters, model: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Call HyperModel.fit up to the first call of the model's fit, or the end of its first epoch."""
    import keras

    class FirstEpoch(Exception):
        """The first epoch begins or has ended."""

    def end(*_: Any, **__: Any) -> None:
        raise FirstEpoch

    class Ending(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise FirstEpoch

    if isinstance(hypermodel, RunTrialHypermodel):
        hypermodel.reports_to(end, built=end)
    with _replaced_fit(keras.Model if model is None else model, end), suppress(FirstEpoch):
        hypermodel.fit(hp, model, *args, **{**kwargs, "callbacks": [Ending()]})


@contextmanager
def _replaced_fit(models: Any, fit: Callable[..., Any]) -> Iterator[None]:
    """A context in which a model, or all models of a class, have another `fit`."""
    own = vars(models).get("fit")
    models.fit = fit
    try:
        yield
    finally:
        if own is None:
            del models.fit
        else:
            models.fit = own


def fit_steps(
    hypermodel: Any,
    hp: HyperParameters,
    build: Callable[[HyperParameters], Any],
    arguments: tuple[list[Any], dict[str, Any]],
    state: Any,
    objective: Objective,
) -> Iterator[Any]:
    """The epochs of HyperModel.fit, each with the state after it; those of a tuner's `run_trial`, without a state."""
    args, kwargs = arguments

    def train(steps: Steps) -> Any:
        import keras

        from pipeline.training.state import save_variables

        model = build(hp)
        stateless = isinstance(hypermodel, RunTrialHypermodel)
        if isinstance(hypermodel, RunTrialHypermodel):
            hypermodel.reports_to(lambda logs: steps.report(_numbers(logs)))
        # A model without an input has its variables only when it trains.
        unbuilt = model is not None and not model.built
        if state is not None:
            kwargs["initial_epoch"] = state["epoch"]
            if unbuilt:
                model.build_from_config(state["build"])
            if model.optimizer is not None:
                model.optimizer.build(model.trainable_variables)
            for variable, value in zip(_variables(model), state["variables"], strict=True):
                variable.assign(value)

        fitted = [] if model is None else _recorded_fit(model)
        continues = _takes_any(hypermodel.fit)

        class Reporting(keras.callbacks.Callback):  # type: ignore[misc]
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                if objective.metric not in (logs or {}):
                    # What `fit` returns has it.
                    return
                kept: dict[str, Any] | None = None
                if fitted and continues:
                    kept = {"epoch": epoch + 1, "variables": save_variables(_variables(model))}
                    if unbuilt:
                        kept["build"] = model.get_build_config()
                steps.report(_numbers(logs) if stateless else (_numbers(logs), kept))

        kwargs["callbacks"] = [*kwargs["callbacks"], Reporting()]
        return hypermodel.fit(hp, model, *args, **kwargs)

    training = training_of(hypermodel)
    length = reports_of(training, "on_epoch_end", {})
    if length is None and called_once(training, "fit") and not sets_epochs(training):
        length = kwargs["epochs"]
    return Steps(train, lambda value, count: None if count else _returned(value, objective), length=length)


def _returned(value: Any, objective: Objective) -> dict[str, float]:
    """The metrics of a HyperModel.fit that has called no callback at the end of an epoch, from its return value."""
    if isinstance(value, list | tuple) and value:
        each = [_returned(one, objective) for one in value]
        return {name: sum(one[name] for one in each) / len(each) for name in each[0]}
    if isinstance(value, Mapping):
        return _numbers(value)
    if hasattr(value, "history"):
        losses = [objective.loss(float(one)) for one in value.history.get(objective.metric, ())]
        # Without the objective the last epoch counts.
        best = min(range(len(losses)), key=lambda epoch: (math.isnan(losses[epoch]), losses[epoch]), default=-1)
        # A metric that is not computed in each epoch has fewer values.
        return {name: float(each[min(best, len(each) - 1)]) for name, each in value.history.items() if each}
    return {objective.metric: float(value)}


def _variables(model: Any) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)
    return [*model.variables, *(optimizer.variables if optimizer is not None else ())]


def _recorded_fit(model: Any) -> list[bool]:
    """Record calls of the model's fit in a list, which is empty before the first one: epochs begin with it."""
    called: list[bool] = []
    fit = model.fit

    def recorded(*args: Any, **kwargs: Any) -> Any:
        called.append(True)
        return fit(*args, **kwargs)

    model.fit = recorded
    return called


def _takes_any(function: Any) -> bool:
    """Whether a function takes any keyword argument, such as `initial_epoch`."""
    return any(each.kind is each.VAR_KEYWORD for each in inspect.signature(function).parameters.values())


def _numbers(logs: Any) -> dict[str, float]:
    return {name: float(value) for name, value in dict(logs or {}).items()}
