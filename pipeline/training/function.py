"""A plain function as a learner: a dict of metrics for each step, and the state from which it continues."""

import inspect
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from types import GeneratorType
from typing import Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.storage.scratch import scratch
from pipeline.study.callables import python_function
from pipeline.study.context import set_continued_from
from pipeline.study.loop_length import YIELDS, first_parameter, known_values, reports_of, steps_of
from pipeline.study.signature import takes_state
from pipeline.training.base import EpochResult, TrainingEnded
from pipeline.training.function_state import decoded, encoded
from pipeline.training.generators import GeneratorStates, seed_globally, seeding_imports
from pipeline.training.yielded_metrics import YieldedMetrics


@dataclass(frozen=True, slots=True)
class _Saved:
    """A state that can be continued from."""

    epoch: int
    tree: Mapping[str, Any]
    arrays: list[np.ndarray]


class FunctionLearner:
    """Runs `f(config)` or `f(config, state)`, which yields metrics or `(metrics, state)` for each step, or returns one.

    A function continues from the last state that it has yielded, and repeats the steps since then; without a state it
    is replayed from the first step. Its global random generators are seeded before it starts, and continue from where
    they were at a saved state.
    """

    def __init__(self, function: Callable[..., Any], config: Config, *, seed: int = 0) -> None:
        self._function, self._config, self._seed = function, deepcopy(dict(config)), seed
        self._takes_state = takes_state(function)
        self._steps: Iterator[Any] | None = None
        self._length: int | None = None
        """How many steps the function takes, according to its source; None if unknown."""
        self._taken = 0
        """How many it has taken since it was started here."""
        self._ahead: tuple[Any, GeneratorStates] | None = None
        """A step that it has taken although its source says that there is none, until an epoch wants it."""
        self._seconds_ahead = 0.0
        self._single = False
        self._finished = False
        self._metrics = YieldedMetrics(function.__name__)
        self._new: list[Any] = []
        """The state that the last step has yielded, until it is saved; empty if it has yielded none."""
        self._saved: _Saved | None = None
        self._sparse = False
        self._generators: GeneratorStates | None = None
        self._files = ExitStack()
        self.model_epoch = 0
        self.inexact: str | None = None
        self.trained_with: str | None = None

    def run_epoch(self) -> EpochResult:
        """Take the next step."""
        started = time.perf_counter()
        if self._new and (self._sparse or isinstance(self._new[0], Path)):
            # The next step may come without a state, and may change this one; a folder may be deleted by then.
            self._save_state()
        with seeding_imports(self._number):
            try:
                yielded = self._next()
            except StopIteration:
                if self.model_epoch:
                    raise TrainingEnded from None
                raise ModelError(
                    f"The function {self._function.__name__} ended before its first step; it must yield a dict of "
                    "metrics for each epoch."
                ) from None
        self._generators = GeneratorStates.now()
        yielded, self._new = self._parted(yielded)
        metrics = self._metrics.numbers(yielded, self.model_epoch + 1)
        self.model_epoch += 1
        self._taken += 1
        self._sparse = self._sparse or not self._new
        seconds, self._seconds_ahead = time.perf_counter() - started + self._seconds_ahead, 0.0
        # A function that ends here may take further steps in a later session, with a larger budget.
        return EpochResult(metrics, None, 0.0, seconds, 0.0, last=self._single)

    @property
    def unfinished(self) -> bool:
        """Whether the function has taken the last step that its source says, and the code after it has not run."""
        # A function that continues from a state counts from there, or from 0.
        return not self._finished and not self._single and self._length in (self.model_epoch, self._taken)

    @property
    def replayed_to_end(self) -> bool:
        """Whether it was replayed to the last step that its source says: a function with a state begins again there."""
        return self._saved is None and self._length == self._taken

    def finish(self) -> bool:
        """Run the function to its end; a step that it takes instead is kept for the next epoch."""
        started = time.perf_counter()
        self._finished = True
        if self._new:
            # The rest of the function may change it.
            self._save_state()
        with seeding_imports(self._number):
            try:
                step = self._next()
            except StopIteration:
                return True
        self._ahead = step, GeneratorStates.now()
        self._seconds_ahead = time.perf_counter() - started
        return False

    def validate(self) -> Mapping[str, float]:
        """No metrics: the function itself validates."""
        return {}

    def save(self) -> Checkpoint:
        """How many steps were taken, and the last state that the function has yielded."""
        if self._new:
            self._save_state()
        header: dict[str, Any] = {"model_epoch": self.model_epoch}
        if self._saved is None:
            return Checkpoint(header, [])
        return Checkpoint({**header, "state_epoch": self._saved.epoch, **self._saved.tree}, self._saved.arrays)

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Continue from the saved state, and repeat the steps that were taken since then."""
        header = checkpoint.header
        if has_state(checkpoint):
            tree = {"state": header["state"], "generators": header["generators"]}
            self._saved = _Saved(int(header["state_epoch"]), tree, list(checkpoint.arrays))
            self.model_epoch = self._saved.epoch
        elif exploit:
            raise ModelError(
                f"The function {self._function.__name__} has yielded no state that another trial could copy: "
                "define it as f(config, state), and let it yield (metrics, state)."
            )
        self._start(exploit=exploit)
        while not exploit and self.model_epoch < int(header["model_epoch"]):
            self.run_epoch()

    def close(self) -> None:
        """End the function, and delete the files of the state that it received."""
        self._new = []
        with self._files:
            close = getattr(self._steps, "close", None)
            if close is not None:
                close()

    def _next(self) -> Any:
        if self._steps is None:
            self._start()
        assert self._steps is not None
        assert self._generators is not None
        if self._ahead is not None:
            (step, generators), self._ahead = self._ahead, None
            generators.restore()
            return step
        self._generators.restore()
        return next(self._steps)

    def _start(self, *, exploit: bool = False) -> None:
        state = None
        if self._saved is not None:
            state = decoded(self._saved.tree["state"], self._saved.arrays, folder=self._folder, function=self._function)
        # After the state is restored: rebuilding a model draws random numbers, which must not count.
        if self._saved is None or exploit:
            seed_globally(self._number)
        else:
            states = decoded(self._saved.tree["generators"], self._saved.arrays, folder=self._folder)
            GeneratorStates.from_tree(states).restore()
        self._generators = GeneratorStates.now().with_libraries()
        if self._saved is not None and exploit:
            arrays = list(self._saved.arrays)
            generators = encoded(self._generators.to_tree(), arrays)
            self._saved = replace(self._saved, tree={**self._saved.tree, "generators": generators}, arrays=arrays)
        set_continued_from(self._epoch)
        with seeding_imports(self._number):
            # A function that is not a generator runs here.
            arguments = (deepcopy(self._config), state) if self._takes_state else (deepcopy(self._config),)
            self._steps = self._iterated(self._function(*arguments))
        self._length = self._stated_length()

    def _stated_length(self) -> int | None:
        if inspect.isgeneratorfunction(function := python_function(self._function)):
            values = dict(known_values(self._config, first_parameter(self._function)))
            return reports_of(function, YIELDS, values)
        if isinstance(self._steps, GeneratorType):
            return steps_of(self._steps, self._config)
        return getattr(self._steps, "stated_length", None)

    @property
    def _number(self) -> int:
        """The seed of the global generators: another one where another trial's state is taken over."""
        return zlib.crc32(f"{self._seed} function {self._epoch}".encode())

    @property
    def _epoch(self) -> int:
        """The epoch of the saved state; 0 without one."""
        return self._saved.epoch if self._saved is not None else 0

    def _iterated(self, result: Any) -> Iterator[Any]:
        single = self._takes_state and isinstance(result, tuple)
        if isinstance(result, Mapping) or single:
            self._single = True
            return iter([result])
        if not isinstance(result, Iterable):
            raise ModelError(
                f"The function {self._function.__name__} returned {type(result).__name__}; it must yield a dict of "
                'metrics for each epoch, or return one, such as {"accuracy": 0.9}.'
            )
        return iter(result)

    def _folder(self) -> Path:
        return self._files.enter_context(scratch("state"))

    def _parted(self, yielded: Any) -> tuple[Any, list[Any]]:
        """The metrics of a step, and its state as a list of at most one item."""
        if not isinstance(yielded, tuple) or len(yielded) != 2 or not isinstance(yielded[0], Mapping):
            return yielded, []
        if not self._takes_state:
            raise self._metrics.refused(
                self.model_epoch + 1,
                "yields (metrics, state) but has no `state` parameter",
                f"define it as {self._function.__name__}(config, state): state is None at first, and afterwards the "
                "last state that was saved",
            )
        metrics, state = yielded
        return metrics, [] if state is None else [state]

    def _save_state(self) -> None:
        assert self._generators is not None
        arrays: list[np.ndarray] = []
        tree = encoded(self._new[0], arrays)
        generators = encoded(self._generators.with_libraries().to_tree(), arrays)
        self._saved = _Saved(self.model_epoch, {"state": tree, "generators": generators}, arrays)
        self._new = []


def has_state(checkpoint: Checkpoint) -> bool:
    """Whether a function's checkpoint holds a state: without one, the function is replayed from its first step."""
    return checkpoint.header.get("state") is not None


def state_of(checkpoint: Checkpoint, *, folder: Callable[[], Path], function: Any = None) -> Any:
    """The state that a function's checkpoint holds."""
    return decoded(checkpoint.header["state"], checkpoint.arrays, folder=folder, function=function)
