"""`tunepipe submit`, `status` and `stop`: studies on a cluster."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.completion import studies_and_paths
from pipeline.cli.console import command_console, note, say, say_object, say_output
from pipeline.cli.control import Reason, stop_trial
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.location import study_store
from pipeline.cli.options import STORAGE, AcceptChanges, JobName, Json, Storage
from pipeline.errors import JobNotFound, UsageError, UserError
from pipeline.study.studies import called

if TYPE_CHECKING:
    from pipeline.cluster.jobs_api import JobsApi, Submission

__all__ = ["Dashboard", "api_of", "follow_submission", "status", "stop", "submit"]

Dashboard = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Dashboard of a Ray cluster: http://HOST:8265.",
        envvar="RAY_API_SERVER_ADDRESS",
        show_default=False,
        show_envvar=True,
    ),
]
Context = Annotated[
    str | None,
    typer.Option(help="With --kubernetes: context of the kubeconfig. Default: the current one.", show_default=False),
]
_FOR_KUBERNETES = ("context", "namespace", "image", "overlay", "priority", "wait_pods", "to", "dry_run")


@with_job_options
def submit(
    asked: typer.Context,
    job: JobName,
    storage: Storage,
    *,
    options: JobOptions,
    accept_changes: AcceptChanges = False,
    address: Dashboard = None,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="Run as a RayJob of KubeRay.")] = False,
    context: Context = None,
    namespace: Annotated[
        str | None, typer.Option(help="Kubernetes namespace. Default: the overlay's.", show_default=False)
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Container image. Default: the overlay's.", show_default=False)
    ] = None,
    gpus_per_trial: Annotated[float | None, typer.Option(help="The same as --gpus.", show_default=False)] = None,
    overlay: Annotated[
        str, typer.Option(help="With --kubernetes: local-cpu, dev, prod-gpu or the path of another overlay.")
    ] = "prod-gpu",
    priority: Annotated[
        str | None,
        typer.Option(help="With Kueue: a WorkloadPriorityClass. Default: the overlay's.", show_default=False),
    ] = None,
    wait_pods: Annotated[float, typer.Option(help="Seconds to wait for pods that cannot be scheduled.")] = 900.0,
    to: Annotated[
        Path, typer.Option("--to", help="With --kubernetes: folder for the results from the cluster's volume.")
    ] = Path("studies"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --kubernetes: print the YAML without applying it.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start the study without following it.")] = False,
    as_json: Json = False,
) -> None:
    """Run or resume a study on a cluster and follow it. Ctrl-C stops following; the study continues."""
    from pipeline.cluster.submission import shared_storage
    from pipeline.cluster.submission import submit as hand_over
    from pipeline.execution.driver.warm_start import warm_started

    _refuse_others(asked, kubernetes=kubernetes, nothing="Nothing was submitted.")
    if options.workers == 0:
        raise UsageError(
            "--workers 0 trains in the driver, which has no resources for it on a cluster: use at least 1."
        )
    if gpus_per_trial is not None:
        options = replace(options, set_=[*(options.set_ or []), f"resources.gpus={gpus_per_trial:g}"])
    storage = shared_storage(storage)
    # A mistake is reported here, not by the cluster.
    tuned = options.job(job, storage, resume=False)
    warm_started(tuned, storage, note)
    arguments = options.arguments(storage)
    arguments += ["--accept-changes"] if accept_changes else []
    if kubernetes:
        from pipeline.cli.kubernetes import Target, submit_rayjob

        target = Target(context, namespace, image, overlay, wait_pods, to, priority)
        raise typer.Exit(
            submit_rayjob(tuned, job, storage, arguments, target, dry_run=dry_run, detach=detach, as_json=as_json)
        )
    api = api_of(address)
    handed = hand_over(api, job, tuned.name, storage, arguments, project=Path.cwd())
    note(
        f"The study {tuned.name!r} is already running as {handed.name}, with the options of that run."
        if handed.attached
        else f"The study {tuned.name!r} was submitted as {handed.name}."
    )
    code = None if detach else follow_submission(api, handed.name, to_stderr=as_json)
    if as_json:
        say_object(_as_object(api.submission(handed.name)))
    raise typer.Exit(code or 0)


def _refuse_others(asked: typer.Context, *, kubernetes: bool, nothing: str) -> None:
    """Refuse options for the other kind of cluster, which would have no effect.

    Raises:
        UsageError: There is one.
    """
    wrong = ("address",) if kubernetes else _FOR_KUBERNETES
    given = [name for name in wrong if _given(asked, name)]
    if given:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        kind = "without --kubernetes" if kubernetes else "with --kubernetes"
        raise UsageError(f"{options} {'goes' if len(given) == 1 else 'go'} {kind} only. {nothing}")


def _given(asked: typer.Context, name: str) -> bool:
    """Whether the command line has an option."""
    return getattr(asked.get_parameter_source(name), "name", "") == "COMMANDLINE"


def status(
    submission: Annotated[
        str | None,
        typer.Argument(metavar="[SUBMISSION]", help="A submission or its study. Default: all.", show_default=False),
    ] = None,
    address: Dashboard = None,
    as_json: Json = False,
) -> None:
    """List the submissions of a cluster, newest last."""
    from pipeline.results.views.fitted import Column, FittedTable

    api = api_of(address)
    submissions = [api.submission(submission)] if submission else api.submissions()
    if as_json:
        say_object([_as_object(each) for each in submissions])
        return
    if not submissions:
        say(f"There is no submission on {api.address}. `tunepipe submit JOB` creates one.")
        return
    table = FittedTable(
        [
            Column("submission", keep="whole"), Column("state", keep="whole"), Column("exit code", keep="extra"),
            Column("study", keep="extra"), Column("storage", keep="extra"), Column("submitted", keep="extra"),
        ],
        more="a wider terminal or --json shows them",
    )  # fmt: skip
    for each in submissions:
        started = f"{each.started.astimezone():%Y-%m-%d %H:%M}" if each.started else "–"
        code = "–" if each.exit_code is None else str(each.exit_code)
        table.add_row(each.name, each.state.lower(), code, each.study, each.storage, started)
    command_console().print(table)


def stop(
    asked: typer.Context,
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|SUBMISSION",
            help="A study: its name in --storage, or the path or URI of its folder. With --address a submission, "
            "as `tunepipe status` lists it, or its study; with --kubernetes a RayJob or its study.",
            show_default=False,
            autocompletion=studies_and_paths,
        ),
    ],
    storage: Storage = STORAGE,
    address: Dashboard = None,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="A RayJob of KubeRay.")] = False,
    context: Context = None,
    namespace: Annotated[str, typer.Option(help="With --kubernetes: namespace of the RayJobs.")] = "tunepipe",
    trial: Annotated[
        str | None, typer.Option(help="Stop only this trial of the study, by its id or number.", show_default=False)
    ] = None,
    reason: Reason = "",
) -> None:
    """Stop a study on this machine or on a cluster, or one of its trials. `resume` or `submit` continues a study."""
    if trial is not None:
        if kubernetes or _given(asked, "address"):
            raise UsageError("--trial stops a trial of a study in a storage: name the storage with --storage.")
        stop_trial(study, storage, trial, reason)
        return
    if reason:
        raise UsageError("--reason goes with --trial: it is written into the table of decisions about trials.")
    _refuse_others(asked, kubernetes=kubernetes, nothing="Nothing was stopped.")
    if kubernetes:
        from pipeline.cli.kubernetes import stop_rayjob

        name = stop_rayjob(study, context, namespace)
        say(f"RayJob {name} is stopped and deleted. `tunepipe submit` continues its study.")
    elif address is not None and (_given(asked, "address") or not _is_running(study, storage)):
        _stop_submission(address, study)
    else:
        _stop_here(study, storage)


def _stop_submission(address: str, submission: str) -> None:
    from pipeline.cluster.jobs_api import ENDED

    api = api_of(address)
    sought = api.submission(submission)
    if sought.state in ENDED:
        say(f"{sought.name} has already ended: {sought.state.lower()}.")
        return
    api.stop(sought.name)
    for _ in api.follow(sought.name):
        pass
    say(f"{sought.name} is {api.submission(sought.name).state.lower()}. `tunepipe submit` continues its study.")


def _is_running(study: str, storage: str) -> bool:
    from pipeline.results.tables.sessions import read_sessions, state_of

    try:
        return state_of(read_sessions(study_store(study, storage)), datetime.now(UTC)) == "running"
    except UserError:
        return False


def _stop_here(study: str, storage: str) -> None:
    """Ask a study's driver to end, wherever it runs, and wait for it."""
    from pipeline.execution.sessions import describe_driver
    from pipeline.execution.study_stop import request_stop, wait_for_end
    from pipeline.results.tables.sessions import read_sessions, state_of

    try:
        store = study_store(study, storage)
    except JobNotFound as error:
        raise JobNotFound(
            f"{error} A study on a cluster is stopped with --address http://HOST:8265 or with --kubernetes."
        ) from None
    session = request_stop(store)
    if session is None:
        state = state_of(read_sessions(store), datetime.now(UTC))
        say(f"The study {called(store.uri)!r} is not running: it is {state}.")
        return
    note(
        f"Session {session['number']} was asked to end: {describe_driver(session)}. Waiting for the end of the "
        f"current epochs. If it hangs, `tunepipe resume {called(store.uri)} --take-over` continues without it."
    )
    try:
        state = wait_for_end(store, session)
    except KeyboardInterrupt:
        note("\nThe request remains: the study ends by itself.")
        raise typer.Exit(130) from None
    if state == "waiting":
        say(f"The study {called(store.uri)!r} ended before its first epoch and was removed.")
        return
    further = f" `tunepipe resume {called(store.uri)}` continues it." if state == "interrupted" else ""
    say(f"The study {called(store.uri)!r} is {state}.{further}")


def api_of(address: str | None) -> "JobsApi":
    """The Jobs API of the cluster on the command line.

    Args:
        address: The address of its dashboard; None if the command line names none.

    Raises:
        UsageError: There is no address, or it is not one of a dashboard.
    """
    from pipeline.cluster.jobs_api import JobsApi

    if address is None:
        raise UsageError("Name the cluster's dashboard with --address http://HOST:8265, or in RAY_API_SERVER_ADDRESS.")
    return JobsApi(address)


def follow_submission(api: "JobsApi", name: str, *, to_stderr: bool = False) -> int:
    """Print the output of a study's driver until it ends. Ctrl-C stops printing; the study continues.

    Args:
        api: The cluster.
        name: The submission.
        to_stderr: Whether to print to standard error.

    Returns:
        The study's exit code.
    """
    from pipeline.cluster.submission import exit_code

    try:
        for text in api.follow(name):
            say_output(text, err=to_stderr)
        return exit_code(api.submission(name))
    except KeyboardInterrupt:
        note(
            f"\n{name} continues. `tunepipe logs {name} --follow --address {api.address}` follows it again, "
            f"`tunepipe stop {name} --address {api.address}` stops it."
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
