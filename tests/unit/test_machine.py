"""This machine: the limits of a container, read from files of version 1 and 2, and its GPUs."""

import ctypes
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info

from pipeline import machine
from pipeline.machine import one_thread, this_machine

GIB = 2**30
V1 = "7:cpu,cpuacct:/kubepods/pod1/c1\n4:memory:/kubepods/pod1/c1\n1:name=systemd:/kubepods/pod1/c1\n0::/"
ALL = psutil.virtual_memory().total


def memory2(group: str, limit: str, used: int = 0, cached: int = 0) -> dict[str, str]:
    stat = f"anon {used - cached}\ninactive_file {cached}\nactive_file 0"
    return {f"{group}memory.max": limit, f"{group}memory.current": str(used), f"{group}memory.stat": stat}


def memory1(limit: str, used: int = 0, cached: int = 0) -> dict[str, str]:
    stat = f"inactive_file 0\ntotal_inactive_file {cached}"
    return {
        "memory/memory.limit_in_bytes": limit,
        "memory/memory.usage_in_bytes": str(used),
        "memory/memory.stat": stat,
    }


@pytest.mark.parametrize(
    ("groups", "files", "cpus", "memory", "free"),
    [
        ("0::/", {"cpu.max": "200000 100000", **memory2("", str(GIB), GIB // 2, GIB // 4)}, 2.0, GIB, 3 * GIB // 4),
        ("0::/", {"cpu.max": "50000 100000", **memory2("", str(GIB))}, 0.5, GIB, GIB),
        ("0::/a", {"a/cpu.max": "max 100000", **memory2("a/", "max", GIB)}, 8.0, ALL, None),
        ("0::/", memory2("", str(2**60)), 8.0, ALL, None),
        (
            "0::/pod/c1",
            {**memory2("pod/", str(GIB), GIB // 2), **memory2("pod/c1/", str(2 * GIB)), "pod/cpu.max": "150000 100000"},
            1.5, GIB, GIB // 2,
        ),
        (
            V1,
            {**memory1(str(GIB), GIB // 2, GIB // 4), "cpu/cpu.cfs_quota_us": "300000",
             "cpu/cpu.cfs_period_us": "100000"},
            3.0, GIB, 3 * GIB // 4,
        ),
        (V1, {**memory1("9223372036854771712"), "cpu/cpu.cfs_quota_us": "-1"}, 8.0, ALL, None),
        ("", {}, 8.0, ALL, None),
    ],
)  # fmt: skip
def test_the_tightest_limit_above_a_process_counts(tmp_path, monkeypatch, groups, files, cpus, memory, free):
    contents = {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)))
    found = this_machine(tmp_path)
    assert (found.cpus, found.memory) == (cpus, memory)
    assert found.free == free if free is not None else GIB // 100 < found.free < ALL
    assert found.record()["cores"] == max(1, round(cpus + 0.1))


def library(models):
    """NVIDIA's management library, of cards that it names, or cannot name, or cannot open."""

    def fill(place, kind, value):
        ctypes.cast(place, ctypes.POINTER(kind))[0] = value
        return 0

    def name_of(card, text, _length):
        text.value = models[card.value - 1]
        return not text.value

    return SimpleNamespace(
        nvmlInit_v2=lambda: 0,
        nvmlShutdown=lambda: 0,
        nvmlDeviceGetCount_v2=lambda place: fill(place, ctypes.c_uint, len(models)),
        nvmlDeviceGetHandleByIndex_v2=lambda index, place: (
            1 if models[index] is None else fill(place, ctypes.c_size_t, index + 1)
        ),
        nvmlDeviceGetName=name_of,
    )


@pytest.mark.parametrize(
    ("visible", "models"),
    [
        (None, ["H100", "L4", "NVIDIA GPU"]), ("1", ["L4"]), ("1,0", ["L4", "H100"]), ("", []), ("0,-1,1", ["H100"]),
        ("GPU-2", ["H100"]), ("MIG-2, 1", ["H100", "L4"]), ("NoDevFiles", []), ("3", []),
    ],
)  # fmt: skip
def test_gpus_are_those_that_the_process_may_use(monkeypatch, visible, models):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library([b"H100", None, b"L4", b""]))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpu_models() == models


def test_without_a_driver_there_are_no_gpus(monkeypatch):
    def missing(_name):
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", missing)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-2")
    assert machine.gpu_models() == []


def test_libraries_for_matrices_use_one_thread_within_the_context():
    np.eye(2) @ np.eye(2)
    with one_thread():
        pass
    before = threadpool_info()
    for _ in range(2):
        with one_thread():
            assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {1}
        assert threadpool_info() == before
