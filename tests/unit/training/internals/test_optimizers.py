"""Changes that training makes to optimisers."""

from types import SimpleNamespace

import keras
import pytest

from pipeline import missing_names
from pipeline.training import internals


def test_excluded_variables_are_kept_under_a_known_name() -> None:
    """A call of exclude_from_weight_decay is detected."""
    optimizer = keras.optimizers.AdamW()
    assert not internals.excludes_from_weight_decay(optimizer)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert internals.excludes_from_weight_decay(optimizer), (
        "Keras no longer keeps what exclude_from_weight_decay was given in an attribute of that name; "
        "pipeline/training/internals/ looks for it; without it, a wrong trace may be shared."
    )


def test_without_the_reduction_training_reports_growing_memory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An optimiser without the replaced method is reported as growing in memory."""
    monkeypatch.setattr(missing_names, "warned", set())
    internals.skip_reduction(object())
    assert "7 MB for each new architecture" in capsys.readouterr().err


def test_without_its_method_averages_replace_weights_and_that_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An optimiser without the method for averages is unchanged, which is reported once if it has averages."""
    monkeypatch.setattr(missing_names, "warned", set())
    for optimizer in (SimpleNamespace(use_ema=False), SimpleNamespace(use_ema=True), SimpleNamespace(use_ema=True)):
        before = vars(optimizer).copy()
        with internals.keep_averages_apart(optimizer):
            assert vars(optimizer) == before
    assert capsys.readouterr().err.count("Optimizer.finalize_variable_values: averaged weights replace") == 1


def test_averages_are_kept_apart_within_the_context_only() -> None:
    """Averages do not replace the weights within the context, and do after it."""
    optimizer = keras.optimizers.SGD(use_ema=True)
    variable = keras.Variable([1.0, 2.0])
    optimizer.build([variable])
    for _ in range(2):
        optimizer.apply_gradients([(keras.ops.ones(2), variable)])
    before = variable.numpy()
    with internals.keep_averages_apart(optimizer):
        optimizer.finalize_variable_values([variable])
        assert (variable.numpy() == before).all()
    optimizer.finalize_variable_values([variable])
    assert (variable.numpy() != before).any()
