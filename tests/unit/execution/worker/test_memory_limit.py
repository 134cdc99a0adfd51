"""When a worker's process must be replaced for its memory."""

import pytest

from pipeline.execution.worker.memory_limit import MemoryLimit
from pipeline.machine import Machine
from pipeline.study import Resources
from pipeline.training.process import workers_on

GIB = 2**30
POD = Machine(host="pod", system="", cpu="", cpus=2.0, memory=6 * GIB, free=5 * GIB, gpus=())


def test_a_pod_smaller_than_its_node_keeps_its_workers():
    """Each of two workers in a pod of 6 GiB may hold its share of nine tenths of the pod's memory."""
    workers = workers_on(Resources(cpus=1), POD.cpus, 0)
    assert workers == 2
    limit = MemoryLimit(Resources(), workers, POD)
    assert limit.excess(int(0.7 * GIB)) == ""
    assert limit.excess(int(2.6 * GIB)) == ""
    assert limit.excess(int(2.8 * GIB)) == (
        "it uses 3.01 GB, more than 2.9 GB, its share of 6.44 GB with 2 workers on the machine"
    )


def test_a_process_of_constant_size_stays():
    """A worker that exceeds its share of memory from the start is replaced only after it has become larger."""
    limit = MemoryLimit(Resources(), 20, POD)
    assert limit.excess(int(0.7 * GIB)) == limit.excess(GIB) == ""
    assert "20 workers" in limit.excess(int(1.1 * GIB))


def test_a_limit_of_the_job_s_own_is_kept_to_the_byte():
    """A memory limit set by the job applies to the byte, whatever the process used at first."""
    limit = MemoryLimit(Resources(worker_gigabytes=0.5), 1, POD)
    assert limit.excess(500_000_000) == ""
    assert "the job's resources.worker_gigabytes" in limit.excess(500_000_001)


@pytest.mark.parametrize(
    ("resources", "workers"),
    [
        (Resources(cpus=0.5), 4),
        (Resources(cpus=4), 1),
        (Resources(cpus=0.5, workers=3), 3),
        (Resources(workers=0), 1),
        (Resources(gpus=1), 1),
    ],
)
def test_workers_of_a_machine_are_counted(resources, workers):
    """The number of workers is limited by CPUs, GPUs and the job; if none fits, there is one worker."""
    assert workers_on(resources, 2.0, 1.0) == workers


def test_this_process_is_measured():
    """The memory of this process is measured and compared with the limit."""
    assert MemoryLimit(Resources(worker_gigabytes=1e-6), 1).excess()
