"""`tunepipe submit` and `status`: studies on a cluster."""

import json
import math
import re
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
    api_of,
    cluster_of,
    follow_to_end,
    for_kubernetes,
    given_on_command_line,
    how_to_follow,
    refuse_other_options,
)
from pipeline.cli.console import command_console, note, print_object, print_text
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import AcceptChanges, JobName, Json, Storage, switch
from pipeline.errors import Fault, InvalidJob, UsageError, UserError
from pipeline.text import rough_duration

if TYPE_CHECKING:
    from pipeline.cluster.rayjob import Manifests
    from pipeline.cluster.submissions import Submission
    from pipeline.study import TuneJob


_NAME, _ALLOWED = "[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", "must be at most 63 lower-case letters, digits, '-' and '.'"
_TEXTS = {
    "namespace": ("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "must be at most 63 lower-case letters, digits and '-'"),
    "image": (r"\S+", "must be an image's name, as in tunepipe-cpu:0.1.0"),
    "queue": (_NAME, _ALLOWED),
    "priority": (_NAME, _ALLOWED),
}
"""Values that Kubernetes refuses, and what it allows."""


@with_job_options()
def submit(
    asked: typer.Context,
    job: JobName,
    *,
    options: JobOptions,
    storage: Storage,
    address: Dashboard = None,
    detach: Annotated[
        bool, switch("--detach", "Return after the submission instead of printing the study's output.")
    ] = False,
    kubernetes: RayJobs = False,
    context: Context = None,
    namespace: Annotated[str | None, for_kubernetes("namespace", default="that of --values")] = None,
    image: Annotated[str | None, for_kubernetes("container image", default="those of --values")] = None,
    values: Annotated[
        str, for_kubernetes("local-cpu, prod-gpu, or a file of chart values or manifests", default="prod-gpu")
    ] = "prod-gpu",
    queue: Annotated[str | None, for_kubernetes("a LocalQueue of Kueue", default="that of --values")] = None,
    priority: Annotated[str | None, for_kubernetes("a WorkloadPriorityClass of Kueue", default="tunepipe")] = None,
    wait_pods: Annotated[
        float, for_kubernetes("seconds to wait for a node, a quota or an image", "SECONDS", default="900")
    ] = 900.0,
    to: ResultsFolder = Path("studies"),
    dry_run: Annotated[bool, switch("--dry-run", "With --kubernetes: print the YAML without applying it.")] = False,
    accept_changes: AcceptChanges = False,
    as_json: Json = False,
) -> None:
    """Run or resume a study on a cluster. Ctrl-C ends the output, not the study."""
    from pipeline.cluster.submissions import shared_storage
    from pipeline.execution.earlier_studies import warm_started

    refuse_other_options(asked, kubernetes=kubernetes)
    if ignored := [name for name in ("wait_pods", "to") if detach and given_on_command_line(asked, name)]:
        raise UsageError(f"--detach does not wait for the study: leave out --{ignored[0].replace('_', '-')}.")
    if options.given.get("workers") == 0:
        raise UsageError("--workers 0 trains in the driver, which has no resources for it on a cluster: use 1 or more.")
    given = {"namespace": namespace, "image": image, "queue": queue, "priority": priority}
    faults = [
        Fault(f"--{name}", value, _TEXTS[name][1])
        for name, value in given.items()
        if value is not None and not re.fullmatch(_TEXTS[name][0], value)
    ]
    if not (math.isfinite(wait_pods) and wait_pods >= 0):
        faults.append(Fault("--wait-pods", wait_pods, "must be a number of seconds, 0 or more"))
    if faults:
        raise InvalidJob("the command line", faults)
    storage = shared_storage(storage)
    # A mistake is reported here, not by the cluster.
    tuned = options.job(job, storage, resume=False)
    warm_started(tuned, storage)
    arguments = [*options.arguments, *(["--accept-changes"] if accept_changes else [])]
    if kubernetes:
        from pipeline.cluster.rayjob import study_manifests
        from pipeline.cluster.rayjobs import RayJobs as Server, waiting_time

        tuned = _as_resumed(tuned, storage, options.changes)

        def manifests_of(number: int) -> "Manifests":
            return study_manifests(tuned, job, values, storage, arguments, number=number, **given)

        manifests = manifests_of(1)
        _print_plan(manifests)
        if dry_run:
            items = [each for each in (manifests.file, manifests.job) if each]
            together = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
            typer.echo(together if as_json else str(manifests), nl=as_json)
            return
        cluster: Any = Server(context, manifests.job["metadata"]["namespace"])
        found, attached = cluster.submit(tuned.name, storage, manifests_of)
        following: dict[str, Any] = {"to": to, "created": not attached, "wait_pods": wait_pods}
    else:
        cluster, following = api_of(address), {}
        found, attached = cluster.submit(job, tuned.name, storage, arguments, Path.cwd())
    note(_submitted(found, attached=attached, where=cluster.where))
    code = None
    if not detach:
        code = follow_to_end(cluster, found, err=as_json, **following)
    elif kubernetes:
        note(how_to_follow(cluster, found.name))
        if not attached:
            kept = rough_duration(manifests.job["spec"].get("ttlSecondsAfterFinished", 0))
            note(
                f"If it cannot start, it waits {waiting_time(manifests.job)}: `tunepipe status {found.name} "
                f"{cluster.options}` prints what it waits for. Its Ray cluster is deleted {kept} after the study's "
                "end; the RayJob stays until `tunepipe stop`, or a `tunepipe submit` a week later, deletes it."
            )
    if as_json:
        print_object({**_as_object(found if detach else cluster.submissions(found.name)[-1]), "exit_code": code})
    raise typer.Exit(code or 0)


def _submitted(found: "Submission", *, attached: bool, where: str) -> str:
    """The sentence that a study was submitted, or that a submission has attached to it, and whose it is."""
    if not attached:
        return f"The study {found.study!r} was submitted as {found.name} {where}."
    by = f", submitted by {found.submitter}" if found.submitter else ""
    at = f" at {found.started.astimezone():%Y-%m-%d %H:%M}" if by and found.started else ""
    return f"The study {found.study!r} is already running as {found.name}{by}{at}, with the options of that run."


def _print_plan(manifests: "Manifests") -> None:
    note(str(manifests.plan))
    snapshot = manifests.snapshot
    if len(snapshot.files) > 1:
        note(f"Uploaded with the job: {snapshot}.")
    if snapshot.left_out:
        note(f"Not uploaded, because of their size: {snapshot.not_copied}. Put what the job needs into the image.")


def _as_resumed(tuned: "TuneJob", storage: str, changes: dict[str, Any]) -> "TuneJob":
    """A job as the driver resumes it: with the resources and budget of its study, if that can be read from here."""
    from pipeline.execution.driver.resume import with_study_settings
    from pipeline.storage import Store

    kept = {field: value for field, value in changes.items() if field.partition(".")[0] in {"budget", "resources"}}
    # `submit` sets the number of workers in any case.
    kept |= {"resources.workers": tuned.resources.workers}
    try:
        resumed = with_study_settings(tuned, Store(storage).folder(tuned.name), changed=kept)
        resumed = resumed.replaced(kept)
    except UserError as error:
        note(
            f"The plan has the resources and budget of the job: if there is a study in {storage}, it cannot be read "
            f"from here. {error}"
        )
        return tuned
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
    """List the submissions of a cluster. The newest is last; says why RayJobs wait."""
    from pipeline.results.views.table import Column, Table

    refuse_other_options(asked, kubernetes=kubernetes)
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
    command_console().print(Table("", columns, rows))
    for each in submissions:
        if kubernetes and each.exit_code is None and each.message:
            print_text(f"{each.name}: {each.message}")


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
