"""The description of the machine, read from files that a test writes, because tests run without a GPU."""

import pytest

from pipeline import Budget, Objective, TuneJob, run
from pipeline.machine import machine

INFORMATION = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 93\nGPU UUID: \t GPU-1\n"


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """A driver with two cards of two models."""
    for place, text in (("0000:18:00.0", INFORMATION), ("0000:2a:00.0", "Model: NVIDIA L4\n")):
        (tmp_path / "gpus" / place).mkdir(parents=True)
        (tmp_path / "gpus" / place / "information").write_text(text)
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_machine_is_described_completely():
    """Every machine is described with its name, processor, cores and memory."""
    found = machine.this_machine()
    assert found.host
    assert found.cpu
    assert found.cpus > 0
    assert found.memory > found.free > 2**20


def test_the_memory_of_a_process_grows_with_what_it_holds():
    """The memory that a process holds grows by the size of what it allocates and writes, in bytes."""
    before = machine.held_memory()
    block = b"x" * 2**26
    assert machine.held_memory() - before > len(block) / 2


def test_a_container_is_described_and_not_its_node(container):
    """A pod of 1 GiB and half a CPU is described by its limits, not by its node, in whole cores."""
    root = container(
        "0::/", {"cpu.max": "50000 100000", "memory.max": str(2**30), "memory.current": "0", "memory.stat": ""}
    )
    found = machine.this_machine(root)
    assert (found.cpus, found.memory) == (0.5, 2**30)
    assert found.free <= 2**30
    assert found.record()["cores"] == 1
    assert set(found.record()) == {"host", "system", "cpu", "cores", "memory", "gpus"}


@pytest.mark.parametrize(
    ("visible", "models"),
    [
        (None, ["NVIDIA H100 80GB HBM3", "NVIDIA L4"]),
        ("1", ["NVIDIA L4"]),
        ("1,0", ["NVIDIA L4", "NVIDIA H100 80GB HBM3"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["NVIDIA H100 80GB HBM3"]),
        ("GPU-2", ["NVIDIA H100 80GB HBM3"]),
        ("MIG-2, 1", ["NVIDIA H100 80GB HBM3", "NVIDIA L4"]),
        ("NoDevFiles", []),
        ("none", []),
        ("2", []),
        ("1,2,0", ["NVIDIA L4"]),
    ],
)
def test_gpus_are_those_that_the_process_may_use(two_gpus, monkeypatch, visible, models):
    """GPUs are the driver's cards by model, without those that CUDA_VISIBLE_DEVICES hides."""
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpu_models() == models


def test_devices_count_where_the_driver_s_files_are_not_there(tmp_path, monkeypatch):
    """Without the driver's files, GPUs are counted by device files such as nvidia0, and nvidiactl is not one."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", tmp_path / "nothing")
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert machine.gpu_models() == ["NVIDIA GPU", "NVIDIA GPU"]


def flat(config):
    """The same value each time."""
    yield {"score": 1.0}


def test_run_notes_gpus_that_no_trial_uses(two_gpus, tmp_path):
    """On a machine with two GPUs, a study in this process that uses none prints a note on how to use them."""
    job = TuneJob(
        name="s",
        function=flat,
        space={"x": 1.0},
        objectives=[Objective("score", "max")],
        budget=Budget(trials=1, epochs=1),
        resources={"workers": 0},
    )
    notes = []
    run(job, storage=tmp_path, note=notes.append)
    assert sum("--gpus 1 gives each trial a GPU" in note for note in notes) == 1
