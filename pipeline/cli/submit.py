"""`tunepipe submit` and `status`: studies on a cluster."""

import json
import math
import re
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
    cluster_of,
    follow_to_end,
    given_on_command_line,
    how_to_follow,
    refuse_other_options,
)
from pipeline.cli.console import command_console, note, print_object, print_text
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import AcceptChanges, JobName, Json, Storage
from pipeline.errors import Fault, InvalidJob, UsageError, UserError
from pipeline.text import by_count, rough_duration

if TYPE_CHECKING:
    from pipeline.cluster.rayjob import Manifests
    from pipeline.cluster.submissions import Submission
    from pipeline.study import TuneJob


_CLASS = "[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?"
_ALLOWED = {
    "--namespace": (
        "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "must be lower-case letters, digits and '-', at most 63 of them",
    ),
    "--image": (r"\S+", "must be an image's name, as in tunepipe-cpu:0.1.0"),
    "--priority": (_CLASS, "must be the name of a WorkloadPriorityClass, as in tunepipe-low"),
    "--queue": (_CLASS, "must be the name of a LocalQueue, as in team-a"),
}


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
    from pipeline.cluster.submissions import shared_storage
    from pipeline.execution.driver.earlier_studies import warm_started

    refuse_other_options(asked, kubernetes=kubernetes, nothing="Nothing was submitted.")
    ignored = [f"--{name.replace('_', '-')}" for name in ("wait_pods", "to") if given_on_command_line(asked, name)]
    if detach and ignored:
        have = by_count(len(ignored), "has", "have")
        raise UsageError(f"{' and '.join(ignored)} {have} no effect with --detach, which does not wait for the study.")
    if options.workers == 0:
        raise UsageError(
            "--workers 0 trains in the driver, which has no resources for it on a cluster: use at least 1."
        )
    named = {"--namespace": namespace, "--image": image, "--priority": priority, "--queue": queue}
    faults = [
        Fault(option, value, _ALLOWED[option][1])
        for option, value in named.items()
        if value is not None and not re.fullmatch(_ALLOWED[option][0], value)
    ]
    if not (math.isfinite(wait_pods) and wait_pods >= 0):
        faults.append(Fault("--wait-pods", wait_pods, "must be a number of seconds, 0 or more"))
    if faults:
        raise InvalidJob("the command line", faults)
    if gpus_per_trial is not None:
        options = replace(options, set_=[*(options.set_ or []), f"resources.gpus={gpus_per_trial:g}"])
    storage = shared_storage(storage)
    # A mistake is reported here, not by the cluster.
    tuned = options.job(job, storage, resume=False)
    warm_started(tuned, storage, note)
    arguments = options.arguments(storage)
    arguments += ["--accept-changes"] if accept_changes else []
    if not kubernetes:
        api = api_of(address)
        found, attached = api.submit(job, tuned.name, storage, arguments, Path.cwd())
        note(
            already_running(tuned.name, found)
            if attached
            else f"The study {tuned.name!r} was submitted as {found.name}."
        )
        code = 0 if detach else follow_to_end(api, found.name, to_stderr=as_json)
        if as_json:
            print_object(_as_object(api.submission(found.name)))
        raise typer.Exit(code)
    from pipeline.cluster.rayjob import study_manifests

    tuned = _as_resumed(tuned, storage, options.changes(storage))

    def manifests_of(number: int) -> "Manifests":
        return study_manifests(
            tuned, job, overlay, storage, arguments,
            number=number, namespace=namespace, image=image, queue=queue, priority=priority,
        )  # fmt: skip

    manifests = manifests_of(1)
    note(str(manifests.plan))
    snapshot = manifests.snapshot
    if len(snapshot.files) > 1:
        note(f"Uploaded with the job: {snapshot}.")
    if snapshot.left_out:
        note(f"Not uploaded, because of their size: {snapshot.not_copied}. Put what the job needs into the image.")
    if dry_run:
        objects = [each for each in (manifests.file, manifests.job) if each]
        together = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        typer.echo(together if as_json else str(manifests), nl=as_json)
        return
    raise typer.Exit(_submit_rayjob(tuned, storage, manifests_of, manifests, context, wait_pods, to, detach, as_json))


def _submit_rayjob(
    tuned: "TuneJob", storage: str, manifests_of: Any, manifests: "Manifests", context: str | None, wait_pods: float,
    to: Path, detach: bool, as_json: bool,
) -> int:  # fmt: skip
    """Create a study's RayJob, or find it, and follow it."""
    from pipeline.cli.rayjobs import follow_rayjob
    from pipeline.cluster.rayjobs import RayJobs, waiting_time

    namespace = manifests.job["metadata"]["namespace"]
    server = RayJobs(context, namespace)
    found, attached = server.submit(tuned.name, storage, manifests_of)
    name, code = found.name, None
    if attached:
        note(already_running(tuned.name, found))
    else:
        note(f"The study {tuned.name!r} was submitted as RayJob {name} in namespace {namespace}.")
    if detach:
        note(how_to_follow(server, name))
        if not attached:
            seconds = manifests.job["spec"].get("ttlSecondsAfterFinished", 0)
            when = f"{rough_duration(seconds)} after" if seconds else "at"
            note(
                f"If it cannot start, it waits {waiting_time(manifests.job)}: `tunepipe status {name} "
                f"{server.options}` prints what it waits for. Its Ray cluster is deleted {when} the study's end; the "
                "RayJob stays until `tunepipe stop` or a later `tunepipe submit` deletes it."
            )
    else:
        code = follow_rayjob(server, found, to, created=not attached, to_stderr=as_json, wait_pods=wait_pods)
    if as_json:
        result = {"submission": name, "study": tuned.name, "storage": storage, "namespace": namespace}
        print_object({**result, "exit_code": code})
    return code or 0


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
    from pipeline.results.views.table import Column, Table

    refuse_other_options(asked, kubernetes=kubernetes, nothing="No cluster was contacted.")
    cluster = cluster_of(address, kubernetes, context, namespace)
    submissions = cluster.submissions(submission)
    if as_json:
        print_object({"submissions": [_as_object(each) for each in submissions]})
        return
    if not submissions:
        print_text(f"There is no submission {cluster.where}. `tunepipe submit JOB` creates one.")
        return
    columns = [
        Column("submission", keep="whole"), Column("state", keep="whole"), Column("exit_code", keep="extra"),
        Column("study", keep="extra"), Column("storage", keep="extra"), Column("submitted", keep="extra"),
        Column("submitter", "by", keep="extra"),
    ]  # fmt: skip
    rows = [
        {**_as_object(each), "submitted": each.started and f"{each.started.astimezone():%Y-%m-%d %H:%M}"}
        for each in submissions
    ]
    command_console().print(Table("", columns, rows, more="a wider terminal or --json shows them"))
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
