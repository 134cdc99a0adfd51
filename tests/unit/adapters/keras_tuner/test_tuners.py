"""KerasTuner's tuners and hypermodels, which search nothing."""

from typing import Any

import pytest

from pipeline.adapters.keras_tuner import tuners
from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters
from pipeline.adapters.keras_tuner.tuners import Hyperband, HyperModel, RandomSearch
from pipeline.errors import InvalidJob


def test_a_hypermodel_fits_its_model() -> None:
    """`HyperModel.fit` passes its arguments to the model's `fit`."""

    class Model:
        def fit(self, *args: int, **kwargs: int) -> tuple[tuple[int, ...], dict[str, int]]:
            return args, kwargs

    assert HyperModel().fit(HyperParameters(), Model(), 1, epochs=2) == ((1,), {"epochs": 2})


def test_a_search_outside_of_a_program_does_nothing() -> None:
    """A stand-in tuner keeps its arguments by name, and its search returns None outside of a program."""
    tuner = Hyperband("hypermodel", "val_loss", 9, directory="here")
    assert tuner.arguments == {
        "hypermodel": "hypermodel", "objective": "val_loss", "max_epochs": 9, "directory": "here",
    }  # fmt: skip
    assert tuner.search(1, 2, epochs=3) is None


def test_a_tuner_that_builds_models_itself_is_refused_with_its_line() -> None:
    """A tuner that overrides how models are built is refused with the line of its search."""

    class Tuner(RandomSearch):
        def run_build(self) -> None:
            pass

    with pytest.raises(InvalidJob, match=r"test_tuners.py, line \d+: must not be overridden.*Tuner.run_build"):
        Tuner().search()


@pytest.mark.parametrize(("own_trial", "hooks"), [(False, ["on_trial_end", "on_epoch_end"]), (True, ["on_trial_end"])])
def test_methods_that_nothing_calls_are_known(own_trial: bool, hooks: list[str], monkeypatch: Any) -> None:
    """A search has the tuner's own methods that nothing calls; with its own `run_trial` it calls some itself."""
    calls: list[Any] = []
    monkeypatch.setattr(tuners, "end_program", lambda _, arguments: calls.append(arguments))

    class Hooked(RandomSearch):
        def on_trial_end(self, trial: Any) -> None:
            pass

        def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
            pass

    class Training(Hooked):
        def run_trial(self, trial: Any) -> None:
            pass

    tuner = (Training if own_trial else Hooked)()
    tuner.search()
    assert calls[0]["hooks"] == [f"{type(tuner).__name__}.{name}" for name in hooks]
