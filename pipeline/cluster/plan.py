"""How large a cluster a study needs: from its trials, its resources and the pods of each worker group.

Memory counts, although trials ask Kubernetes for none: a pod that exceeds its limit is killed with every trial in it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from pipeline.errors import ClusterError, ResourcesUnmet
from pipeline.study import Resources, TuneJob
from pipeline.study.trial_configs import trials_in_all
from pipeline.wording import counted, size

_GPUS = re.compile(r"nvidia\.com/(gpu|mig-\d+g\.\d+gb)")
"""The resources that KubeRay passes to Ray as a GPU: a whole GPU, or a MIG part with its own memory."""


TRIAL_GIGABYTES = 0.75
"""The memory of a worker with a small model (measured: 0.7 GiB), if a job does not say what a trial needs."""

_RAY_BYTES = 0.5e9
"""The memory of Ray's own processes in a worker's pod."""

_HEAD_BYTES = 1e9
"""The memory of Ray and a driver in the head's pod (measured: 0.9 GiB)."""

_UNITS = {
    "": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
}  # fmt: skip
_QUANTITY = re.compile(rf"((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)({'|'.join(_UNITS)})")


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The planned size of a worker group."""

    name: str
    pods: int
    trials: int
    gpus: float
    cpus: float = 0.0
    ray_cpus: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    by_memory: bool = False
    epoch_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The cluster that a study needs."""

    groups: tuple[GroupPlan, ...]
    workers: int
    wanted: int
    epochs: int
    seconds: float | None = None
    autoscales: bool = True

    @property
    def by_memory(self) -> bool:
        """Whether memory limits the trials of a group that the study uses."""
        return any(group.by_memory for group in self._used)

    @property
    def _used(self) -> list[GroupPlan]:
        return [group for group in self.groups if group.trials and group.pods]

    @property
    def hours(self) -> float | None:
        """The maximum number of hours once all pods run; None if the seconds of an epoch are unknown somewhere."""
        if any(group.epoch_seconds is None for group in self._used):
            return None
        slowest = max((group.epoch_seconds for group in self._used if group.epoch_seconds), default=None)
        return min(self.epochs * slowest, self.seconds or math.inf) / 3600 if slowest else None

    def __str__(self) -> str:
        gpus = sum(group.pods * group.gpus for group in self._used)
        all_of_it = counted(gpus, "GPU") if gpus else counted(sum(group.pods for group in self._used), "pod")
        head = f"{counted(self.workers, 'trial')} in parallel (maximum {self.wanted}); " + (
            f"autoscaling up to {all_of_it}" if self.autoscales else f"the cluster has {all_of_it} from start to end"
        )
        lines = [self._line(group) for group in self._used]
        return "\n".join(
            [f"{head}:", *lines, f"  workers' pods have {self._total()} at most", f"  estimated hours: {self._time()}"]
        )

    def _line(self, group: GroupPlan) -> str:
        pods = f"{'0 to ' if self.autoscales else ''}{counted(group.pods, 'pod')}"
        trials = f"{counted(group.trials, 'trial')} in each"
        trials += f" by its {size(group.memory)} of memory" if group.by_memory else ""
        gpus = f", {counted(group.gpus, 'GPU')} in each" if group.gpus else ""
        return f"  {group.name}: {pods}, {trials}{gpus}"

    def _total(self) -> str:
        cpus = sum(group.pods * group.cpus for group in self._used)
        memory = sum(group.pods * group.memory for group in self._used)
        disk = sum(group.pods * group.disk for group in self._used)
        parts = [counted(cpus, "CPU"), f"{size(memory)} of memory"]
        return ", ".join([*parts, f"{size(disk)} of the nodes' disks"] if disk else parts)

    def _time(self) -> str:
        if self.hours is None:
            unknown = [group.name for group in self._used if group.epoch_seconds is None]
            return f"unknown until the study has recorded an epoch on {' and '.join(unknown)}"
        epochs = ", ".join(f"{group.epoch_seconds:.3g} s on {group.name}" for group in self._used)
        return f"{self.hours:.2g} at most, with epochs of {epochs}"


