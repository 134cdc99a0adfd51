"""The options that name a cluster, and the cluster that they name."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pipeline.cli.options import argument, grouped, option, switch
from pipeline.errors import UsageError
from pipeline.text import note

if TYPE_CHECKING:
    from pipeline.cluster.jobs_api import JobsApi
    from pipeline.cluster.rayjobs import RayJobs

_ADDRESS = "RAY_API_SERVER_ADDRESS"
NAMESPACE = "tunepipe"
"""The namespace of the chart."""


ResultsFolder = Annotated[Path | None, option("Folder for results from a volume. Default: studies.", "FOLDER")]
StudyOrSubmission = Annotated[
    str,
    argument(
        "A study: its name in --storage, or the path or URI of its folder. On a cluster a submission, as `tunepipe "
        "status` lists it, or its study.",
        "STUDY|SUBMISSION",
    ),
]
_KUBERNETES: dict[str, Any] = {
    "kubernetes": Annotated[
        bool | None, switch("--kubernetes", "Use RayJobs on Kubernetes. The options below need it.")
    ],
    "context": Annotated[str | None, option("Context of the kubeconfig. Default: the current one.", "NAME")],
    "namespace": Annotated[str | None, option(f"Namespace of the RayJobs. Default: {NAMESPACE}.", "NAME")],
}
_DASHBOARD = Annotated[str | None, option(f"Dashboard of a Ray cluster, http://HOST:8265. Default: {_ADDRESS}.", "URL")]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The options of a command line that name a cluster."""

    address: str | None = None
    kubernetes: bool = False
    context: str | None = None
    namespace: str | None = None

    def check_options(self, **given: Any) -> None:
        """Refuse options for Kubernetes on another cluster, where they have no effect, and a cluster of each kind."""
        if self.kubernetes and self.address:
            raise UsageError("--address names a Ray cluster, which --kubernetes does not use: give one of them.")
        given |= {"context": self.context, "namespace": self.namespace}
        if not self.kubernetes and (wrong := [f"--{name.replace('_', '-')}" for name in given if given[name]]):
            raise UsageError(f"These options have an effect only with --kubernetes: {', '.join(wrong)}.")

    def connect(self) -> "JobsApi | RayJobs":
        """The cluster; both kinds have the same methods for a study that was submitted."""
        return self.rayjobs() if self.kubernetes else self.jobs_api()

    def rayjobs(self, namespace: str = NAMESPACE) -> "RayJobs":
        """The RayJobs of a Kubernetes cluster."""
        from pipeline.cluster.rayjobs import RayJobs

        return RayJobs(self.context, self.namespace or namespace)

    def jobs_api(self) -> "JobsApi":
        """A Ray cluster."""
        from pipeline.cluster.jobs_api import JobsApi

        if (address := self.address or os.environ.get(_ADDRESS)) is None:
            raise UsageError(f"Name the cluster's dashboard with --address http://HOST:8265, or in {_ADDRESS}.")
        return JobsApi(address)


with_cluster = grouped("cluster", {"address": _DASHBOARD, **_KUBERNETES}, lambda given: Cluster(**given))
"""Replace a command's parameter `cluster`, a Cluster, by the options that name one."""
with_kubernetes = grouped("cluster", _KUBERNETES, lambda given: Cluster(**given))
"""The same without the address of a Ray cluster."""


def say_copied(folder: Path | None) -> None:
    """Say where results from a volume are."""
    if folder is not None:
        note(f"The study without its checkpoints was copied to {folder}.")
