"""Notes on GPUs that are not used."""

from pipeline import Objective, TuneJob, Uniform
from pipeline.execution.capacity import unused_gpus
from tests.unit.execution.recorded_curves import steps


def test_gpus_that_no_trial_uses_are_noted() -> None:
    """Unused GPUs are noted, except if the machine has none or a trial uses one."""
    job = TuneJob(name="s", function=steps, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")])
    assert unused_gpus(job, 0) is None
    assert unused_gpus(job.replaced({"resources.gpus": 1}), 2) is None
    assert str(unused_gpus(job, 2)).startswith("There are 2 GPUs, and a trial of 's' asks for none")