def plan(
    job: TuneJob,
    groups: Sequence[Mapping[str, Any]],
    epoch_seconds_by_node: Mapping[str, float] | None = None,
    *,
    autoscales: bool = True,
) -> Plan:
    """The smallest cluster on which as many trials run in parallel as the study allows."""
    need = job.resources
    wanted = min(need.workers or math.inf, trials_in_all(job))
    remaining, planned = wanted, []
    for group in groups:
        sized = _group_plan(group, need, epoch_seconds_by_node or {})
        pods = min(sized.pods, math.ceil(remaining / sized.trials)) if sized.trials else 0 if sized.gpus else sized.pods
        remaining -= min(remaining, pods * sized.trials)
        planned.append(replace(sized, pods=pods))
    if not any(group.trials for group in planned):
        offered = ", ".join(
            f"{each.name} ({counted(each.ray_cpus, 'CPU')}, {counted(each.gpus, 'GPU')} and {size(each.memory)} "
            "per pod)"
            for each in planned
        )
        memory = size((need.memory_gigabytes or TRIAL_GIGABYTES) * 1e9)
        raise ResourcesUnmet(
            f"A trial of {job.name!r} requests {counted(need.cpus, 'CPU')}, {counted(need.gpus, 'GPU')} and {memory} "
            f"of memory, and no pod of the overlay has them in addition to the {size(_RAY_BYTES)} that Ray uses: "
            f"{offered}. Request less with --gpus or --set resources.cpus=…, or choose another --overlay."
        )
    budget, workers = job.budget, int(wanted - remaining)
    epochs = min(math.ceil(trials_in_all(job) / workers) * budget.epochs, budget.total_epochs or math.inf)
    return Plan(tuple(planned), workers, int(wanted), int(epochs), budget.seconds, autoscales)


def check_head(group: Mapping[str, Any]) -> None:
    """Check that the head's pod has the memory for Ray and a driver."""
    if (memory := _amount(_limits(group)["memory"])) < _HEAD_BYTES:
        raise ResourcesUnmet(
            f"The head's pod of the overlay has {size(memory)} of memory, but Ray and the driver need "
            f"{size(_HEAD_BYTES)}. Raise its limit, or choose another --overlay."
        )


def memory_for_trials(group: Mapping[str, Any]) -> int:
    """The bytes of memory that trials may have in one pod of a group: what Ray's own processes leave."""
    return max(0, int(_amount(_limits(group)["memory"]) - _RAY_BYTES))


def _group_plan(group: Mapping[str, Any], need: Resources, epoch_seconds_by_node: Mapping[str, float]) -> GroupPlan:
    """A group with its upper limit of pods, and what one pod has."""
    limits, name = _limits(group), str(group["groupName"])
    cpus, gpus = _for_trials(group, limits)
    # Trials without a GPU do not use GPU nodes.
    suits = bool(need.gpus) == bool(gpus)
    room = need.fit(cpus, gpus) if suits else 0
    counting = replace(need, memory_gigabytes=need.memory_gigabytes or TRIAL_GIGABYTES)
    trials = counting.fit(cpus, gpus, memory_for_trials(group)) if suits else 0
    return GroupPlan(
        name,
        int(group["maxReplicas"]),
        trials,
        gpus,
        _amount(limits["cpu"]),
        cpus,
        _amount(limits["memory"]),
        _amount(limits.get("ephemeral-storage", 0)),
        trials < room,
        _epoch_seconds(name, epoch_seconds_by_node),
    )


def _for_trials(group: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[float, float]:
    """The CPUs and GPUs that Ray gives to trials in one pod.

    Those of the group's `resources`, else of its rayStartParams, else of limits, as KubeRay counts them.
    """
    given = group.get("rayStartParams") or {}
    own = {name.lower(): amount for name, amount in (group.get("resources") or {}).items()}
    gpus = sum(_amount(value) for resource, value in limits.items() if _GPUS.fullmatch(resource))
    own_gpus = [_amount(value) for name, value in own.items() if name == "gpu" or _GPUS.fullmatch(name)]
    # KubeRay rounds CPUs and the group's own amounts up.
    cpus = (
        math.ceil(_amount(own["cpu"]))
        if "cpu" in own
        else _amount(given.get("num-cpus", math.ceil(_amount(limits["cpu"]))))
    )
    return cpus, math.ceil(sum(own_gpus)) if own_gpus else _amount(given.get("num-gpus", gpus))


def _limits(group: Mapping[str, Any]) -> Mapping[str, Any]:
    limits: Mapping[str, Any] = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    return limits


def _epoch_seconds(group: str, epoch_seconds_by_node: Mapping[str, float]) -> float | None:
    """The median of a group's nodes; KubeRay names a pod CLUSTER-GROUP-worker-…."""
    measured = [seconds for node, seconds in epoch_seconds_by_node.items() if f"-{group}-worker-" in node]
    return median(measured) if measured else None


def _amount(quantity: object) -> float:
    """A quantity of Kubernetes as a number: 2, "2", "500m"; of memory in bytes: "3Gi", "512M", "1073741824"."""
    if (parts := _QUANTITY.fullmatch(str(quantity))) is None:
        raise ClusterError(
            f"The overlay has the amount {str(quantity)!r}, which Kubernetes does not accept: a number of CPUs or GPUs "
            "is written as 2 or 500m, a size as 512Mi or 4Gi."
        )
    return float(parts[1]) * _UNITS[parts[2]]
