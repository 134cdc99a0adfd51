"""KerasTuner's errors."""

import pytest

from pipeline.adapters.keras_tuner.errors import ERRORS, FailedTrialError, FatalError


def test_errors_are_those_of_python_too() -> None:
    """A fatal error is also the error of Python that its name has, and a failed trial is none of them."""
    assert issubclass(ERRORS["FatalValueError"], FatalError)
    assert not issubclass(ERRORS["FailedTrialError"], FatalError)
    assert ERRORS["FailedTrialError"] is FailedTrialError
    for name, kind in (("Value", ValueError), ("Type", TypeError), ("Runtime", RuntimeError)):
        with pytest.raises(kind, match="own text"):
            raise ERRORS[f"Fatal{name}Error"]("own text")
