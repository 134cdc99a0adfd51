"""Warning events of a namespace: when one was last seen, and how often."""

from datetime import datetime
from typing import Any


def last_seen(event: Any) -> datetime | None:
    """When the reporter of an event has last seen what it says; None if the event has no time."""
    series: datetime | None = event.series.last_observed_time if event.series else None
    when: datetime | None = series or event.last_timestamp or event.event_time
    return when


def first_seen(event: Any) -> datetime | None:
    """When the reporter of an event has first seen what it says; None if the event has no time."""
    when: datetime | None = event.first_timestamp or event.event_time
    return when


def moment(event: Any) -> float:
    """When an event was last seen, in seconds since 1970, to sort events; 0 if the event has no time."""
    when = last_seen(event)
    return when.timestamp() if when is not None else 0.0


def times_seen(event: Any) -> int:
    """How often the reporter of an event has seen what it says."""
    return int((event.series.count if event.series else None) or event.count or 1)
