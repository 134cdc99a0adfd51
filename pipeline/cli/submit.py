"""`tunepipe submit`, `status`, `stop`: a study on a cluster, from a laptop."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline.cli.options import AcceptChanges, JobName, JobOptions, Json, Storage, job_of, note, with_job_options
from pipeline.errors import UsageError
from pipeline.legible import legible, legible_output

if TYPE_CHECKING:
    from pipeline.cluster.jobs_api import JobsApi, Submission

__all__ = ["Dashboard", "api_of", "follow_submission", "status", "stop", "submit"]

Dashboard = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="The dashboard of a Ray cluster: http://HOST:8265.",
        envvar="RAY_API_SERVER_ADDRESS",
        show_default=False,
        show_envvar=True,
    ),
]
Context = Annotated[
    str | None,
    typer.Option(help="Of the kubeconfig; its current one unless given. With --kubernetes.", show_default=False),
]
_FOR_KUBERNETES = ("context", "namespace", "image", "overlay", "wait_pods", "to", "dry_run")

SubmissionName = Annotated[
    str,
    typer.Argument(metavar="SUBMISSION", help="As `tunepipe status` lists it, or its study.", show_default=False),
]


@with_job_options
def submit(
    asked: typer.Context,
    job: JobName,
    storage: Storage,
    *,
    options: JobOptions,
    accept_changes: AcceptChanges = False,
    address: Dashboard = None,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="As a RayJob of KubeRay.")] = False,
    context: Context = None,
    namespace: Annotated[str | None, typer.Option(help="Other than the overlay's.", show_default=False)] = None,
    image: Annotated[str | None, typer.Option(help="Other than the overlay's.", show_default=False)] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(help="As --set resources.gpus=…; fractions allowed.", show_default=False)
    ] = None,
    overlay: Annotated[
        str, typer.Option(help="With --kubernetes: local-cpu, dev, prod-gpu or the path of your own.")
    ] = "prod-gpu",
    wait_pods: Annotated[float, typer.Option(help="Seconds to wait for pods that find no node.")] = 900.0,
    to: Annotated[
        Path, typer.Option("--to", help="With --kubernetes: the folder that gets the results from a volume.")
    ] = Path("studies"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --kubernetes: print the YAML, apply nothing.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it, and do not follow it.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study on a cluster, or go on with it there; ends as the study does. Ctrl-C leaves it running."""
    from pipeline.cluster.submitting import everywhere
    from pipeline.cluster.submitting import submit as hand_over
    from pipeline.execution.starting import started_from

    _refuse_others(asked, kubernetes=kubernetes, nothing="Nothing was submitted.")
    if options.workers == 0:
        raise UsageError(
            "--workers 0 trains in the driver, which on a cluster has no room for it; 1 is the least there."
        )
    if gpus_per_trial is not None:
        options = replace(options, set_=[*(options.set_ or []), f"resources.gpus={gpus_per_trial:g}"])
    storage = everywhere(storage)
    # A mistake is told here and now, not by the cluster.
    tuned = job_of(job, options.changes(storage), storage, resume=False)
    started_from(tuned, storage, note)
    words = options.words(storage)
    words += ["--accept-changes"] if accept_changes else []
    if kubernetes:
        from pipeline.cli.kubernetes import Target, submit_rayjob

        target = Target(context, namespace, image, overlay, wait_pods, to)
        raise typer.Exit(
            submit_rayjob(tuned, job, storage, words, target, dry_run=dry_run, detach=detach, as_json=as_json)
        )
    api = api_of(address)
    handed = hand_over(api, job, tuned.name, storage, words, project=Path.cwd())
    note(
        f"The study {tuned.name!r} is at work already as {handed.name}; its options stand."
        if handed.attached
        else f"The study {tuned.name!r} was submitted as {handed.name}."
    )
    code = None if detach else follow_submission(api, handed.name, to_stderr=as_json)
    if as_json:
        typer.echo(json.dumps(_as_object(api.submission(handed.name))))
    raise typer.Exit(code or 0)


