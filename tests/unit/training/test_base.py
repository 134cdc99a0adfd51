"""The interface of training."""

from pipeline.study import Objective, TuneJob
from pipeline.training.base import batch_size_of


def build(config):
    """A model that is never built."""


def test_the_batch_size_is_the_configs_or_the_jobs() -> None:
    """A parameter `batch_size` of the space overrides the job's field."""
    job = TuneJob(name="a", model=build, data="digits", space={}, objectives=Objective("loss", "min"), batch_size=32)
    assert batch_size_of(job, {}) == 32
    assert batch_size_of(job, {"batch_size": 8}) == 8
