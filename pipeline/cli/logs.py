"""`tunepipe logs`: the output of a trial, or of a study's driver on a cluster."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.cluster_options import (
    NAMESPACE,
    Context,
    Dashboard,
    Namespace,
    RayJobs,
    cluster_of,
    follow_to_end,
    given_on_command_line,
    print_log,
    refuse_other_options,
)
from pipeline.cli.console import note, print_bytes, print_output, print_text
from pipeline.cli.options import STORAGE, Storage, study_argument, study_store, trial_id
from pipeline.errors import UsageError


def logs(
    asked: typer.Context,
    study: Annotated[
        str,
        study_argument(
            "With --trial a study: its name in --storage, or the path or URI of its folder. With --address a "
            "submission, as `tunepipe status` lists it, or its study; with --kubernetes a RayJob or its study.",
            "STUDY|SUBMISSION",
        ),
    ],
    trial: Annotated[str | None, typer.Option(help="Id or number of the trial.", show_default=False)] = None,
    storage: Storage = STORAGE,
    address: Dashboard = None,
    kubernetes: RayJobs = False,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new output until the driver ends (not with --trial).")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Print all bytes unchanged, including terminal control sequences."),
    ] = False,
) -> None:
    """Print the output of a trial, or with --address or --kubernetes the output of a study's driver on a cluster.

    If studies of that name run in several storages, --storage chooses one.
    """
    refuse_other_options(asked, kubernetes=kubernetes, nothing="Nothing was printed.")
    if trial is not None and kubernetes:
        raise UsageError(
            "--trial prints a log of a storage that this machine reads, --kubernetes a driver's output. `tunepipe "
            f"results {study} --kubernetes` copies a study from a volume, with the logs of its trials."
        )
    if trial is not None and (follow or given_on_command_line(asked, "address")):
        raise UsageError(
            "--trial prints a trial's log in a storage as it is now, --follow and --address print the output of a "
            "study's driver on a cluster: they cannot be combined."
        )
    if trial is not None:
        _print_trial(study, trial, storage, raw=raw)
        return
    # A storage of the environment is that of studies here.
    place = storage if given_on_command_line(asked, "storage") else None
    if address is None and not kubernetes:
        raise UsageError(
            f"`tunepipe logs {study} --trial T` prints the output of a trial, `tunepipe logs {study} "
            "--address http://HOST:8265` or --kubernetes that of a study's driver on a cluster."
        )
    cluster = cluster_of(address, kubernetes, context, namespace)
    found = cluster.find(study, place)
    if follow:
        from pipeline.cli.rayjobs import follow_rayjob
        from pipeline.cluster.jobs_api import JobsApi

        if isinstance(cluster, JobsApi):
            raise typer.Exit(follow_to_end(cluster, found.name, raw=raw))
        raise typer.Exit(follow_rayjob(cluster, found, raw=raw))
    printed = cluster.output(found)
    print_log(printed, raw=raw)
    if not printed and (reason := cluster.submissions(found.name)[0].message):
        note(f"{found.name} has printed nothing: {reason.rstrip('.')}.")


def _print_trial(study: str, trial: str, storage: str, *, raw: bool) -> None:
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.trials import trial_row
    from pipeline.study import layout

    store, wanted = study_store(study, storage), trial_id(trial)
    printed = store.read(layout.log(wanted)) if store.exists(layout.log(wanted)) else b""
    if printed and raw:
        print_bytes(printed)
        return
    if printed:
        print_output(printed.decode(errors="replace"))
        return
    trial_row(load_results(store.uri), wanted)  # there may be no such trial at all
    kept = [Path(path).stem for path in store.files("logs")]
    none = "no trial did, or with --workers 0 the output went to the terminal"
    there = f"trials that did: {', '.join(kept)}" if kept else none
    print_text(f"Trial {wanted} of the study in {store.uri} printed nothing; {there}.", err=True)
