"""The limits that control groups set for a process, read from files of version 1 and 2 and from a real group."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.machine import Limits, container_limits

GIB = 2**30
UNLIMITED = "9223372036854771712"
V1 = "7:cpu,cpuacct:/kubepods/pod1/c1\n4:memory:/kubepods/pod1/c1\n1:name=systemd:/kubepods/pod1/c1\n0::/"


def memory2(group: str, limit: str, used: int = 0, cached: int = 0) -> dict[str, str]:
    """The memory files of a group, version 2."""
    stat = f"anon {used - cached}\ninactive_file {cached}\nactive_file 0"
    return {f"{group}memory.max": limit, f"{group}memory.current": str(used), f"{group}memory.stat": stat}


def memory1(group: str, limit: str, used: int = 0, cached: int = 0) -> dict[str, str]:
    """The memory files of a group, version 1: `total_` counts the groups below it, too."""
    stat = f"inactive_file 0\ntotal_inactive_file {cached}"
    return {
        f"memory/{group}memory.limit_in_bytes": limit,
        f"memory/{group}memory.usage_in_bytes": str(used),
        f"memory/{group}memory.stat": stat,
    }


def quota1(group: str, quota: int) -> dict[str, str]:
    """The CPU files of a group, version 1."""
    return {f"cpu/{group}cpu.cfs_quota_us": str(quota), f"cpu/{group}cpu.cfs_period_us": "100000"}


def test_a_pod_of_version_2_sees_its_own_group_as_the_top(container):
    """The limits of a pod whose group is the top are read, and cache that can be dropped counts as free memory."""
    root = container("0::/", {"cpu.max": "200000 100000", **memory2("", str(6 * GIB), 2 * GIB, GIB)})
    assert container_limits(root) == Limits(2.0, 6 * GIB, 5 * GIB)


def test_max_is_no_limit(container):
    """The word "max" in version 2, and a number near 2**63 or a quota of -1 in version 1, mean no limit."""
    assert container_limits(container("0::/a", {"a/cpu.max": "max 100000", **memory2("a/", "max", GIB)})) == Limits()
    files = {**memory1("kubepods/pod1/c1/", UNLIMITED), **quota1("kubepods/pod1/c1/", -1)}
    assert container_limits(container(V1, files)) == Limits()


def test_the_tightest_limit_above_a_process_counts(container):
    """Each limit is the tightest of a group and those above it, and free memory is the least in any of them."""
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
    """In version 1, limits are read from each controller's folder, even if one is set above the container's group."""
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


@pytest.mark.parametrize("groups", [V1, "4:memory:/../..\n3:cpu:/../.."])
def test_a_container_that_sees_its_group_as_the_top_only(container, groups):
    """If the named group is not among the container's files, the limits of the topmost group are read."""
    root = container(groups, {**memory1("", str(3 * GIB)), **quota1("", 50000)})
    assert container_limits(root) == Limits(0.5, 3 * GIB, 3 * GIB)


def test_both_versions_on_one_machine(container):
    """If version 1 controls the memory and version 2 the CPUs, both limits are read."""
    root = container("4:memory:/a\n0::/a", {**memory1("a/", str(GIB)), "a/cpu.max": "100000 100000"})
    assert container_limits(root) == Limits(1.0, GIB, GIB)


def test_version_2_beside_version_1(container):
    """If systemd keeps version 2 in a folder of its own beside version 1, its limits are read there."""
    root = container("4:memory:/a\n0::/a", {**memory1("a/", str(GIB)), "unified/a/cpu.max": "150000 100000"})
    assert container_limits(root) == Limits(1.5, GIB, GIB)


@pytest.mark.parametrize(("high", "most"), [("max", 6 * GIB), (str(4 * GIB), 4 * GIB), (str(8 * GIB), 6 * GIB)])
def test_memory_above_which_a_group_is_slowed_down_is_a_limit(container, high, most):
    """The lesser of memory.max, at which the kernel kills, and memory.high, above which it slows down, is the limit."""
    root = container("0::/", {**memory2("", str(6 * GIB), GIB), "memory.high": high})
    assert container_limits(root) == Limits(memory=most, free=most - GIB)


