"""`tunepipe logs`: the output of a trial, or of a study's driver on a cluster."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.cluster_options import Cluster, follow_to_end, refuse_without_kubernetes, with_cluster
from pipeline.cli.console import note, print_output
from pipeline.cli.options import STORAGE, Storage, option, study_argument, study_store, switch, trial_id
from pipeline.errors import UsageError


@with_cluster
def logs(
    study: Annotated[
        str,
        study_argument(
            "With --trial a study: its name in --storage, or the path or URI of its folder. Else a submission on a "
            "cluster, as `tunepipe status` lists it, or its study.",
            "STUDY|SUBMISSION",
        ),
    ],
    *,
    trial: Annotated[str | None, option("Id or number of the trial.", "TRIAL")] = None,
    storage: Storage = STORAGE,
    cluster: Cluster,
    follow: Annotated[
        bool, switch("--follow", "Print new output until the driver ends (not with --trial).", "-f")
    ] = False,
) -> None:
    """Print the output of a trial, or of a driver on a cluster."""
    refuse_without_kubernetes(cluster)
    if trial is not None:
        if cluster.kubernetes or cluster.address or follow:
            raise UsageError(
                "--trial prints a trial's log in a storage; --follow, --address and --kubernetes print the output of a "
                f"study's driver on a cluster. `tunepipe results {study} --kubernetes` copies a study from a volume."
            )
        _print_trial(study, trial, storage)
        return
    server = cluster.connect()
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
    from pipeline.study import layout

    store, wanted = study_store(study, storage), trial_id(trial)
    if printed := store.read(layout.log(wanted)) if store.exists(layout.log(wanted)) else b"":
        print_output(printed)
        return
    trial_row(load_results(store.uri), wanted)  # there may be no such trial at all
    kept = ", ".join(Path(path).stem for path in store.files("logs"))
    note(
        f"Trial {wanted} of the study in {store.uri} printed nothing; trials that did: {kept or 'none'}. With "
        "--workers 0, output goes to the terminal."
    )