def _refuse_others(asked: typer.Context, *, kubernetes: bool, nothing: str) -> None:
    """Options that are for the other kind of cluster would be passed over without a word: a dry run would be none.

    Raises:
        UsageError: There is one.
    """
    wrong = ("address",) if kubernetes else _FOR_KUBERNETES
    given = [name for name in wrong if getattr(asked.get_parameter_source(name), "name", "") == "COMMANDLINE"]
    if given:
        told = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        kind = "without --kubernetes" if kubernetes else "with --kubernetes"
        raise UsageError(f"{told} {'goes' if len(given) == 1 else 'go'} {kind} only. {nothing}")


def status(
    submission: Annotated[
        str | None,
        typer.Argument(metavar="[SUBMISSION]", help="One of them, or its study; all unless given.", show_default=False),
    ] = None,
    address: Dashboard = None,
    as_json: Json = False,
) -> None:
    """List the submissions of a cluster, the newest last."""
    api = api_of(address)
    found = [api.submission(submission)] if submission else api.submissions()
    if as_json:
        typer.echo(json.dumps([_as_object(each) for each in found]))
        return
    if not found:
        typer.echo(f"There is no submission on {api.address}. `tunepipe submit JOB` makes one.")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("submission", "state", "exit code", "study", "storage", "submitted"):
        table.add_column(column)
    for each in found:
        started = f"{each.started.astimezone():%Y-%m-%d %H:%M}" if each.started else "–"
        code = "–" if each.exit_code is None else str(each.exit_code)
        table.add_row(legible(each.name), each.state.lower(), code, legible(each.study), legible(each.storage), started)
    console.print(table)


def stop(
    asked: typer.Context,
    submission: SubmissionName,
    address: Dashboard = None,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="A RayJob of KubeRay.")] = False,
    context: Context = None,
    namespace: Annotated[str, typer.Option(help="Where RayJobs are, with --kubernetes.")] = "tunepipe",
) -> None:
    """Stop a study on a cluster: its tables are whole, and `submit` goes on with it."""
    from pipeline.cluster.jobs_api import ENDED

    _refuse_others(asked, kubernetes=kubernetes, nothing="Nothing was stopped.")
    if kubernetes:
        from pipeline.cli.kubernetes import stop_rayjob

        name = stop_rayjob(submission, context, namespace)
        typer.echo(f"RayJob {name} is stopped and deleted. `tunepipe submit` goes on with its study.")
        return
    api = api_of(address)
    found = api.submission(submission)
    if found.state in ENDED:
        typer.echo(f"{found.name} has ended already: {found.state.lower()}.")
        return
    api.stop(found.name)
    for _ in api.follow(found.name):
        pass
    typer.echo(f"{found.name} is {api.submission(found.name).state.lower()}. `tunepipe submit` goes on with its study.")


def api_of(address: str | None) -> "JobsApi":
    """The cluster that a command line names.

    Raises:
        UsageError: It names none.
    """
    from pipeline.cluster.jobs_api import JobsApi

    if address is None:
        raise UsageError("Name the cluster's dashboard with --address http://HOST:8265, or in RAY_API_SERVER_ADDRESS.")
    return JobsApi(address)


def follow_submission(api: "JobsApi", name: str, *, to_stderr: bool = False) -> int:
    """Print what a study's driver prints until it ends; Ctrl-C leaves it running.

    Returns:
        The study's exit code.
    """
    from pipeline.cluster.submitting import exit_code

    try:
        for text in api.follow(name):
            typer.echo(legible_output(text), nl=False, err=to_stderr)
        return exit_code(api.submission(name))
    except KeyboardInterrupt:
        note(
            f"\n{name} goes on without you. `tunepipe logs {name} --follow --address {api.address}` looks at it again, "
            f"`tunepipe stop {name} --address {api.address}` ends it."
        )
        return 130


def _as_object(submission: "Submission") -> dict[str, Any]:
    return {
        "submission": submission.name,
        "study": submission.study,
        "storage": submission.storage,
        "state": submission.state.lower(),
        "exit_code": submission.exit_code,
        "message": submission.message,
        "started": submission.started.isoformat() if submission.started else None,
    }