def test_a_user_s_slice_of_systemd(container):
    """The limits of a user's slice hold for a process in a scope below it."""
    scope = "user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope"
    files = {**memory2("user.slice/user-1000.slice/", str(8 * GIB), GIB), **memory2(f"{scope}/", "max", GIB)}
    root = container(f"0::/{scope}", {**files, "user.slice/user-1000.slice/cpu.max": "400000 100000"})
    assert container_limits(root) == Limits(4.0, 8 * GIB, 7 * GIB)


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        (
            "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0",
            {
                **memory2("system.slice/slurmstepd.scope/job_7/", str(8 * GIB)),
                **memory2("system.slice/slurmstepd.scope/job_7/step_0/user/task_0/", "max"),
            },
        ),
        (
            "9:memory:/slurm/uid_1000/job_7/step_0\n8:cpuset:/slurm/uid_1000/job_7/step_0",
            {**memory1("slurm/uid_1000/job_7/", str(8 * GIB)), **memory1("slurm/uid_1000/job_7/step_0/", UNLIMITED)},
        ),
    ],
)
def test_a_job_of_slurm(container, groups, files):
    """The memory that Slurm grants a job is the limit of each of its steps, in both versions."""
    assert container_limits(container(groups, files)) == Limits(memory=8 * GIB, free=8 * GIB)


def test_a_container_within_a_container(container):
    """In an inner container of version 1, whose named group is that of the node, its own files are the top."""
    groups = "5:cpu,cpuacct:/docker/outer/docker/inner\n4:memory:/docker/outer/docker/inner"
    root = container(groups, {**memory1("", str(2 * GIB), GIB), **quota1("", 150000)})
    assert container_limits(root) == Limits(1.5, 2 * GIB, GIB)


def test_without_control_groups_there_is_no_limit(tmp_path):
    """A system without control groups, or with unreadable numbers in them, has no limit."""
    assert container_limits(tmp_path) == Limits()


def test_files_with_other_content_are_ignored(container):
    """Control group files with other content are ignored."""
    root = container("0::/\nnonsense", {"cpu.max": "many", "memory.max": "lots"})
    assert container_limits(root) == Limits()


def test_a_group_over_its_limit_has_nothing_free(container):
    """A control group above its limit has zero bytes free, not a negative number."""
    assert container_limits(container("0::/", memory2("", str(GIB), 2 * GIB))).free == 0


@pytest.fixture
def real_group() -> Iterator[Path]:
    """A group of the kernel, with a limit of 1 GiB, below this process's own."""
    top = Path("/sys/fs/cgroup")
    lines = Path("/proc/self/cgroup").read_text().splitlines() if Path("/proc/self/cgroup").exists() else []
    own = {controllers: group.lstrip("/") for _, controllers, group in (line.split(":", 2) for line in lines)}
    below, limit = (
        (top / "memory" / own["memory"], "memory.limit_in_bytes")
        if "memory" in own
        else (top / own.get("", ""), "memory.max")
    )
    group = below / f"tunepipe-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(GIB))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"This process may not make a control group with a limit: {error}")
    yield group
    group.rmdir()


def test_a_process_in_a_real_group(real_group):
    """The memory of a real control group is read, and its used memory is not free."""
    code = (
        f"from pathlib import Path; import os; Path({str(real_group / 'cgroup.procs')!r}).write_text(str(os.getpid()));"
        "from pipeline.machine import this_machine; held = bytearray(200 * 2**20); machine = this_machine();"
        "print(machine.memory, machine.free)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    memory, free = map(int, done.stdout.split())
    assert memory == GIB
    assert 0 < free < GIB - 200 * 2**20
    assert not math.isinf(container_limits().memory) or container_limits().free > free
