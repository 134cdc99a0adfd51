"""A plain function as a learner: a dict of metrics for each step, and the state from which it continues."""

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

from pipeline.code.functions import takes_state
from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.storage.scratch import scratch
from pipeline.study.context import CONTINUED_FROM
from pipeline.training.base import ALLOWED, EpochResult, NotNumeric, TrainingEnded, as_number
from pipeline.training.function_state import decoded, encoded
from pipeline.training.process import generator_states, restore_generators, seed_globally, seeding_imports


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
        self._single = self._finished = False
        self._saved: Checkpoint | None = None
        """The last state that can be continued from."""
        self._generators: Mapping[str, Any] = {}
        self._files = ExitStack()
        self.model_epoch = 0
        self.trained_with: str | None = None

    def run_epoch(self) -> EpochResult:
        started = time.perf_counter()
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
        yielded, state = self._parted(yielded, where)
        metrics = _metrics(yielded, where)
        self.model_epoch += 1
        if state is not None:
            # At once: the next step may change it, or delete its folder.
            arrays: list[Any] = []
            header = {
                "state_epoch": self.model_epoch,
                "state": encoded(state, arrays),
                "generators": encoded(self._generators, arrays),
            }
            self._saved = Checkpoint(header, arrays)
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
        try:
            self._next()
        except StopIteration:
            return True
        self._close_steps()
        return False

    def save(self) -> Checkpoint:
        saved = Checkpoint({}, []) if self._saved is None else self._saved
        return Checkpoint({**saved.header, "model_epoch": self.model_epoch}, saved.arrays)

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        header = checkpoint.header
        if has_state(checkpoint):
            self._saved, self.model_epoch = checkpoint, int(header["state_epoch"])
        elif exploit:
            raise ModelError(
                f"The function {self._function.__name__} has yielded no state that another trial could copy: "
                "define it as f(config, state), and let it yield (metrics, state)."
            )
        self._start(exploit=exploit)
        while not exploit and self.model_epoch < int(header["model_epoch"]):
            self.run_epoch()

    def close(self) -> None:
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
        self._generators = generator_states()
        return step

    def _start(self, *, exploit: bool = False) -> None:
        saved = self._saved
        state = None if saved is None else state_of(saved, folder=self._folder)
        seed_globally(self._number)
        if saved is not None and not exploit:
            restore_generators(decoded(saved.header["generators"], saved.arrays, folder=self._folder))
        self._generators = generator_states()
        if saved is not None and exploit:
            arrays = list(saved.arrays)
            self._saved = Checkpoint({**saved.header, "generators": encoded(self._generators, arrays)}, arrays)
        CONTINUED_FROM.set(self._epoch)
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
        return 0 if self._saved is None else int(self._saved.header["state_epoch"])

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

    def _parted(self, yielded: Any, where: str) -> tuple[Any, Any]:
        """The metrics of a step, and its state; None without one."""
        if not isinstance(yielded, tuple) or len(yielded) != 2 or not isinstance(yielded[0], Mapping):
            return yielded, None
        if not self._takes_state:
            raise ModelError(
                f"{where} yields (metrics, state) but has no `state` parameter; define it as "
                f"{self._function.__name__}(config, state): state is None at first, and afterwards the last state that "
                "was saved."
            )
        return yielded


def _metrics(yielded: Any, where: str) -> dict[str, float]:
    """The metrics of a step by name; `where` names the function and the step."""
    if not isinstance(yielded, Mapping) or not yielded:
        raise ModelError(
            f"{where} yielded {type(yielded).__name__} {yielded!r:.80}; a dict of metric names and numbers is allowed."
        )
    metrics: dict[str, float] = {}
    for key, value in yielded.items():
        name = str(key)
        if not name.strip() or name in metrics or any(char == "\0" or "\ud800" <= char <= "\udfff" for char in name):
            raise ModelError(f"{where} yielded a metric with the name {key!r:.80}; each needs a name of its own.")
        try:
            metrics[name] = as_number(value)
        except NotNumeric as error:
            raise ModelError(f"{where} yielded {name} as {error}; {ALLOWED}.") from None
    return metrics


def has_state(checkpoint: Checkpoint) -> bool:
    """Whether a function's checkpoint holds a state: without one, the function is replayed from its first step."""
    return checkpoint.header.get("state") is not None


def state_of(checkpoint: Checkpoint, *, folder: Callable[[], Path]) -> Any:
    """The state that a function's checkpoint holds."""
    return decoded(checkpoint.header["state"], checkpoint.arrays, folder=folder)
