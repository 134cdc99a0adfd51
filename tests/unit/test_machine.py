"""This machine: the limits of a container, read from files of version 1 and 2, and its GPUs."""

import ctypes
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info

from pipeline import machine
from pipeline.machine import Limits, container_limits, one_thread


@pytest.fixture
def container(tmp_path):
    def made(groups, files):
        contents = {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}
        for name, text in contents.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{text}\n")
        return tmp_path

    return made


GIB = 2**30
UNLIMITED = "9223372036854771712"
V1 = "7:cpu,cpuacct:/kubepods/pod1/c1\n4:memory:/kubepods/pod1/c1\n1:name=systemd:/kubepods/pod1/c1\n0::/"


def memory2(group: str, limit: str, used: int = 0, cached: int = 0) -> dict[str, str]:
    stat = f"anon {used - cached}\ninactive_file {cached}\nactive_file 0"
    return {f"{group}memory.max": limit, f"{group}memory.current": str(used), f"{group}memory.stat": stat}


def memory1(group: str, limit: str, used: int = 0, cached: int = 0) -> dict[str, str]:
    stat = f"inactive_file 0\ntotal_inactive_file {cached}"
    return {
        f"memory/{group}memory.limit_in_bytes": limit,
        f"memory/{group}memory.usage_in_bytes": str(used),
        f"memory/{group}memory.stat": stat,
    }


def quota1(group: str, quota: int) -> dict[str, str]:
    return {f"cpu/{group}cpu.cfs_quota_us": str(quota), f"cpu/{group}cpu.cfs_period_us": "100000"}


def test_a_pod_of_version_2_sees_its_own_group_as_the_top(container):
    root = container("0::/", {"cpu.max": "200000 100000", **memory2("", str(6 * GIB), 2 * GIB, GIB)})
    assert container_limits(root) == Limits(2.0, 6 * GIB, 5 * GIB)


def test_max_is_no_limit(container):
    assert container_limits(container("0::/a", {"a/cpu.max": "max 100000", **memory2("a/", "max", GIB)})) == Limits()
    files = {**memory1("kubepods/pod1/c1/", UNLIMITED), **quota1("kubepods/pod1/c1/", -1)}
    assert container_limits(container(V1, files)) == Limits()


def test_the_tightest_limit_above_a_process_counts(container):
    root = container(
        "0::/pod/c1/own",
        {
            **memory2("", "max"),
            **memory2("pod/", str(4 * GIB), 3 * GIB),
            **memory2("pod/c1/", str(6 * GIB), GIB),
            "pod/cpu.max": "150000 100000",
            "pod/c1/cpu.max": "400000 100000",
        },
    )
    assert container_limits(root) == Limits(1.5, 4 * GIB, GIB)


def test_a_pod_of_version_1(container):
    root = container(
        V1,
        {
            **memory1("kubepods/pod1/c1/", str(6 * GIB), 2 * GIB, GIB),
            **memory1("kubepods/pod1/", str(8 * GIB), 2 * GIB, GIB),
            **quota1("kubepods/pod1/c1/", -1),
            **quota1("kubepods/pod1/", 300000),
        },
    )
    assert container_limits(root) == Limits(3.0, 6 * GIB, 5 * GIB)


@pytest.mark.parametrize(("high", "most"), [("max", 6 * GIB), (str(4 * GIB), 4 * GIB), (str(8 * GIB), 6 * GIB)])
def test_memory_above_which_a_group_is_slowed_down_is_a_limit(container, high, most):
    root = container("0::/", {**memory2("", str(6 * GIB), GIB), "memory.high": high})
    assert container_limits(root) == Limits(memory=most, free=most - GIB)


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert container_limits(tmp_path) == Limits()


INFORMATION = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 93\nGPU UUID: \t GPU-1\n"


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    for place, text in (("0000:18:00.0", INFORMATION), ("0000:2a:00.0", "Model: NVIDIA L4\n")):
        (tmp_path / "gpus" / place).mkdir(parents=True)
        (tmp_path / "gpus" / place / "information").write_text(text)
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_machine_is_described_completely():
    found = machine.this_machine()
    assert found.host
    assert found.cpu
    assert found.cpus > 0
    assert found.memory > found.free > 2**20


def test_a_container_is_described_and_not_its_node(container):
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
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    if granted is not None:
        monkeypatch.setenv("SLURM_CPUS_ON_NODE", granted)
    assert machine.this_machine(container("0::/", {"cpu.max": f"{quota} 100000"})).cpus == cpus


def test_a_limit_above_the_machine_is_none(container):
    root = container("0::/", {"memory.max": str(2**50), "memory.current": "0", "memory.stat": ""})
    found = machine.this_machine(root)
    assert found.memory == psutil.virtual_memory().total
    assert found.free < found.memory


def test_a_system_without_sets_of_cpus(monkeypatch, tmp_path):
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
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpu_models() == models


def test_devices_count_where_the_driver_s_files_are_not_there(tmp_path, monkeypatch):
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
    for minor, folder in zip((0, 3), sorted((tmp_path / "gpus").iterdir()), strict=True):
        with (folder / "information").open("a") as file:
            file.write(f"Device Minor: \t {minor}\n")
    (tmp_path / "dev").mkdir()
    for name in devices:
        (tmp_path / "dev" / name).touch()
    monkeypatch.setattr(machine, "DEVICES", tmp_path / "dev")
    assert machine.gpu_models() == models


def library(name):
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
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", tmp_path / "nothing")
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    (tmp_path / "dxg").touch()


def test_gpus_in_wsl_are_those_of_the_library(wsl, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", library)
    assert machine.gpu_models() == ["NVIDIA GeForce RTX 4090", "NVIDIA GPU"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert machine.gpu_models() == ["NVIDIA GPU"]


def test_libraries_for_matrices_use_one_thread_within_the_context() -> None:
    np.eye(2) @ np.eye(2)
    with one_thread():
        pass
    before = threadpool_info()
    for _ in range(2):
        with one_thread():
            assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {1}
        assert threadpool_info() == before
