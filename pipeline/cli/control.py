"""Commands to a running study: files in its folder that its driver executes; and `stop`, also on a cluster."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.cluster_options import Cluster, StudyOrSubmission, with_kubernetes
from pipeline.cli.console import print_text
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import STORAGE, Storage, Study, option, study_store, trial_id
from pipeline.errors import Interrupted, JobNotFound, UsageError
from pipeline.study.files import as_argument, called
from pipeline.text import note

if TYPE_CHECKING:
    from pipeline.engine.commands import Command
    from pipeline.storage import Store


Reason = Annotated[str, option("Why; recorded in the table decisions.", "TEXT")]


@with_job_options("trials", "total_epochs", "seconds")
def budget(study: Study, *, options: JobOptions, storage: Storage = STORAGE, reason: Reason = "") -> None:
    """Change the budget of a running study. For one that has ended, use `resume` with the same options."""
    from pipeline.engine.commands import ChangeBudget
    from pipeline.execution.commands import running_session

    if not options.given:
        raise UsageError("Nothing to change: give --trials, --total-epochs or --seconds.")
    store = study_store(study, storage)
    if running_session(store) is None:
        raise UsageError(
            f"The study in {store.uri} is not running. `tunepipe resume {as_argument(store.uri)}` with the same "
            "options resumes it with another budget."
        )
    _carry_out(store, ChangeBudget(**options.given, reason=reason))


@with_kubernetes
def stop(
    study: StudyOrSubmission,
    *,
    storage: Storage = STORAGE,
    trial: Annotated[str | None, option("Stop only this trial of the study (id or number).", "TRIAL")] = None,
    reason: Annotated[str, option("With --trial: why; recorded in the table decisions.", "TEXT")] = "",
    address: Annotated[str | None, option("Dashboard of a Ray cluster, http://HOST:8265.", "URL")] = None,
    cluster: Cluster,
) -> None:
    """Stop a study, here or on a cluster, or a trial. `resume` or `submit` continues a study."""
    cluster = replace(cluster, address=address)
    cluster.check_options()
    on_cluster = cluster.kubernetes or cluster.address is not None
    if (trial is not None and on_cluster) or (trial is None and reason):
        raise UsageError("--trial stops a trial of a study in a storage, not on a cluster; --reason needs --trial.")
    if trial is not None:
        from pipeline.engine.commands import StopTrial
        from pipeline.results.tables.load import load_results
        from pipeline.results.tables.trials import trial_row

        store, wanted = study_store(study, storage), trial_id(trial)
        trial_row(load_results(store.uri), wanted)
        _carry_out(store, StopTrial(trial_id=wanted, reason=reason))
    elif on_cluster:
        server = cluster.connect()
        found = server.find(study)
        if cluster.kubernetes or not found.has_ended:
            server.stop(found.name)
        state = f"has ended ({found.state.lower()})" if found.has_ended else "was stopped"
        print_text(f"{found.name} {state}. `tunepipe submit` continues its study.")
    else:
        _stop_here(study, storage)


def _stop_here(study: str, storage: str) -> None:
    """Ask a study's driver to end, wherever it runs, and wait for it."""
    from pipeline.execution.commands import request_stop, wait_for_end
    from pipeline.storage.sessions import describe_driver, read_sessions, state_of

    try:
        store = study_store(study, storage)
    except JobNotFound as error:
        raise JobNotFound(f"{error} --address or --kubernetes stops a study on a cluster.") from None
    name, resume = called(store.uri), f"tunepipe resume {as_argument(store.uri)}"
    if (session := request_stop(store)) is None:
        state = state_of(read_sessions(store, only_last=True))
        print_text(f"The study {name!r} is not running: its state is {state}.")
        return
    note(
        f"Session {session.number} was asked to end: {describe_driver(session)}. Waiting for the end of the "
        f"current epochs. If it hangs, `{resume} --take-over` continues without it."
    )
    try:
        state = wait_for_end(store, session)
    except KeyboardInterrupt:
        note("\nThe request remains, and the study will end.")
        raise typer.Exit(Interrupted.exit_code) from None
    how = {"waiting": "was removed: it ended before its first epoch", "ended": "has ended"}.get(state, f"is {state}")
    print_text(f"The study {name!r} {how}.{f' `{resume}` continues it.' if state == 'interrupted' else ''}")


def _carry_out(store: "Store", command: "Command") -> None:
    """Send a command to the study's driver, and print its outcome."""
    from pipeline.engine.commands import REFUSED
    from pipeline.execution.commands import running_session, send, wait_for_outcome

    later = f"`tunepipe resume {as_argument(store.uri)}`, with a larger budget if the study has ended, executes it"
    runs, name = running_session(store) is not None, send(store, command)
    if not runs:
        print_text(f"The study in {store.uri} is not running. The command is recorded: {later}.")
        return
    try:
        outcome = wait_for_outcome(store, name)
    except KeyboardInterrupt:
        note("\nThe command is recorded. The study's driver executes it at its next report.")
        raise typer.Exit(Interrupted.exit_code) from None
    if outcome and outcome.startswith(REFUSED):
        raise UsageError(outcome)
    print_text(outcome or f"The study ended before it executed the command: {later}.")
