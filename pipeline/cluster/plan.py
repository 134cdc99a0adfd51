"""How large a cluster a study needs: from its trials, its resources and the pods of each worker group.

Memory counts, although trials ask Kubernetes for none: a pod that exceeds its limit is killed with every trial in it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import ClusterError, ResourcesUnmet
from pipeline.study import TuneJob
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
    """The planned pods of a worker group, the trials and GPUs of each, and whether memory limits the trials."""

    name: str
    pods: int
    trials: int
    gpus: float
    by_memory: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The cluster that a study needs: its groups, and how many trials run in parallel, of how many that could."""

    groups: tuple[GroupPlan, ...]
    workers: int
    wanted: int
    autoscales: bool

    @property
    def used(self) -> list[GroupPlan]:
        """The groups that train trials."""
        return [group for group in self.groups if group.trials and group.pods]

    def __str__(self) -> str:
        gpus, pods = sum(group.pods * group.gpus for group in self.used), sum(group.pods for group in self.used)
        whole = counted(gpus, "GPU") if gpus else counted(pods, "pod")
        scaled = f"autoscaling up to {whole}" if self.autoscales else f"the cluster has {whole} from start to end"
        lines = [f"{counted(self.workers, 'trial')} in parallel (maximum {self.wanted}); {scaled}:"]
        for group in self.used:
            how_many = f"{'0 to ' if self.autoscales else ''}{counted(group.pods, 'pod')}"
            by = " by its memory" if group.by_memory else ""
            lines.append(f"  {group.name}: {how_many}, {counted(group.trials, 'trial')} in each{by}")
        return "\n".join(lines)


def plan(job: TuneJob, groups: Sequence[Mapping[str, Any]], *, autoscales: bool = True) -> Plan:
    """The smallest cluster on which as many trials run in parallel as the study allows."""
    need = job.resources
    remaining = wanted = min(need.workers or math.inf, trials_in_all(job))
    gigabytes = need.memory_gigabytes or TRIAL_GIGABYTES
    counting = replace(need, memory_gigabytes=gigabytes)
    planned, offered = [], []
    for group in groups:
        # As many CPUs and GPUs as KubeRay counts.
        given, has, name = group.get("rayStartParams") or {}, limits(group), str(group["groupName"])
        cpus = _amount(given.get("num-cpus", math.ceil(_amount(has["cpu"]))))
        gpus = _amount(given.get("num-gpus", sum(_amount(has[each]) for each in has if _GPUS.fullmatch(each))))
        # Trials without a GPU do not use GPU nodes.
        suits, pods = bool(need.gpus) == bool(gpus), int(group["maxReplicas"])
        trials = counting.fit(cpus, gpus, memory_for_trials(group)) if suits else 0
        if trials:
            pods = min(pods, math.ceil(remaining / trials))
        elif gpus:
            pods = 0
        remaining -= min(remaining, pods * trials)
        planned.append(GroupPlan(name, pods, trials, gpus, by_memory=suits and trials < need.fit(cpus, gpus)))
        offered.append(
            f"{name} ({counted(cpus, 'CPU')}, {counted(gpus, 'GPU')}, {size(_amount(has['memory']))} per pod)"
        )
    if not any(group.trials and group.pods for group in planned):
        several = f" with a group of `count: {2 ** math.ceil(math.log2(need.gpus))}`" if 1 < need.gpus <= 8 else ""
        raise ResourcesUnmet(
            f"A trial of {job.name!r} requests {counted(need.cpus, 'CPU')}, {counted(need.gpus, 'GPU')} and "
            f"{size(gigabytes * 1e9)} of memory, and no pod has them in addition to the "
            f"{size(_RAY_BYTES)} that Ray uses: {', '.join(offered)}. Request less with --gpus-per-trial or --set "
            f"resources.cpus=…, or choose other --values{several}."
        )
    return Plan(tuple(planned), int(wanted - remaining), int(wanted), autoscales)


def limits(group: Mapping[str, Any]) -> Mapping[str, Any]:
    """The limits of Ray's container in the pods of a group."""
    found: Mapping[str, Any] = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    return found


def memory_for_trials(group: Mapping[str, Any]) -> int:
    """The bytes of memory that trials may have in one pod of a group: what Ray's own processes leave."""
    return max(0, int(_amount(limits(group)["memory"]) - _RAY_BYTES))


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
