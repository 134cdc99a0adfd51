"""Models and states of a study as Python objects."""

from pathlib import Path
from typing import Any
from weakref import WeakSet

from pipeline.errors import ModelError, UsageError
from pipeline.execution.process_state import kept_process_state
from pipeline.execution.trial_models import TrialModels
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.study.contents import check_output_folder
from pipeline.wording import listed

_MAX_NAMES = 3
_rebuilt: WeakSet[Any] = WeakSet()
"""The models that were rebuilt in this process and are still in use."""


@kept_process_state()
def load_model(study: str | Path, *, trial: str | int | None = None) -> Any:
    """A trial's model: compiled, with the weights of its best epoch.

    For the best trial, loads the exported model if all custom classes are registered; otherwise rebuilds it with the
    study's code, or with the same functions of the running notebook. Models of other trials are always rebuilt.

    Args:
        study: The study's folder: a local path or a URI.
        trial: The trial's id or number; the best trial unless given.

    Returns:
        A keras.Model.

    Raises:
        JobNotFound: There is no study, no such trial, or its model no longer exists; says how to keep it.
        ModelError: The model cannot be rebuilt, or the study tunes a function whose state is not a Keras model.
    """
    models = TrialModels(Store(study))
    if trial is None and (model := models.exported()) is not None:
        return model
    model = models.model(models.assignment(layout.trial_id(trial) if isinstance(trial, int) else trial))
    _note_shared(model)
    _rebuilt.add(model)
    return model


def _note_shared(model: Any) -> None:
    """Print that an earlier model, which is still in use, has got weights of this one."""
    mine = {id(variable): variable for variable in model.variables}
    shared = [
        each for other in _rebuilt for variable in other.variables if (each := mine.get(id(variable))) is not None
    ]
    if shared:
        paths = list(dict.fromkeys(variable.path for variable in shared))
        more = len(paths) - _MAX_NAMES
        names = listed([*paths[:_MAX_NAMES], f"{more:,} more"] if more > 0 else paths)
        print(
            f"tunepipe: A model that was loaded earlier now has the weights {names} of this one, too: their layers are "
            "created outside of the model function, so all models of the process share them. Load only one model in a "
            "process, or save the first one before you load another."
        )


@kept_process_state()
def load_state(study: str | Path, *, trial: str | int | None = None, to: str | Path | None = None) -> Any:
    """The last state that a trial of a function had yielded by its best epoch, as the function would get it.

    Args:
        study: The study's folder: a local path or a URI.
        trial: The trial's id or number; the best trial unless given.
        to: A folder for the files of a state that is, or contains, a folder; created if it does not exist.

    Returns:
        The state: dicts and lists of values and NumPy arrays, a keras.Model, or the Path of a folder within `to`.

    Raises:
        JobNotFound: There is no study, no such trial, or its checkpoint no longer exists; says how to keep it.
        ModelError: The study tunes a model, the function has yielded no state, or a model cannot be rebuilt.
        UsageError: The state contains files, and `to` is not given.
    """
    states = TrialModels(Store(study))
    if not states.of_function:
        raise ModelError(f"The study {states.results.name!r} tunes a model: load_model returns it.")

    def folder() -> Path:
        if to is None:
            raise UsageError("The state contains files: name a folder for them, load_state(study, to=FOLDER).")
        check_output_folder(Path(to))
        Path(to).mkdir(parents=True, exist_ok=True)
        return Path(to)

    assignment = states.assignment(layout.trial_id(trial) if isinstance(trial, int) else trial)
    return states.state(assignment, folder)
