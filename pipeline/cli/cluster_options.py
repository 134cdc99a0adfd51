"""The options that name a cluster, the cluster that they name, and the output of a study that runs there."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import note, print_output
from pipeline.cli.options import option, switch
from pipeline.errors import ClusterError, Interrupted, UsageError, UserError

if TYPE_CHECKING:
    from pipeline.cluster.jobs_api import JobsApi
    from pipeline.cluster.rayjobs import RayJobs as Server
    from pipeline.cluster.submissions import Submission


def for_kubernetes(text: str, metavar: str = "NAME", *, default: str = "") -> Any:
    """An option that has an effect with --kubernetes only."""
    shown = f" Default: {default}." if default else ""
    return option(f"With --kubernetes: {text}.{shown}", metavar)


Dashboard = Annotated[
    str | None,
    option(
        "Dashboard of a Ray cluster, not the address HOST:6379 that `run` joins.",
        "http://HOST:8265",
        "--address",
        envvar="RAY_API_SERVER_ADDRESS",
        show_envvar=True,
    ),
]
RayJobs = Annotated[bool, switch("--kubernetes", "Use RayJobs in a Kubernetes cluster.")]
Context = Annotated[str | None, for_kubernetes("context of the kubeconfig", default="the current one")]
NAMESPACE = "tunepipe"
"""The namespace of the chart."""
Namespace = Annotated[str, for_kubernetes("namespace of the RayJobs", default=NAMESPACE)]
ResultsFolder = Annotated[
    Path, for_kubernetes("folder for the results from the cluster's volume", "FOLDER", default="studies")
]
_FOR_KUBERNETES = ("context", "namespace", "image", "values", "queue", "priority", "wait_pods", "to", "dry_run")


def refuse_other_options(asked: typer.Context, *, kubernetes: bool) -> None:
    """Refuse options for the other kind of cluster, which would have no effect."""
    wrong = ("address",) if kubernetes else _FOR_KUBERNETES
    if given := [f"--{name.replace('_', '-')}" for name in wrong if given_on_command_line(asked, name)]:
        raise UsageError(
            f"These options have an effect only {'without' if kubernetes else 'with'} --kubernetes: {', '.join(given)}."
        )


def given_on_command_line(asked: typer.Context, name: str) -> bool:
    """Whether the command line has an option, and not only the environment."""
    return getattr(asked.get_parameter_source(name), "name", "") == "COMMANDLINE"


def api_of(address: str | None) -> "JobsApi":
    """The Ray cluster on the command line."""
    from pipeline.cluster.jobs_api import JobsApi

    if address is None:
        raise UsageError("Name the cluster's dashboard with --address http://HOST:8265, or in RAY_API_SERVER_ADDRESS.")
    return JobsApi(address)


def cluster_of(address: str | None, kubernetes: bool, context: str | None, namespace: str) -> "JobsApi | Server":
    """The cluster on the command line; both kinds have the same methods for a study that was submitted."""
    if not kubernetes:
        return api_of(address)
    from pipeline.cluster.rayjobs import RayJobs

    return RayJobs(context, namespace)


def how_to_follow(cluster: "JobsApi | Server", name: str) -> str:
    """How to follow and to stop a submission whose output is not printed."""
    return (
        f"{name} continues. `tunepipe logs {name} --follow {cluster.options}` follows it, `tunepipe stop {name} "
        f"{cluster.options}` stops it."
    )


def follow_to_end(
    cluster: "JobsApi | Server", found: "Submission", *, raw: bool = False, err: bool = False, to: Path | None = None,
    created: bool = False, **waits: float,
) -> int:  # fmt: skip
    """Print the output of a study's driver until it ends, and copy results from a volume to a folder.

    Ctrl-C stops printing; the study continues. A RayJob that can never start is deleted if this call has created it.
    """
    try:
        for text in cluster.follow(found.name, **waits):
            print_output(text, raw=raw, err=err)
        code = cluster.exit_code(found.name)
    except KeyboardInterrupt:
        note(f"\n{how_to_follow(cluster, found.name)}")
        return Interrupted.exit_code
    except ClusterError as error:
        from pipeline.cluster.rayjobs import NeverStarts, RayJobs

        if not (isinstance(cluster, RayJobs) and isinstance(error, NeverStarts)):
            raise
        if not created:
            raise ClusterError(f"{error} {cluster.kept(cluster.job(found.name))}") from None
        cluster.stop(found.name)
        raise ClusterError(f"{error} The RayJob {found.name} was deleted.") from None
    # A mistake of the user left nothing new; often there is no study at all.
    if to is not None and code != UserError.exit_code:
        from pipeline.cluster.download import download_results
        from pipeline.cluster.rayjobs import RayJobs

        assert isinstance(cluster, RayJobs)
        _say_copied(download_results(cluster, cluster.job(found.name), found.study, found.storage, to))
    return code


def copied_study(
    name: str, to: Path, context: str | None, namespace: str, *, storage: str | None, values: str | None
) -> tuple[str, str]:
    """A study of a RayJob in a storage that this machine can read; a study on a volume is copied first."""
    from pipeline.cluster.download import readable_study
    from pipeline.cluster.rayjobs import RayJobs

    where, study = readable_study(RayJobs(context, namespace), name, to, storage=storage, values=values)
    _say_copied(to / study if where == str(to) else None)
    return where, study


def _say_copied(folder: Path | None) -> None:
    if folder is not None:
        note(f"The study without its checkpoints was copied to {folder}.")
