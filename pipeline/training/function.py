"""A plain function as a learner: a dict of metrics for each step, without Keras."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.training.base import EpochResult, TrainingEnded

__all__ = ["FunctionLearner"]


class FunctionLearner:
    """Runs `f(config)`, which yields a dict of metrics for each step, or returns one.

    Its state cannot be saved, only its place: to go on it is replayed from the first step.

    Args:
        function: The job's function.
        config: The trial's config.
    """

    def __init__(self, function: Callable[..., Any], config: Config) -> None:
        self._function, self._config = function, dict(config)
        self._steps: Iterator[Any] | None = None
        self._single = False
        self.model_epoch = 0

    def run_epoch(self) -> EpochResult:
        """Take the next step.

        Raises:
            TrainingEnded: The function has ended.
            ModelError: What the function yields is not a dict of numbers, or it yields nothing.
        """
        started = time.perf_counter()
        if self._steps is None:
            self._steps = self._started()
        try:
            found = next(self._steps)
        except StopIteration:
            if self.model_epoch:
                raise TrainingEnded from None
            raise ModelError(
                f"The function {self._function.__name__} ended before its first step; it must yield a dict of metrics "
                "for each epoch."
            ) from None
        metrics = self._numbers(found)
        self.model_epoch += 1
        return EpochResult(metrics, None, 0.0, time.perf_counter() - started, 0.0, last=self._single)

    def save(self) -> Checkpoint:
        """The place: how many steps were taken."""
        return Checkpoint({"model_epoch": self.model_epoch}, [])

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Replay from the first step to the place that was saved.

        Raises:
            ModelError: Another trial's steps cannot be taken over.
        """
        if exploit:
            raise ModelError(
                "A function's steps cannot be taken over by another trial: tune a model, or without PBT and PB2."
            )
        while self.model_epoch < int(checkpoint.header["model_epoch"]):
            self.run_epoch()

    def close(self) -> None:
        """End the function where it stands."""
        if isinstance(self._steps, Generator):
            self._steps.close()

    def _started(self) -> Iterator[Any]:
        result = self._function(dict(self._config))
        if isinstance(result, Mapping):
            self._single = True
            return iter([result])
        if not isinstance(result, Iterable):
            raise ModelError(
                f"The function {self._function.__name__} returned {type(result).__name__}; it must yield a dict of "
                "metrics for each epoch, or return one."
            )
        return iter(result)

    def _numbers(self, found: Any) -> dict[str, float]:
        if not isinstance(found, Mapping) or not found:
            raise ModelError(
                f"The function {self._function.__name__} gave {type(found).__name__} {found!r:.80} at step "
                f"{self.model_epoch + 1}; a dict of metric names and numbers is allowed."
            )
        try:
            return {str(name): float(value) for name, value in found.items()}
        except (TypeError, ValueError):
            raise ModelError(
                f"The function {self._function.__name__} gave {found!r:.120} at step {self.model_epoch + 1}; every "
                "metric must be a number."
            ) from None
