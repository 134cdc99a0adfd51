"""What training uses of Keras' callbacks."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from pipeline import missing_names
from pipeline.training import internals
from pipeline.training.callbacks import Callbacks


def model_of(optimizer: Any = "adam") -> keras.Model:
    """A small compiled model."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    model.compile(optimizer=optimizer, loss="mse", metrics=["mae"])
    return model


def test_a_callback_that_profiles_no_batches_is_known(tmp_path: Path) -> None:
    """TensorBoard's callback has an attribute that is true if it profiles batches."""
    callback = keras.callbacks.TensorBoard(log_dir=str(tmp_path))
    callback.set_model(model_of())
    assert not internals.profiles(callback), (
        "Keras no longer has TensorBoard._start_batch or _profiler_started; pipeline/training/internals/ uses them "
        "to know whether batches are profiled; without them, each batch runs by itself."
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.callbacks.EarlyStopping("loss", restore_best_weights=True),
        lambda: keras.callbacks.ReduceLROnPlateau("loss"),
        lambda: keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
    ],
    ids=["EarlyStopping", "ReduceLROnPlateau", "SwapEMAWeights"],
)
def test_attributes_that_a_checkpoint_holds_are_there(
    make: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every attribute of Keras' callbacks that a resumed trial gets back exists once training has begun."""
    model = model_of(keras.optimizers.SGD(use_ema=True))
    model.optimizer.build(model.trainable_variables)
    callbacks = Callbacks([make()], model, epochs=2, steps=1)
    callbacks.begin()
    callbacks.epoch_end(0, {"loss": 1.0})
    callbacks.state()
    assert "has no" not in capsys.readouterr().err, (
        "Keras has renamed an attribute of a callback; pipeline/training/callbacks.py saves it; without it, the "
        "callback begins again when a trial is resumed."
    )


def test_a_missing_attribute_of_a_callback_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback that lacks an attribute with its state is reported by name, once."""
    monkeypatch.setattr(missing_names, "warned", set())
    callback = keras.callbacks.EarlyStopping("loss")
    for _ in range(2):
        assert internals.saved_attributes(callback, ("wait", "patience_left")) == {"wait": 0}
    assert capsys.readouterr().err.count("no EarlyStopping.patience_left") == 1


def test_without_the_names_of_threads_hooks_may_run_late_and_that_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of callbacks without Keras' names for threads is unchanged, which is reported once for each name."""
    monkeypatch.setattr(missing_names, "warned", set())
    callbacks: Any = SimpleNamespace(_async_train=True)
    for _ in range(2):
        internals.without_threads(callbacks)
        internals.wait_for_futures(callbacks)
    assert vars(callbacks) == {"_async_train": False}
    lines = capsys.readouterr().err.splitlines()
    assert ["CallbackList._async_test: hooks of callbacks may run late" in line for line in lines] == [True, False]
    assert "CallbackList._flush_futures: hooks of batches may run after" in lines[1]


def test_a_callback_that_does_not_say_whether_it_profiles_runs_batch_by_batch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Keras' attribute, TensorBoard's callback counts as one that profiles, which is reported."""
    monkeypatch.setattr(missing_names, "warned", set())
    assert internals.profiles(SimpleNamespace(_start_batch=0))  # type: ignore[arg-type]
    assert "TensorBoard._profiler_started: each batch runs by itself" in capsys.readouterr().err
