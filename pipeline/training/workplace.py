"""What the trials of one process share: its set-up, the data as tensors, and the traced epochs."""

from pipeline.datasets import Dataset
from pipeline.errors import DataError
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.base import Learner
from pipeline.training.function import FunctionLearner

__all__ = ["Workplace"]


class Workplace:
    """Makes learners; the second one of an architecture costs next to nothing.

    Args:
        job: The study's job.
        data: Its data; None for a function objective.
    """

    def __init__(self, job: TuneJob, data: Dataset | None) -> None:
        self.job, self.data = job, data
        if job.model is None:
            return
        if data is None:
            raise DataError(f"The job {job.name!r} has a model, and there is no data to train it on.")
        from pipeline.training.process import set_up

        set_up(job.resources)
        from pipeline.training.resident import Resident
        from pipeline.training.traces import Traces

        self._resident = Resident(data)
        self._traces = Traces()

    def learner(self, config: Config, *, seed: int) -> Learner:
        """A trial that has not begun.

        Args:
            config: The trial's config.
            seed: Where its initial weights and shuffling come from.

        Raises:
            ModelError: The model or the callbacks cannot be used.
            Exception: Whatever the user's code raises.
        """
        if self.job.function is not None:
            return FunctionLearner(self.job.function, config)
        from pipeline.training.trainer import Trainer

        return Trainer(self.job, config, self._resident, self._traces, seed=seed)
