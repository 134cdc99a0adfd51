"""How large a cluster a study asks for: from trials, resources and what each group's pods have."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pipeline.errors import ResourcesUnmet
from pipeline.study import TuneJob
from pipeline.study.drawing import trials_in_all

__all__ = ["GroupPlan", "Plan", "plan"]

_GPUS = re.compile(r"nvidia\.com/(gpu|mig-\d+g\.\d+gb)")
"""What KubeRay tells Ray as a GPU: a whole one, or a part that has memory of its own."""


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """What a group of workers may come to.

    Args:
        name: The group's.
        pods: So many at most.
        trials: At once in one pod; 0 where trials do not fit.
        gpus: Of one pod.
        pace: Seconds that an epoch took there; None where none was measured.
    """

    name: str
    pods: int
    trials: int
    gpus: float
    pace: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a study asks of a cluster.

    Args:
        groups: Every group of the template.
        workers: Trials at once, when autoscaling has brought all of it.
        wanted: Trials that could be trained at once.
        epochs: That one worker trains at most, one after the other.
        seconds: That the study may last; None where its budget says nothing of them.
    """

    groups: tuple[GroupPlan, ...]
    workers: int
    wanted: int
    epochs: int
    seconds: float | None = None

    @property
    def _used(self) -> list[GroupPlan]:
        return [group for group in self.groups if group.trials and group.pods]

    @property
    def hours(self) -> float | None:
        """Hours that the study takes at most, once all its pods are there; None where a pace is unknown."""
        if any(group.pace is None for group in self._used):
            return None
        slowest = max((group.pace for group in self._used if group.pace), default=None)
        return min(self.epochs * slowest, self.seconds or math.inf) / 3600 if slowest else None

    def __str__(self) -> str:
        gpus = sum(group.pods * group.gpus for group in self._used)
        lines = [
            f"  {group.name}: 0 to {group.pods} pod{_s(group.pods)}, {group.trials} trial{_s(group.trials)} in each"
            + (f", {group.gpus:g} GPU{_s(group.gpus)} in each" if group.gpus else "")
            for group in self._used
        ]
        head = (
            f"{self.wanted} trial{_s(self.wanted)} could run at once, {self.workers} will; "
            f"autoscaling may reach {gpus:g} GPU{_s(gpus)}"
        )
        return "\n".join([f"{head}:", *lines, f"  hours: {self._time()}"])

    def _time(self) -> str:
        if self.hours is None:
            unknown = [group.name for group in self._used if group.pace is None]
            return f"unknown, until this study has measured an epoch on {' and '.join(unknown)}"
        paces = ", ".join(f"{group.pace:.3g} s on {group.name}" for group in self._used)
        return f"{self.hours:.2g} at most, an epoch being {paces}"


def _s(number: float) -> str:
    return "" if number == 1 else "s"


def plan(job: TuneJob, groups: Sequence[Mapping[str, Any]], paces: Mapping[str, float] | None = None) -> Plan:
    """The smallest cluster on which as many trials run at once as may.

    Args:
        job: What is tuned.
        groups: `workerGroupSpecs` of the template; their maxReplicas are what may be asked for at most.
        paces: Seconds that an epoch took, by node: those that an earlier session of the study had.

    Raises:
        ResourcesUnmet: No group's pods hold a trial.
    """
    need = job.resources
    wanted = min(need.workers or math.inf, trials_in_all(job))
    left, planned = wanted, []
    for group in groups:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        cpus = _number(limits["cpu"])
        gpus = sum(_number(value) for resource, value in limits.items() if _GPUS.fullmatch(resource))
        # Trials that need no GPU leave GPU nodes alone.
        fits = bool(need.gpus) == bool(gpus)
        trials = int(min(math.floor(cpus / need.cpus), _on_gpus(need.gpus, gpus))) if fits else 0
        most = int(group["maxReplicas"])
        pods = min(most, math.ceil(left / trials)) if trials else (most if not gpus else 0)
        left -= min(left, pods * trials)
        name = str(group["groupName"])
        planned.append(GroupPlan(name, pods, trials, gpus, _pace(name, paces or {})))
    if not any(group.trials for group in planned):
        there = ", ".join(f"{group.name} ({group.gpus:g} GPU{_s(group.gpus)} a pod)" for group in planned)
        raise ResourcesUnmet(
            f"A trial of {job.name!r} asks for {need.cpus:g} CPU{_s(need.cpus)} and {need.gpus:g} GPU{_s(need.gpus)}, "
            f"and no pod of the overlay has them: {there}. Ask for less with --gpus-per-trial or --set "
            "resources.cpus=…, or name another --overlay."
        )
    budget, workers = job.budget, int(wanted - left)
    epochs = min(math.ceil(trials_in_all(job) / workers) * budget.epochs, budget.total_epochs or math.inf)
    return Plan(tuple(planned), workers, int(wanted), int(epochs), budget.seconds)


def _on_gpus(need: float, gpus: float) -> float:
    """Trials at once on a pod's GPUs: Ray gives a trial parts of one, or whole ones."""
    if not need:
        return math.inf
    return math.floor(gpus / need) if need >= 1 else math.floor(gpus) * math.floor(1 / need)


def _pace(group: str, paces: Mapping[str, float]) -> float | None:
    """KubeRay names a pod by its cluster, its group and that it is a worker."""
    measured = [seconds for node, seconds in paces.items() if f"-{group}-worker-" in node]
    return median(measured) if measured else None


def _number(quantity: object) -> float:
    """A quantity of Kubernetes that counts things: 2, "2", "500m"."""
    text = str(quantity)
    return float(text[:-1]) / 1000 if re.fullmatch(r"\d+m", text) else float(text)
