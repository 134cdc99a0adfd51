"""How fast a session trains: an average without the start of the workers and without pauses."""


class TrainingRate:
    """Epochs a second between the reports of a session.

    The epochs of the first report, and of the first one after a pause, do not count: when they began is not known.
    """

    def __init__(self) -> None:
        self._epochs = self._intervals = 0
        self._seconds = 0.0
        self._last: float | None = None

    @property
    def per_second(self) -> float | None:
        """Epochs that all workers train in a second, on average; None before the second report."""
        return self._epochs / self._seconds if self._seconds > 0 else None

    def on_report(self, epochs: int, now: float) -> None:
        """Record a report."""
        if not epochs:
            return
        if self._last is not None:
            self._epochs += epochs
            self._intervals += 1
            self._seconds += now - self._last
        self._last = now

    def pause(self) -> None:
        """Leave out the time until the next report."""
        self._last = None

    def waited(self, now: float) -> float:
        """The seconds since the last report, at most the average time between two: then one is overdue."""
        if self._last is None or not self._intervals:
            return 0.0
        return min(now - self._last, self._seconds / self._intervals)
