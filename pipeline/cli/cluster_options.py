"""The options that name a cluster, the cluster that they name, and the output of a study that runs there."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import note, print_bytes, print_output
from pipeline.errors import Interrupted, UsageError
from pipeline.text import by_count

if TYPE_CHECKING:
    from pipeline.cluster.jobs_api import JobsApi
    from pipeline.cluster.rayjobs import RayJobs as Server
    from pipeline.cluster.submissions import Submission


Dashboard = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Dashboard of a Ray cluster: http://HOST:8265, not the address HOST:6379 that `run` joins.",
        envvar="RAY_API_SERVER_ADDRESS",
        show_default=False,
        show_envvar=True,
    ),
]
Context = Annotated[
    str | None,
    typer.Option(help="With --kubernetes: context of the kubeconfig. Default: the current one.", show_default=False),
]
Namespace = Annotated[str, typer.Option(help="With --kubernetes: namespace of the RayJobs.")]
NAMESPACE = "tunepipe"
"""The default of that option, which is the namespace of the overlays."""

RayJobs = Annotated[bool, typer.Option("--kubernetes", help="Use the RayJobs in a Kubernetes cluster.")]
ResultsFolder = Annotated[
    Path, typer.Option("--to", help="With --kubernetes: folder for the results from the cluster's volume.")
]
_FOR_KUBERNETES = ("context", "namespace", "image", "overlay", "queue", "priority", "wait_pods", "to", "dry_run")


def refuse_other_options(asked: typer.Context, *, kubernetes: bool, nothing: str) -> None:
    """Refuse options for the other kind of cluster, which would have no effect."""
    wrong = ("address",) if kubernetes else _FOR_KUBERNETES
    if given := [name for name in wrong if given_on_command_line(asked, name)]:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        kind = "without --kubernetes" if kubernetes else "with --kubernetes"
        raise UsageError(f"{options} {by_count(len(given), 'goes', 'go')} {kind} only. {nothing}")


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


def already_running(study: str, found: "Submission") -> str:
    """The sentence that a submission has attached to a study, and whose it is."""
    by = f", submitted by {found.submitter}" if found.submitter else ""
    at = f" at {found.started.astimezone():%Y-%m-%d %H:%M}" if by and found.started else ""
    return f"The study {study!r} is already running as {found.name}{by}{at}, with the options of that run."


def print_log(log: str, *, raw: bool = False, err: bool = False) -> None:
    """Print what a study's driver has printed."""
    if raw:
        print_bytes(log.encode(errors="surrogatepass"), err=err)
    else:
        print_output(log, err=err)


def how_to_follow(cluster: "JobsApi | Server", name: str) -> str:
    """How to follow and to stop a submission whose output is not printed."""
    return (
        f"{name} continues. `tunepipe logs {name} --follow {cluster.options}` follows it, `tunepipe stop {name} "
        f"{cluster.options}` stops it."
    )


def follow_to_end(
    cluster: "JobsApi | Server", name: str, *, to_stderr: bool = False, raw: bool = False, **waits: float
) -> int:
    """Print the output of a study's driver until it ends. Ctrl-C stops printing; the study continues."""
    try:
        for text in cluster.follow(name, **waits):
            print_log(text, raw=raw, err=to_stderr)
        return cluster.exit_code(name)
    except KeyboardInterrupt:
        note(f"\n{how_to_follow(cluster, name)}")
        return Interrupted.exit_code
