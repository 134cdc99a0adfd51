"""`tunepipe submit` and `status`: studies on a cluster."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.cluster_options import (
    NAMESPACE,
    Context,
    Dashboard,
    Namespace,
    RayJobs,
    ResultsFolder,
    already_running,
    api_of,
    follow_submission,
    given_on_command_line,
    refuse_other_options,
)
from pipeline.cli.console import command_console, note, print_object, print_text
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import AcceptChanges, JobName, Json, Storage
from pipeline.errors import UsageError, UserError
from pipeline.wording import by_count

if TYPE_CHECKING:
    from pipeline.cluster.jobs_api import Submission
    from pipeline.study import TuneJob


@with_job_options
def submit(
    asked: typer.Context,
    job: JobName,
    storage: Storage,
    *,
    options: JobOptions,
    accept_changes: AcceptChanges = False,
    address: Dashboard = None,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Run the study as a RayJob in a Kubernetes cluster.")
    ] = False,
    context: Context = None,
    namespace: Annotated[
        str | None, typer.Option(help="With --kubernetes: namespace. Default: the overlay's.", show_default=False)
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="With --kubernetes: container image. Default: the overlay's.", show_default=False)
    ] = None,
    gpus_per_trial: Annotated[float | None, typer.Option(help="The same as --gpus.", show_default=False)] = None,
    overlay: Annotated[
        str, typer.Option(help="With --kubernetes: local-cpu, dev, prod-gpu or the path of another overlay.")
    ] = "prod-gpu",
    queue: Annotated[
        str | None, typer.Option(help="With Kueue: a LocalQueue. Default: the overlay's.", show_default=False)
    ] = None,
    priority: Annotated[
        str | None,
        typer.Option(help="With Kueue: a WorkloadPriorityClass. Default: the overlay's.", show_default=False),
    ] = None,
    wait_pods: Annotated[
        float, typer.Option(help="With --kubernetes: seconds to wait for a node, a quota or an image.")
    ] = 900.0,
    to: ResultsFolder = Path("studies"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --kubernetes: print the YAML without applying it.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return after the submission instead of printing the study's output.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run or resume a study on a cluster and print its output. Ctrl-C ends the output, not the study."""
    from pipeline.cluster.submission import shared_storage, submit as submit_study
    from pipeline.execution.driver.warm_start import warm_started

    refuse_other_options(asked, kubernetes=kubernetes, nothing="Nothing was submitted.")
    ignored = [f"--{name.replace('_', '-')}" for name in ("wait_pods", "to") if given_on_command_line(asked, name)]
    if detach and ignored:
        have = by_count(len(ignored), "has", "have")
        raise UsageError(f"{' and '.join(ignored)} {have} no effect with --detach, which does not wait for the study.")
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
        from pipeline.cli.submit_rayjob import Target, submit_rayjob

        tuned = _as_resumed(tuned, storage, options.changes(storage))
        target = Target(context, namespace, image, overlay, wait_pods, to, queue, priority)
        raise typer.Exit(
            submit_rayjob(tuned, job, storage, arguments, target, dry_run=dry_run, detach=detach, as_json=as_json)
        )
    api = api_of(address)
    submitted = submit_study(api, job, tuned.name, storage, arguments, project=Path.cwd())
    note(
        already_running(tuned.name, submitted.name, submitted)
        if submitted.attached
        else f"The study {tuned.name!r} was submitted as {submitted.name}."
    )
    code = None if detach else follow_submission(api, submitted.name, to_stderr=as_json)
    if as_json:
        print_object(_as_object(api.submission(submitted.name)))
    raise typer.Exit(code or 0)


def _as_resumed(tuned: "TuneJob", storage: str, changes: dict[str, Any]) -> "TuneJob":
    """A job as the driver resumes it: with the resources and budget of its study, if that can be read from here."""
    from pipeline.execution.driver.resumed_job import with_study_settings
    from pipeline.storage import Store

    kept = {field: value for field, value in changes.items() if field.partition(".")[0] in {"budget", "resources"}}
    # `submit` sets the number of workers in any case.
    kept |= {"resources.workers": tuned.resources.workers}
    notes: list[str] = []
    try:
        resumed = with_study_settings(tuned, Store(storage).folder(tuned.name), notes.append, changed=kept)
        resumed = resumed.replaced(kept)
    except UserError as error:
        note(
            f"The plan has the resources and budget of the job: if there is a study in {storage}, it cannot be read "
            f"from here. {error}"
        )
        return tuned
    for each in notes:
        note(each)
    return resumed


def status(
    asked: typer.Context,
    submission: Annotated[
        str | None,
        typer.Argument(metavar="[SUBMISSION]", help="A submission or its study. Default: all.", show_default=False),
    ] = None,
    address: Dashboard = None,
    kubernetes: RayJobs = False,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
    as_json: Json = False,
) -> None:
    """List the submissions of a cluster, newest last, and why RayJobs wait."""
    from pipeline.results.views.fitted_table import Column, FittedTable

    refuse_other_options(asked, kubernetes=kubernetes, nothing="No cluster was contacted.")
    if kubernetes:
        from pipeline.cli.rayjobs import submissions_of

        place, submissions = f"in namespace {namespace!r}", submissions_of(submission, context, namespace)
    else:
        api = api_of(address)
        place = f"on {api.address}"
        submissions = api.matches(submission) if submission else api.submissions()
    if as_json:
        print_object({"submissions": [_as_object(each) for each in submissions]})
        return
    if not submissions:
        print_text(f"There is no submission {place}. `tunepipe submit JOB` creates one.")
        return
    table = FittedTable(
        [
            Column("submission", keep="whole"), Column("state", keep="whole"), Column("exit code", keep="extra"),
            Column("study", keep="extra"), Column("storage", keep="extra"), Column("submitted", keep="extra"),
            Column("by", keep="extra"),
        ],
        more="a wider terminal or --json shows them",
    )  # fmt: skip
    for each in submissions:
        started = f"{each.started.astimezone():%Y-%m-%d %H:%M}" if each.started else "–"
        code = "–" if each.exit_code is None else str(each.exit_code)
        table.add_row(each.name, each.state.lower(), code, each.study, each.storage, started, each.submitter or "–")
    command_console().print(table)
    for each in submissions:
        if kubernetes and each.exit_code is None and each.message:
            # A command at its end may have the name.
            named = each.name in each.message.partition("`")[0]
            print_text(each.message if named else f"{each.name}: {each.message}")


def _as_object(submission: "Submission") -> dict[str, Any]:
    return {
        "submission": submission.name,
        "study": submission.study,
        "storage": submission.storage,
        "state": submission.state.lower(),
        "exit_code": submission.exit_code,
        "message": submission.message,
        "started": submission.started.isoformat() if submission.started else None,
        "submitter": submission.submitter,
    }
