"""The thin tune.Trainable around a Worker: one process, many trials."""

from typing import Any

from ray import tune

from pipeline.course.messages import Assignment
from pipeline.datasets import Dataset
from pipeline.execution.travel import unpack
from pipeline.execution.worker import Worker
from pipeline.storage import Store

__all__ = ["ASSIGNMENT", "REPORT", "TrialTrainable"]

ASSIGNMENT = "assignment"
"""The one key of a Tune config: an Assignment as JSON."""

REPORT = "report"
"""The one key of a Tune result that is ours: a Report as bytes."""


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """Trains whatever trial its config assigns to it; reused from trial to trial: TensorFlow is imported once."""

    def setup(
        self,
        config: dict[str, Any],
        *,
        job: bytes | None,
        folders: list[str],
        data: Dataset | None,
        uri: str,
        session: int,
    ) -> None:
        """Make this process a worker of the study."""
        store = Store(uri)
        self._worker = Worker(
            unpack(job, folders, store),
            data,
            store,
            session=session,
            # Ray's answer to SIGTERM, which comes where a machine is about to be taken away.
            told_to_end=lambda error: hasattr(error, "ray_terminate_msg"),
        )
        self._worker.begin(Assignment.from_json(config[ASSIGNMENT]))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over another trial."""
        self._worker.begin(Assignment.from_json(new_config[ASSIGNMENT]))
        return True

    def step(self) -> dict[str, Any]:
        """Train until there is something to report."""
        return {REPORT: self._worker.step().to_bytes()}

    def cleanup(self) -> None:
        """Leave a checkpoint of the trial in hand."""
        self._worker.close()
