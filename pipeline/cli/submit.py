"""`tunepipe submit`, `status` and `logs`: studies on a cluster, and the output of drivers and trials."""

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.cluster_options import (
    Cluster,
    ResultsFolder,
    StudyOrSubmission,
    say_copied,
    with_cluster,
)
from pipeline.cli.console import command_console, moment, print_output, print_tables, print_text
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import (
    STORAGE,
    AcceptChanges,
    JobName,
    Json,
    Storage,
    argument,
    option,
    study_store,
    switch,
    trial_id,
)
from pipeline.errors import ClusterError, Interrupted, JobNotFound, StorageError, UsageError, UserError
from pipeline.text import note

if TYPE_CHECKING:
    from pipeline.cluster.jobs_api import JobsApi
    from pipeline.cluster.rayjob import Manifests
    from pipeline.cluster.rayjobs import RayJobs
    from pipeline.cluster.submissions import Submission
    from pipeline.study import TuneJob


@with_job_options(
    workers=Annotated[int | None, option("Number of parallel trials. Default: as many as fit.", "N", min=1)]
)
@with_cluster
def submit(
    job: JobName,
    *,
    storage: Storage,
    options: JobOptions,
    accept_changes: AcceptChanges = False,
    detach: Annotated[bool, switch("--detach", "Return after the submission; print no output.")] = False,
    cluster: Cluster,
    values: Annotated[str | None, option("File of values or manifests, local-cpu or prod-gpu.", "NAME")] = None,
    image: Annotated[str | None, option("Container image. Default: those of --values.", "NAME")] = None,
    dry_run: Annotated[bool, switch("--dry-run", "Print the YAML without applying it.")] = False,
    queue: Annotated[str | None, option("LocalQueue of Kueue. Default: that of --values.", "NAME")] = None,
    priority: Annotated[str | None, option("Kueue's WorkloadPriorityClass. Default: tunepipe.", "NAME")] = None,
    to: ResultsFolder = None,
) -> None:
    """Run or resume a study on a cluster. Ctrl-C ends the output, not the study."""
    from pipeline.cluster.submissions import shared_storage

    cluster.check_options(image=image, values=values, queue=queue, priority=priority, to=to, dry_run=dry_run)
    storage = shared_storage(storage)
    # A mistake is reported here, not by the cluster.
    tuned = options.job(job, storage, resume=False)
    if tuned.start_from is not None:
        from pipeline.results.tables.trials import warm_started

        try:
            warm_started(tuned, storage)
        except (JobNotFound, StorageError) as error:
            # A volume of the cluster is no folder here.
            if "://" in storage or Path(storage).is_dir():
                raise
            note(f"The study to start from cannot be read from here, so the driver reads it. {error}")
    arguments = [*options.arguments, *(["--accept-changes"] if accept_changes else [])]
    if not cluster.kubernetes:
        server: Any = cluster.jobs_api()
        found, attached = server.submit(tuned, job, storage, arguments, Path.cwd())
        _finish(server, found, attached, detach=detach)
        return
    if values is None:
        raise UsageError("submit --kubernetes needs --values: a file with the values of your cluster, or local-cpu.")
    from pipeline.cluster.rayjob import study_manifests
    from pipeline.code.snapshot import first_of

    tuned = _as_resumed(tuned, storage, options.changes)

    def manifests_of(number: int) -> "Manifests":
        return study_manifests(
            tuned, job, values, storage, arguments,
            number=number, namespace=cluster.namespace, queue=queue, priority=priority, image=image,
        )  # fmt: skip

    manifests = manifests_of(1)
    note(str(manifests.plan))
    if len(manifests.snapshot.files) > 1:
        note(f"Uploaded with the job: {manifests.snapshot}.")
    if manifests.snapshot.left_out:
        left = first_of(manifests.snapshot.left_out)
        note(f"Not uploaded, because of their size: {left}. Put what the job needs into the image.")
    if dry_run:
        typer.echo(str(manifests), nl=False)
        return
    server = cluster.rayjobs(manifests.job["metadata"]["namespace"])
    found, attached = server.submit(tuned, storage, manifests_of)
    _finish(server, found, attached, manifests.plan.workers, detach=detach, to=to or Path("studies"))


def _finish(
    server: Any, found: "Submission", attached: bool, workers: int = 0, *, detach: bool, to: Path | None = None
) -> None:
    """Print the output of a submission to its end, or how to do so, and exit with the study's code."""
    from pipeline.cluster.rayjobs import fitting_workers
    from pipeline.cluster.submissions import NeverStarts

    if attached:
        by = f", submitted by {found.user}" if found.user else ""
        note(f"The study {found.study!r} is already running as {found.name}{by}, with the options of that run.")
    else:
        note(f"The study {found.study!r} was submitted as {found.name} {server.where}.")
    if detach:
        note(how_to_follow(server, found.name))
        return
    try:
        code = follow_to_end(server, found)
    except NeverStarts as error:
        server.stop(found.name)
        fitting = fitting_workers(workers, str(error))
        offer = f" Its queue has room for --workers {fitting}." if 0 < fitting < workers else ""
        raise ClusterError(f"{error} The RayJob {found.name} was deleted.{offer}") from None
    # A mistake of the user left nothing new on the volume.
    if to is not None and code != UserError.exit_code:
        from pipeline.cluster.download import download_results

        # A driver removes a study that ends without an epoch, and says so.
        with suppress(JobNotFound) if code else nullcontext():
            say_copied(download_results(server, found.rayjob, found.study, found.storage, to))
    raise typer.Exit(code)


