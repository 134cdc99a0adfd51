"""A driver that starts while its storage is unreachable waits in a RayJob: its next cluster would fail as well."""

import os
import time
from collections.abc import Callable

from pipeline.errors import StorageUnreachable, UsageError
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.study.studies import STORAGE_WAIT_VARIABLE

POLL_SECONDS = 5.0


def wait_for_storage(storage: str, note: Callable[[str], None]) -> None:
    """Wait until a storage answers, for as many seconds as TUNEPIPE_STORAGE_WAIT says; not at all by default.

    If the storage answers and refuses the request, the driver does not wait: a wrong key or name stays wrong.
    """
    began, noted = time.monotonic(), False
    while True:
        try:
            Store(storage).exists(layout.STUDY)
        except StorageUnreachable as error:
            seconds = _seconds()
            if seconds and not noted:
                why = str(error).partition(". Fix")[0].rstrip(".")
                note(f"The driver waits for the storage for up to {seconds:.0f} s: {why}.")
                noted = True
            if time.monotonic() - began >= seconds:
                raise
        else:
            return
        time.sleep(POLL_SECONDS)


def _seconds() -> float:
    text = os.environ.get(STORAGE_WAIT_VARIABLE, "0")
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{STORAGE_WAIT_VARIABLE} must be a number of seconds; found {text!r:.100}.") from None
