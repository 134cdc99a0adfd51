"""How large a cluster a study needs: from its trials, its resources and the pods of each worker group.

Memory counts, although trials ask Kubernetes for none: a pod that exceeds its limit is killed with every trial in it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from pipeline.errors import ClusterError, ResourcesUnmet, UserError
from pipeline.study import Resources, TuneJob
from pipeline.study.trial_configs import trials_in_all
from pipeline.text import counted, size

TRIAL_GIGABYTES = 0.75
"""The memory of a worker with a small model (measured: 0.7 GiB), if a job does not say what a trial needs."""

_RAY_BYTES = 0.5e9
"""The memory of Ray's own processes in a worker's pod."""

_HEAD_BYTES = 1e9
"""The memory of Ray and a driver in the head's pod (measured: 0.9 GiB)."""

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
    ray_cpus: float
    memory: float
    disk: float
    by_memory: bool
    epoch_seconds: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The cluster that a study needs."""

    groups: tuple[GroupPlan, ...]
    workers: int
    wanted: int
    epochs: int
    seconds: float | None
    autoscales: bool

    @property
    def used(self) -> list[GroupPlan]:
        """The groups that train trials."""
        return [group for group in self.groups if group.trials and group.pods]

    @property
    def by_memory(self) -> bool:
        """Whether memory limits the trials of a group that the study uses."""
        return any(group.by_memory for group in self.used)

    @property
    def hours(self) -> float | None:
        """The maximum number of hours once all pods run; None if the seconds of an epoch are unknown somewhere."""
        seconds = [group.epoch_seconds for group in self.used]
        known = [each for each in seconds if each]
        if None in seconds or not known:
            return None
        return min(self.epochs * max(known), self.seconds or math.inf) / 3600

    def __str__(self) -> str:
        gpus = self._total("gpus")
        size_of_it = counted(gpus, "GPU") if gpus else counted(sum(group.pods for group in self.used), "pod")
        parts = [counted(self._total("cpus"), "CPU"), f"{size(self._total('memory'))} of memory"]
        parts += [f"{size(disk)} of the nodes' disks"] if (disk := self._total("disk")) else []
        hours = f"{self.hours:.2g} at most, with epochs of " if self.hours is not None else "unknown until the study "
        if self.hours is not None:
            hours += ", ".join(f"{group.epoch_seconds:.3g} s on {group.name}" for group in self.used)
        else:
            hours += f"has recorded an epoch on {' and '.join(g.name for g in self.used if g.epoch_seconds is None)}"
        autoscaling = f"autoscaling up to {size_of_it}"
        lines = [
            f"{counted(self.workers, 'trial')} in parallel (maximum {self.wanted}); "
            f"{autoscaling if self.autoscales else f'the cluster has {size_of_it} from start to end'}:",
            *map(self._line, self.used),
            f"  workers' pods have {', '.join(parts)} at most",
            f"  estimated hours: {hours}",
        ]
        return "\n".join(lines)

    def _line(self, group: GroupPlan) -> str:
        pods = f"{'0 to ' if self.autoscales else ''}{counted(group.pods, 'pod')}"
        trials = f"{counted(group.trials, 'trial')} in each"
        trials += f" by its {size(group.memory)} of memory" if group.by_memory else ""
        gpus = f", {counted(group.gpus, 'GPU')} in each" if group.gpus else ""
        return f"  {group.name}: {pods}, {trials}{gpus}"

    def _total(self, field: str) -> float:
        return float(sum(group.pods * getattr(group, field) for group in self.used))


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
            f"{each.name} ({counted(each.ray_cpus, 'CPU')}, {counted(each.gpus, 'GPU')}, {size(each.memory)} per pod)"
            for each in planned
        )
        memory = size((need.memory_gigabytes or TRIAL_GIGABYTES) * 1e9)
        raise ResourcesUnmet(
            f"A trial of {job.name!r} requests {counted(need.cpus, 'CPU')}, {counted(need.gpus, 'GPU')} and {memory} "
            f"of memory, and no pod has them in addition to the {size(_RAY_BYTES)} that Ray uses: "
            f"{offered}. Request less with --gpus or --set resources.cpus=…, or choose other --values."
        )
    budget, workers = job.budget, int(wanted - remaining)
    epochs = min(math.ceil(trials_in_all(job) / workers) * budget.epochs, budget.total_epochs or math.inf)
    return Plan(tuple(planned), workers, int(wanted), int(epochs), budget.seconds, autoscales)


def epoch_seconds_by_node(storage: str, study: str) -> dict[str, float]:
    """Median seconds of a study's steady epochs by node; nothing if its storage cannot be read from here."""
    from pipeline.results.analysis.queries import node_seconds
    from pipeline.results.tables.load import load_results
    from pipeline.storage import Store

    with suppress(UserError):
        return node_seconds(load_results(Store(storage).folder(study).uri))
    return {}


