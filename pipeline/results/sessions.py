"""Each driver session's own file, read back."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import StorageError
from pipeline.storage import Store

__all__ = ["SILENT_SECONDS", "read_sessions"]

SILENT_SECONDS = 60
"""A driver on Ray beats at least every half minute; silent this long, it is gone."""


def _a_moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


_Moment = Annotated[str, AfterValidator(_a_moment)]
_Whole = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
_Seconds = Annotated[float, Field(strict=True, ge=0, lt=1e12)]


class _Session(BaseModel):
    """What a session's file must hold, and what older ones may lack."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    number: Annotated[_Whole, Field(ge=1)]
    state: Literal["running", "finished", "interrupted", "failed"]
    started: _Moment
    heartbeat: _Moment | None = None
    ended: _Moment | None = None
    seconds: _Seconds = 0.0
    workers: _Whole | None = None
    host: str = ""
    pid: _Whole = 0
    process_started: _Seconds | None = None
    message: str = ""
    resume: dict[str, Any] | None = None


def read_sessions(store: Store) -> Sequence[Mapping[str, Any]]:
    """The content of each driver session's file, by number; other files are passed over.

    Args:
        store: The study's folder.

    Raises:
        StorageError: A session's file is not what a driver wrote.
    """
    sessions = []
    for path in store.files("sessions"):
        if not re.fullmatch(r"sessions/[0-9]+\.json", path):
            continue
        try:
            # Of any size: what a resumed study needs of its trials is in it.
            sessions.append(_Session.model_validate(store.read_json(path, most=None)))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise StorageError(
                f"{path} in {store.uri} is not a session's: {place}: {first['msg']}. Restore it from a copy."
            ) from None
    return [session.model_dump() for session in sorted(sessions, key=lambda session: session.number)]
