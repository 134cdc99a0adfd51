"""How large a cluster a study asks for: from trials, resources and what each group's pods have."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ResourcesUnmet
from pipeline.study import TuneJob
from pipeline.study.drawing import trials_in_all

__all__ = ["GPU", "GroupPlan", "Plan", "plan"]

GPU = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """What a group of workers may come to.

    Args:
        name: The group's.
        pods: So many at most.
        trials: At once in one pod; 0 where trials do not fit.
        gpus: Of one pod.
    """

    name: str
    pods: int
    trials: int
    gpus: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a study asks of a cluster.

    Args:
        groups: Every group of the template.
        workers: Trials at once, when autoscaling has brought all of it.
        wanted: Trials that could be trained at once.
    """

    groups: tuple[GroupPlan, ...]
    workers: int
    wanted: int

    def __str__(self) -> str:
        used = [group for group in self.groups if group.trials and group.pods]
        gpus = sum(group.pods * group.gpus for group in used)
        lines = [
            f"  {group.name}: 0 to {group.pods} pods, {group.trials} trials in each"
            + (f", {group.gpus:g} GPUs in each" if group.gpus else "")
            for group in used
        ]
        head = f"{self.wanted} trials could run at once, {self.workers} will; autoscaling may reach {gpus:g} GPUs"
        return "\n".join([f"{head}:", *lines, "  hours: unknown, until an epoch was measured on such a node"])


def plan(job: TuneJob, groups: Sequence[Mapping[str, Any]]) -> Plan:
    """The smallest cluster on which as many trials run at once as may.

    Args:
        job: What is tuned.
        groups: `workerGroupSpecs` of the template; their maxReplicas are what may be asked for at most.

    Raises:
        ResourcesUnmet: No group's pods hold a trial.
    """
    need = job.resources
    wanted = min(need.workers or math.inf, trials_in_all(job))
    left, planned = wanted, []
    for group in groups:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        cpus, gpus = _number(limits["cpu"]), _number(limits.get(GPU, 0))
        # Trials that need no GPU leave GPU nodes alone.
        fits = bool(need.gpus) == bool(gpus)
        trials = math.floor(min(cpus / need.cpus, gpus / need.gpus if need.gpus else math.inf)) if fits else 0
        most = int(group["maxReplicas"])
        pods = min(most, math.ceil(left / trials)) if trials else (most if not gpus else 0)
        left -= min(left, pods * trials)
        planned.append(GroupPlan(str(group["groupName"]), pods, trials, gpus))
    if not any(group.trials for group in planned):
        there = ", ".join(f"{group.name} ({group.gpus:g} GPUs a pod)" for group in planned)
        raise ResourcesUnmet(
            f"A trial of {job.name!r} asks for {need.cpus:g} CPUs and {need.gpus:g} GPUs, and no pod of the overlay "
            f"has them: {there}. Ask for less with --gpus-per-trial or --set resources.cpus=…, or name another "
            "--overlay."
        )
    return Plan(tuple(planned), int(wanted - left), int(wanted))


def _number(quantity: object) -> float:
    """A quantity of Kubernetes that counts things: 2, "2", "500m"."""
    text = str(quantity)
    return float(text[:-1]) / 1000 if re.fullmatch(r"\d+m", text) else float(text)