def _as_resumed(tuned: "TuneJob", storage: str, changes: dict[str, Any]) -> "TuneJob":
    """A job as the driver resumes it: with the resources and budget of its study, if that can be read from here."""
    from pipeline.execution.start import with_study_settings
    from pipeline.storage import Store

    kept = {field: value for field, value in changes.items() if field.partition(".")[0] in {"budget", "resources"}}
    # `submit` sets the number of workers in any case.
    kept |= {"resources.workers": tuned.resources.workers}
    try:
        return with_study_settings(tuned, Store(storage).folder(tuned.name), changed=kept).replaced(kept)
    except UserError as error:
        note(f"A study in {storage} cannot be read from here, so the plan has the job's own resources. {error}")
        return tuned


def how_to_follow(cluster: "JobsApi | RayJobs", name: str) -> str:
    """How to follow and to stop a submission whose output is not printed."""
    return (
        f"{name} continues. `tunepipe logs {name} --follow {cluster.options}` follows it, `tunepipe status {name} "
        f"{cluster.options}` says why it waits, `tunepipe stop {name} {cluster.options}` stops it."
    )


def follow_to_end(cluster: "JobsApi | RayJobs", found: "Submission") -> int:
    """Print the output of a study's driver until it ends. Ctrl-C stops printing; the study continues."""
    try:
        for text in cluster.follow(found.name):
            print_output(text)
        return cluster.exit_code(found.name)
    except KeyboardInterrupt:
        note(f"\n{how_to_follow(cluster, found.name)}")
        raise typer.Exit(Interrupted.exit_code) from None


@with_cluster
def status(
    submission: Annotated[str | None, argument("A submission or its study. Default: all.", "SUBMISSION")] = None,
    *,
    as_json: Json = False,
    cluster: Cluster,
) -> None:
    """List the submissions of a cluster. The newest is last; says why RayJobs wait."""
    from pipeline.results.views.table import Column, Table

    cluster.check_options()
    server = cluster.connect()
    submissions = server.submissions(submission)
    columns = [
        Column("submission", keep="whole"),
        Column("state", keep="whole"),
        Column("exit_code", right=any(each.exit_code is not None for each in submissions), keep="extra"),
        Column("study", keep="extra"),
        Column("storage", keep="extra"),
        Column("submitted", text=moment, keep="extra"),
    ]
    rows = [
        {
            "submission": each.name, "study": each.study, "storage": each.storage, "state": each.state.lower(),
            "exit_code": each.exit_code, "message": each.message, "submitted": each.started,
        }
        for each in submissions
    ]  # fmt: skip
    table = Table("", columns, rows, name="submissions")
    if as_json:
        print_tables([table])
        return
    if not submissions:
        print_text(f"There is no submission {server.where}. `tunepipe submit JOB` creates one.")
        return
    command_console().print(table)
    for each in submissions:
        if cluster.kubernetes and each.exit_code is None and each.message:
            print_text(f"{each.name}: {each.message}")


@with_cluster
def logs(
    study: StudyOrSubmission,
    *,
    trial: Annotated[str | None, option("Id or number of a trial of a study in --storage.", "TRIAL")] = None,
    storage: Storage = STORAGE,
    follow: Annotated[bool, switch("--follow", "Print new output until the driver ends.", "-f")] = False,
    cluster: Cluster,
) -> None:
    """Print the output of a trial, or of a driver on a cluster."""
    cluster.check_options()
    if trial is not None:
        if cluster.kubernetes or cluster.address or follow:
            raise UsageError(
                "--trial prints a trial's log in a storage; --follow, --address and --kubernetes are for drivers. "
                f"`tunepipe results {study} --kubernetes` copies a study from a volume."
            )
        _print_trial(study, trial, storage)
        return
    try:
        server = cluster.connect()
    except UsageError as error:
        raise UsageError(f"{error} --trial T prints the log of a trial of a study in --storage.") from None
    found = server.find(study)
    if follow:
        raise typer.Exit(follow_to_end(server, found))
    printed = server.output(found)
    print_output(printed)
    if not printed and (reason := server.submissions(found.name)[0].message):
        note(f"{found.name} has printed nothing: {reason.rstrip('.')}.")


def _print_trial(study: str, trial: str, storage: str) -> None:
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.trials import trial_row
    from pipeline.storage import layout

    store, wanted = study_store(study, storage), trial_id(trial)
    if store.exists(layout.log(wanted)) and (printed := store.read(layout.log(wanted))):
        print_output(printed)
        return
    trial_row(load_results(store.uri), wanted)  # there may be no such trial at all
    note(f"Trial {wanted} of the study in {store.uri} printed nothing. With --workers 0, output goes to the terminal.")
