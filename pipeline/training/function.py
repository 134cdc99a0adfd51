"""A plain function as a learner: a dict of metrics for each step, and the state from which it continues."""

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.code import takes_state
from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.storage.scratch import scratch
from pipeline.study.context import set_continued_from
from pipeline.training.base import EpochResult, TrainingEnded
from pipeline.training.function_state import decoded, encoded
from pipeline.training.global_state import generator_states, restore_generators, seed_globally, seeding_imports
from pipeline.training.metrics import yielded_metrics


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

    def __init__(
        self, function: Callable[..., Any], config: Config, *, seed: int = 0, epochs: float = math.inf
    ) -> None:
        self._function, self._config, self._seed, self._epochs = function, deepcopy(dict(config)), seed, epochs
        self._takes_state = takes_state(function)
        self._steps: Iterator[Any] | None = None
        self._single = self._finished = self._sparse = False
        self._new: list[Any] = []
        """The state that the last step has yielded, until it is saved; empty if it has yielded none."""
        self._saved: _Saved | None = None
        self._generators: Mapping[str, Any] = {}
        self._files = ExitStack()
        self.model_epoch = 0
        self.trained_with: str | None = None

    def run_epoch(self) -> EpochResult:
        started = time.perf_counter()
        if self._new and (self._sparse or isinstance(self._new[0], Path)):
            # The next step may come without a state, and may change this one; a folder may be deleted by then.
            self._save_state()
        try:
            yielded = self._next()
        except StopIteration:
            if self.model_epoch:
                raise TrainingEnded from None
            raise ModelError(
                f"The function {self._function.__name__} ended before its first step; it must yield a dict of "
                "metrics for each epoch."
            ) from None
        where = f"The function {self._function.__name__}, at step {self.model_epoch + 1},"
        yielded, self._new = self._parted(yielded, where)
        metrics = yielded_metrics(yielded, where)
        self.model_epoch += 1
        self._sparse = self._sparse or not self._new
        # A function that ends here may take further steps in a later session, with a larger budget.
        return EpochResult(metrics, None, 0.0, time.perf_counter() - started, 0.0, last=self._single)

    @property
    def unfinished(self) -> bool:
        """Whether it has taken the last step of its budget, and code may follow, which `finish` runs."""
        return self.model_epoch >= self._epochs and not self._finished and not self._single

    def finish(self) -> bool:
        """Let the function go on after the last step of its budget, so that code after its loop runs; then end it.

        Returns:
            Whether it has ended by itself; a step that it takes instead is lost.
        """
        self._finished = True
        if self._new:
            # The rest of the function may change it.
            self._save_state()
        try:
            self._next()
        except StopIteration:
            return True
        self._close_steps()
        return False

    def validate(self) -> Mapping[str, float]:
        return {}

    def save(self) -> Checkpoint:
        if self._new:
            self._save_state()
        header: dict[str, Any] = {"model_epoch": self.model_epoch}
        if self._saved is None:
            return Checkpoint(header, [])
        return Checkpoint({**header, "state_epoch": self._saved.epoch, **self._saved.tree}, self._saved.arrays)

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
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
        self._new = []
        with self._files:
            self._close_steps()

    def _close_steps(self) -> None:
        if (close := getattr(self._steps, "close", None)) is not None:
            close()

    def _next(self) -> Any:
        if self._steps is None:
            self._start()
        assert self._steps is not None
        restore_generators(self._generators)
        with seeding_imports(self._number):
            step = next(self._steps)
        self._generators = generator_states(libraries=False)
        return step

    def _start(self, *, exploit: bool = False) -> None:
        state = None
        if self._saved is not None:
            state = decoded(self._saved.tree["state"], self._saved.arrays, folder=self._folder, function=self._function)
        # After the state is restored: rebuilding a model draws random numbers, which must not count.
        if self._saved is None or exploit:
            seed_globally(self._number)
        else:
            restore_generators(decoded(self._saved.tree["generators"], self._saved.arrays, folder=self._folder))
        self._generators = generator_states(libraries=True)
        if self._saved is not None and exploit:
            arrays = list(self._saved.arrays)
            generators = encoded(self._generators, arrays)
            self._saved = replace(self._saved, tree={**self._saved.tree, "generators": generators}, arrays=arrays)
        set_continued_from(self._epoch)
        with seeding_imports(self._number):
            # A function that is not a generator runs here.
            arguments = (deepcopy(self._config), state) if self._takes_state else (deepcopy(self._config),)
            self._steps = self._iterated(self._function(*arguments))

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

    def _parted(self, yielded: Any, where: str) -> tuple[Any, list[Any]]:
        """The metrics of a step, and its state as a list of at most one item."""
        if not isinstance(yielded, tuple) or len(yielded) != 2 or not isinstance(yielded[0], Mapping):
            return yielded, []
        if not self._takes_state:
            raise ModelError(
                f"{where} yields (metrics, state) but has no `state` parameter; define it as "
                f"{self._function.__name__}(config, state): state is None at first, and afterwards the last state that "
                "was saved."
            )
        metrics, state = yielded
        return metrics, [] if state is None else [state]

    def _save_state(self) -> None:
        arrays: list[np.ndarray] = []
        tree = encoded(self._new[0], arrays)
        generators = encoded({**generator_states(libraries=True), **self._generators}, arrays)
        self._saved = _Saved(self.model_epoch, {"state": tree, "generators": generators}, arrays)
        self._new = []


def has_state(checkpoint: Checkpoint) -> bool:
    """Whether a function's checkpoint holds a state: without one, the function is replayed from its first step."""
    return checkpoint.header.get("state") is not None


def state_of(checkpoint: Checkpoint, *, folder: Callable[[], Path], function: Any = None) -> Any:
    """The state that a function's checkpoint holds."""
    return decoded(checkpoint.header["state"], checkpoint.arrays, folder=folder, function=function)
