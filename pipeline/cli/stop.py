"""`tunepipe stop`: a study on this machine or on a cluster, or one of its trials."""

from typing import Annotated

import typer

from pipeline.cli.cluster_options import (
    NAMESPACE,
    Context,
    Dashboard,
    Namespace,
    RayJobs,
    cluster_of,
    given_on_command_line,
    refuse_other_options,
)
from pipeline.cli.console import note, print_text
from pipeline.cli.control import Reason, stop_trial
from pipeline.cli.options import STORAGE, Storage, option, study_argument, study_store
from pipeline.errors import Interrupted, JobNotFound, UsageError, UserError
from pipeline.study.studies import as_argument, called


def stop(
    asked: typer.Context,
    study: Annotated[
        str,
        study_argument(
            "A study: its name in --storage, or the path or URI of its folder. With --address or --kubernetes a "
            "submission, as `tunepipe status` lists it, or its study.",
            "STUDY|SUBMISSION",
        ),
    ],
    storage: Storage = STORAGE,
    trial: Annotated[str | None, option("Stop only this trial of the study (id or number).", "TRIAL")] = None,
    reason: Reason = "",
    address: Dashboard = None,
    kubernetes: RayJobs = False,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
) -> None:
    """Stop a study on this machine or on a cluster, or one of its trials. `resume` or `submit` continues a study."""
    refuse_other_options(asked, kubernetes=kubernetes)
    on_address = address is not None and given_on_command_line(asked, "address")
    if trial is not None:
        if kubernetes or on_address:
            raise UsageError("--trial stops a trial of a study in a storage: name the storage with --storage.")
        stop_trial(study, storage, trial, reason)
    elif reason:
        raise UsageError("--reason needs --trial: it becomes the reason in the table decisions.")
    elif kubernetes or on_address or (address is not None and not _is_running(study, storage)):
        cluster = cluster_of(address, kubernetes, context, namespace)
        found = cluster.find(study, storage if given_on_command_line(asked, "storage") else None)
        if kubernetes or not found.has_ended:
            cluster.stop(found.name)
        state = f"had already ended ({found.state.lower()})" if found.has_ended else "was stopped"
        deleted = " and was deleted" if kubernetes else ""
        print_text(f"{found.name} {state}{deleted}. `tunepipe submit` continues its study.")
    else:
        _stop_here(study, storage)


def _is_running(study: str, storage: str) -> bool:
    from pipeline.execution.commands import running_session

    try:
        return running_session(study_store(study, storage)) is not None
    except UserError:
        return False


def _stop_here(study: str, storage: str) -> None:
    """Ask a study's driver to end, wherever it runs, and wait for it."""
    from pipeline.execution.commands import request_stop, wait_for_end
    from pipeline.storage.sessions import describe_driver, read_sessions, state_in

    try:
        store = study_store(study, storage)
    except JobNotFound as error:
        raise JobNotFound(
            f"{error} A study on a cluster is stopped with --address http://HOST:8265 or with --kubernetes."
        ) from None
    name, resume = called(store.uri), f"tunepipe resume {as_argument(store.uri)}"
    session = request_stop(store)
    if session is None:
        state = state_in(store, read_sessions(store, only_last=True))
        print_text(f"The study {name!r} is not running: it is {state}.")
        return
    note(
        f"Session {session['number']} was asked to end: {describe_driver(session)}. Waiting for the end of the "
        f"current epochs. If it hangs, `{resume} --take-over` continues without it."
    )
    try:
        state = wait_for_end(store, session)
    except KeyboardInterrupt:
        note("\nThe request remains, and the study will end.")
        raise typer.Exit(Interrupted.exit_code) from None
    if state == "waiting":
        print_text(f"The study {name!r} ended before its first epoch and was removed.")
    else:
        print_text(f"The study {name!r} is {state}.{f' `{resume}` continues it.' if state == 'interrupted' else ''}")
