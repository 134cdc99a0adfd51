"""How large a cluster a study needs: from its trials, its resources and the pods of each worker group.

Memory counts, although trials ask Kubernetes for none: a pod that exceeds its limit is killed with every trial in it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.cluster.chart import limits
from pipeline.errors import ClusterError, ResourcesUnmet
from pipeline.study import Resources, TuneJob
from pipeline.study.trial_configs import trials_in_all
from pipeline.text import counted, size

TRIAL_GIGABYTES = 0.75
"""The memory of a worker with a small model (measured: 0.7 GiB), if a job does not say what a trial needs."""

_RAY_BYTES = 0.5e9
"""The memory of Ray's own processes in a worker's pod."""

_GPUS = re.compile(r"nvidia\.com/(gpu|mig-\d+g\.\d+gb)")
"""The resources that KubeRay passes to Ray as a GPU: a whole GPU, or a MIG part with its own memory."""


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The planned size of a worker group, and what one of its pods has."""

    name: str
    pods: int
    trials: int
    gpus: float
    cpus: float
    memory: float
    by_memory: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The cluster that a study needs."""

    groups: tuple[GroupPlan, ...]
    workers: int
    wanted: int
    autoscales: bool

    @property
    def used(self) -> list[GroupPlan]:
        """The groups that train trials."""
        return [group for group in self.groups if group.trials and group.pods]

    @property
    def by_memory(self) -> bool:
        """Whether memory limits the trials of a group that the study uses."""
        return any(group.by_memory for group in self.used)

    def __str__(self) -> str:
        cpus, gpus, memory = (
            float(sum(group.pods * getattr(group, field) for group in self.used))
            for field in ("cpus", "gpus", "memory")
        )
        whole = counted(gpus, "GPU") if gpus else counted(sum(group.pods for group in self.used), "pod")
        scaled = f"autoscaling up to {whole}" if self.autoscales else f"the cluster has {whole} from start to end"
        lines = [f"{counted(self.workers, 'trial')} in parallel (maximum {self.wanted}); {scaled}:"]
        for group in self.used:
            by = f" by its {size(group.memory)} of memory" if group.by_memory else ""
            each = f", {counted(group.gpus, 'GPU')} in each" if group.gpus else ""
            pods = f"{'0 to ' if self.autoscales else ''}{counted(group.pods, 'pod')}"
            lines.append(f"  {group.name}: {pods}, {counted(group.trials, 'trial')} in each{by}{each}")
        return "\n".join([*lines, f"  workers' pods have {counted(cpus, 'CPU')}, {size(memory)} of memory at most"])


def plan(job: TuneJob, groups: Sequence[Mapping[str, Any]], *, autoscales: bool = True) -> Plan:
    """The smallest cluster on which as many trials run in parallel as the study allows."""
    need = job.resources
    remaining = wanted = min(need.workers or math.inf, trials_in_all(job))
    planned = []
    for group in groups:
        sized = _group_plan(group, need)
        pods = min(sized.pods, math.ceil(remaining / sized.trials)) if sized.trials else 0 if sized.gpus else sized.pods
        remaining -= min(remaining, pods * sized.trials)
        planned.append(replace(sized, pods=pods))
    if not any(group.trials for group in planned):
        offered = ", ".join(
            f"{each.name} ({counted(each.cpus, 'CPU')}, {counted(each.gpus, 'GPU')}, {size(each.memory)} per pod)"
            for each in planned
        )
        memory = size((need.memory_gigabytes or TRIAL_GIGABYTES) * 1e9)
        raise ResourcesUnmet(
            f"A trial of {job.name!r} requests {counted(need.cpus, 'CPU')}, {counted(need.gpus, 'GPU')} and {memory} "
            f"of memory, and no pod has them in addition to the {size(_RAY_BYTES)} that Ray uses: "
            f"{offered}. Request less with --gpus or --set resources.cpus=…, or choose other --values."
        )
    return Plan(tuple(planned), int(wanted - remaining), int(wanted), autoscales)


def memory_for_trials(group: Mapping[str, Any]) -> int:
    """The bytes of memory that trials may have in one pod of a group: what Ray's own processes leave."""
    return max(0, int(_amount(limits(group)["memory"]) - _RAY_BYTES))


def _group_plan(group: Mapping[str, Any], need: Resources) -> GroupPlan:
    """What a pod of a group has, and the trials that Ray starts there, with as many CPUs and GPUs as KubeRay counts."""
    given, has = group.get("rayStartParams") or {}, limits(group)
    cpus = _amount(given.get("num-cpus", math.ceil(_amount(has["cpu"]))))
    own = sum(_amount(value) for resource, value in has.items() if _GPUS.fullmatch(resource))
    gpus = _amount(given.get("num-gpus", own))
    # Trials without a GPU do not use GPU nodes.
    suits = bool(need.gpus) == bool(gpus)
    counting = replace(need, memory_gigabytes=need.memory_gigabytes or TRIAL_GIGABYTES)
    trials = counting.fit(cpus, gpus, memory_for_trials(group)) if suits else 0
    return GroupPlan(
        name=str(group["groupName"]),
        pods=int(group["maxReplicas"]),
        trials=trials,
        gpus=gpus,
        cpus=_amount(has["cpu"]),
        memory=_amount(has["memory"]),
        by_memory=suits and trials < need.fit(cpus, gpus),
    )


def _amount(quantity: object) -> float:
    """A quantity of Kubernetes as a number: 2, "2", "500m"; of memory in bytes: "3Gi", "512M", "1073741824"."""
    from kubernetes.utils import parse_quantity

    try:
        return float(parse_quantity(str(quantity)))
    except ValueError:
        raise ClusterError(
            f"There is the amount {str(quantity)!r}, which Kubernetes does not accept: a number of CPUs or GPUs "
            "is written as 2 or 500m, a size as 512Mi or 4Gi."
        ) from None
