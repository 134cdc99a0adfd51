"""The errors of KerasTuner that a program raises: its trial fails."""


class FailedTrialError(Exception):
    """As keras_tuner.errors.FailedTrialError."""


class FatalError(Exception):
    """As keras_tuner.errors.FatalError."""


ERRORS: dict[str, type[Exception]] = {
    "FailedTrialError": FailedTrialError,
    "FatalError": FatalError,
    **{
        name: type(name, (FatalError, kind), {})
        for name, kind in (
            ("FatalValueError", ValueError),
            ("FatalTypeError", TypeError),
            ("FatalRuntimeError", RuntimeError),
        )
    },
}
"""The errors by their names in `keras_tuner.errors`."""
