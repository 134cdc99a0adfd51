"""The trial for which the user's code is called: its id, seed, epochs and working folder.

While a trial trains, its working folder is the current directory, so that relative paths in callbacks and functions
never collide with those of another trial.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import StorageError, UsageError


@dataclass(frozen=True, slots=True)
class TrialContext:
    """What the user's code may know about its trial.

    Args:
        id: The trial's id within its study, such as `0003`; empty if data are loaded for all trials.
        seed: The seed of its initial weights and its shuffling.
        epochs: The largest number of epochs that the trial may train.
        folder: Its working folder, an absolute path: the current directory while the trial trains, unless the job's
            data function returns pipelines, which read files where the study was started. With folds or
            repeats each model has its own folder below the trial's. Where data are loaded for all trials, it is the
            current directory of `tunepipe`.
    """

    id: str
    seed: int
    epochs: int
    folder: Path


_CURRENT: ContextVar[TrialContext | None] = ContextVar("tunepipe_trial", default=None)
_DIRECTORY: ContextVar[Path | None] = ContextVar("tunepipe_directory", default=None)
CONTINUED_FROM: ContextVar[int] = ContextVar("tunepipe_continued_from", default=0)
"""The epoch of the state with which the trial's function was called last; 0 without one."""


def trial() -> TrialContext:
    """The trial that the calling code trains, builds or evaluates; in a data function, what all trials share.

    Returns:
        The trial's id, seed, epochs and working folder.

    Raises:
        UsageError: No trial is being trained, as at import or in a thread of the user's code.
    """
    if (context := current()) is None:
        raise UsageError(
            "trial() found no trial: it can be called by the job's model, callbacks, function and data function while "
            "tunepipe calls them, and not at import or in a thread that the code starts. Call it in "
            "build_model(config) or callbacks(config), and pass its result on."
        )
    return context


def current() -> TrialContext | None:
    return _CURRENT.get()


@contextmanager
def in_trial(context: TrialContext, directory: Path | None = None) -> Iterator[None]:
    """Run the user's code for a trial: `trial()` returns it, and its folder is the current directory."""
    before = str(Path.cwd())
    directory = directory or _DIRECTORY.get()
    entered = directory or context.folder
    try:
        os.chdir(entered)
    except OSError as error:
        raise StorageError(
            f"The working folder {entered} of trial {context.id} cannot be entered: {error.strerror}. Run "
            "`tunepipe resume`, which creates it again."
        ) from error
    tokens = _CURRENT.set(context), _DIRECTORY.set(directory)
    # An empty entry, as in a notebook, means the current directory; imports keep searching the previous one.
    empty = "" in sys.path
    sys.path[:] = [entry or before for entry in sys.path]
    try:
        yield
    finally:
        os.chdir(before)
        if empty and before in sys.path:
            sys.path[sys.path.index(before)] = ""
        _CURRENT.reset(tokens[0])
        _DIRECTORY.reset(tokens[1])


@contextmanager
def for_all_trials(*, seed: int, epochs: int) -> Iterator[None]:
    """Run the user's code for all trials of a study: `trial()` has no id. Within a trial, `trial()` stays the trial."""
    if current() is not None:
        yield
        return
    token = _CURRENT.set(TrialContext("", seed, epochs, Path.cwd()))
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def in_part(name: str) -> Iterator[None]:
    """Run the user's code for one of the models of a trial, in the model's folder below the trial's."""
    context = current()
    if context is None or not name:
        yield
        return
    folder = context.folder / name
    folder.mkdir(exist_ok=True)
    with in_trial(replace(context, folder=folder)):
        yield