def check_head(group: Mapping[str, Any]) -> None:
    """Check that the head's pod has the memory for Ray and a driver."""
    if (memory := _amount(_limits(group)["memory"])) < _HEAD_BYTES:
        raise ResourcesUnmet(
            f"The head's pod has {size(memory)} of memory, but Ray and the driver need "
            f"{size(_HEAD_BYTES)}. Raise its limit, or choose other --values."
        )


def memory_for_trials(group: Mapping[str, Any]) -> int:
    """The bytes of memory that trials may have in one pod of a group: what Ray's own processes leave."""
    return max(0, int(_amount(_limits(group)["memory"]) - _RAY_BYTES))


def _group_plan(group: Mapping[str, Any], need: Resources, epoch_seconds_by_node: Mapping[str, float]) -> GroupPlan:
    limits, name = _limits(group), str(group["groupName"])
    cpus, gpus = _for_trials(group, limits)
    # Trials without a GPU do not use GPU nodes.
    suits = bool(need.gpus) == bool(gpus)
    counting = replace(need, memory_gigabytes=need.memory_gigabytes or TRIAL_GIGABYTES)
    trials = counting.fit(cpus, gpus, memory_for_trials(group)) if suits else 0
    # KubeRay names a pod CLUSTER-GROUP-worker-….
    measured = [seconds for node, seconds in epoch_seconds_by_node.items() if f"-{name}-worker-" in node]
    return GroupPlan(
        name=name,
        pods=int(group["maxReplicas"]),
        trials=trials,
        gpus=gpus,
        cpus=_amount(limits["cpu"]),
        ray_cpus=cpus,
        memory=_amount(limits["memory"]),
        disk=_amount(limits.get("ephemeral-storage", 0)),
        by_memory=suits and trials < need.fit(cpus, gpus),
        epoch_seconds=median(measured) if measured else None,
    )


def _for_trials(group: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[float, float]:
    """The CPUs and GPUs that Ray gives to trials in one pod, as KubeRay counts them.

    Those of the group's `resources`, else of its rayStartParams, else of limits; amounts of the first are rounded up.
    """
    given = group.get("rayStartParams") or {}
    own = {name.lower(): amount for name, amount in (group.get("resources") or {}).items()}
    gpus = sum(_amount(value) for resource, value in limits.items() if _GPUS.fullmatch(resource))
    own_gpus = [_amount(value) for name, value in own.items() if name == "gpu" or _GPUS.fullmatch(name)]
    default = math.ceil(_amount(limits["cpu"]))
    cpus = math.ceil(_amount(own["cpu"])) if "cpu" in own else _amount(given.get("num-cpus", default))
    return cpus, math.ceil(sum(own_gpus)) if own_gpus else _amount(given.get("num-gpus", gpus))


def _limits(group: Mapping[str, Any]) -> Mapping[str, Any]:
    limits: Mapping[str, Any] = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    return limits


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
