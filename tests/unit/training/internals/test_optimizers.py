"""What training changes in optimisers."""

import keras
import pytest

from pipeline.training import internals
from pipeline.training.internals import missing


def test_excluded_variables_are_kept_under_a_known_name() -> None:
    """A call of exclude_from_weight_decay is seen."""
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
    monkeypatch.setattr(missing, "warned", set())
    internals.skip_reduction(object())
    assert "7 MB for each new architecture" in capsys.readouterr().out
