"""The description of the machine, read from files that a test writes, because tests run without a GPU."""

import ctypes
from types import SimpleNamespace

import psutil
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
    before = machine.process_memory()
    block = b"x" * 2**26
    assert machine.process_memory() - before > len(block) / 2


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
    ("quota", "allowed", "granted", "cpus"),
    [
        ("max", 8, None, 8.0),
        ("250000", 8, None, 2.5),
        ("50000", 8, None, 0.5),
        ("1600000", 8, None, 8.0),
        ("max", 8, "4", 4.0),
        ("max", 4, "16", 4.0),
        ("max", 8, "0", 8.0),
        ("max", 8, "2(x3)", 8.0),
    ],
)
def test_cpus_are_the_least_of_all_limits(container, monkeypatch, quota, allowed, granted, cpus):
    """CPUs are the least of a quota, the set of CPUs that a process may run on, and those that Slurm has granted."""
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    if granted is not None:
        monkeypatch.setenv("SLURM_CPUS_ON_NODE", granted)
    assert machine.this_machine(container("0::/", {"cpu.max": f"{quota} 100000"})).cpus == cpus


def test_a_limit_above_the_machine_is_none(container):
    """A container with a limit above the memory of its node has the memory of the node."""
    root = container("0::/", {"memory.max": str(2**50), "memory.current": "0", "memory.stat": ""})
    found = machine.this_machine(root)
    assert found.memory == psutil.virtual_memory().total
    assert found.free < found.memory


def test_a_system_without_sets_of_cpus(monkeypatch, tmp_path):
    """Where a process cannot be kept to some CPUs, as on macOS, it has all of them."""
    monkeypatch.delattr(machine.os, "sched_getaffinity")
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 10)
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    assert machine.this_machine(tmp_path).cpus == 10


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


@pytest.mark.parametrize(
    ("devices", "models"),
    [
        (["nvidia3", "nvidiactl"], ["NVIDIA L4"]),
        (["nvidia0", "nvidia3"], ["NVIDIA H100 80GB HBM3", "NVIDIA L4"]),
        ([], ["NVIDIA H100 80GB HBM3", "NVIDIA L4"]),
        (["nvidia7"], ["NVIDIA GPU"]),
    ],
)
def test_a_container_has_the_gpus_whose_devices_it_has(two_gpus, tmp_path, monkeypatch, devices, models):
    """In a container that sees the driver's files of its whole node, only GPUs whose device is there count."""
    for minor, folder in zip((0, 3), sorted((tmp_path / "gpus").iterdir()), strict=True):
        with (folder / "information").open("a") as file:
            file.write(f"Device Minor: \t {minor}\n")
    (tmp_path / "dev").mkdir()
    for name in devices:
        (tmp_path / "dev" / name).touch()
    monkeypatch.setattr(machine, "DEVICES", tmp_path / "dev")
    assert machine.gpu_models() == models


def library(name):
    """NVIDIA's management library on a computer with two GPUs, of which the second has no readable name."""
    assert name == "libnvidia-ml.so.1"

    def fill(place, kind, value):
        ctypes.cast(place, ctypes.POINTER(kind))[0] = value
        return 0

    def name_of(card, text, _length):
        text.value = b"NVIDIA GeForce RTX 4090"
        return card.value - 1

    return SimpleNamespace(
        nvmlInit_v2=lambda: 0,
        nvmlShutdown=lambda: 0,
        nvmlDeviceGetCount_v2=lambda place: fill(place, ctypes.c_uint, 2),
        nvmlDeviceGetHandleByIndex_v2=lambda index, place: fill(place, ctypes.c_size_t, index + 1),
        nvmlDeviceGetName=name_of,
    )


@pytest.fixture
def wsl(tmp_path, monkeypatch):
    """WSL 2, which has one device for all GPUs and no files of the driver."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", tmp_path / "nothing")
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    (tmp_path / "dxg").touch()


def test_gpus_in_wsl_are_those_of_the_library(wsl, monkeypatch):
    """In WSL 2, GPUs are counted by NVIDIA's management library, and one without a readable name counts."""
    monkeypatch.setattr(ctypes, "CDLL", library)
    assert machine.gpu_models() == ["NVIDIA GeForce RTX 4090", "NVIDIA GPU"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert machine.gpu_models() == ["NVIDIA GPU"]


@pytest.mark.parametrize("broken", [OSError, AttributeError])
def test_wsl_without_nvidia_s_driver_has_no_gpus(wsl, monkeypatch, broken):
    """In WSL 2 on a computer without NVIDIA's driver, or with one that lacks a function, there are no GPUs."""

    def load(name):
        raise broken(name)

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert machine.gpu_models() == []


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
