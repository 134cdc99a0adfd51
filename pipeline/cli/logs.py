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
    refuse_other_options,
)
from pipeline.cli.console import note, print_output
from pipeline.cli.options import STORAGE, Storage, option, study_argument, study_store, switch, trial_id
from pipeline.errors import UsageError


def logs(
    asked: typer.Context,
    study: Annotated[
        str,
        study_argument(
            "With --trial a study: its name in --storage, or the path or URI of its folder. With --address or "
            "--kubernetes a submission, as `tunepipe status` lists it, or its study.",
            "STUDY|SUBMISSION",
        ),
    ],
    trial: Annotated[str | None, option("Id or number of the trial.", "TRIAL")] = None,
    storage: Storage = STORAGE,
    address: Dashboard = None,
    kubernetes: RayJobs = False,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
    follow: Annotated[
        bool, switch("--follow", "Print new output until the driver ends (not with --trial).", "-f")
    ] = False,
    raw: Annotated[bool, switch("--raw", "Print all bytes unchanged, including terminal control sequences.")] = False,
) -> None:
    """Print the output of a trial, or of a driver on a cluster.

    If studies of that name run in several storages, --storage chooses one.
    """
    refuse_other_options(asked, kubernetes=kubernetes)
    on_cluster = kubernetes or given_on_command_line(asked, "address") or follow
    if trial is not None and on_cluster:
        raise UsageError(
            "--trial prints a trial's log in a storage; --follow, --address and --kubernetes print the output of a "
            f"study's driver on a cluster. `tunepipe results {study} --kubernetes` copies a study from a volume."
        )
    if trial is not None:
        _print_trial(study, trial, storage, raw=raw)
        return
    if address is None and not kubernetes:
        raise UsageError(
            f"`tunepipe logs {study} --trial T` prints the output of a trial, `tunepipe logs {study} "
            "--address http://HOST:8265` or --kubernetes that of a study's driver on a cluster."
        )
    cluster = cluster_of(address, kubernetes, context, namespace)
    # A storage of the environment is that of studies here.
    found = cluster.find(study, storage if given_on_command_line(asked, "storage") else None)
    if follow:
        raise typer.Exit(follow_to_end(cluster, found, raw=raw))
    printed = cluster.output(found)
    print_output(printed, raw=raw)
    if not printed and (reason := cluster.submissions(found.name)[0].message):
        note(f"{found.name} has printed nothing: {reason.rstrip('.')}.")


def _print_trial(study: str, trial: str, storage: str, *, raw: bool) -> None:
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.trials import trial_row
    from pipeline.study import layout

    store, wanted = study_store(study, storage), trial_id(trial)
    if printed := store.read(layout.log(wanted)) if store.exists(layout.log(wanted)) else b"":
        print_output(printed, raw=raw)
        return
    trial_row(load_results(store.uri), wanted)  # there may be no such trial at all
    kept = ", ".join(Path(path).stem for path in store.files("logs"))
    note(
        f"Trial {wanted} of the study in {store.uri} printed nothing; trials that did: {kept or 'none'}. With "
        "--workers 0, output goes to the terminal."
    )
