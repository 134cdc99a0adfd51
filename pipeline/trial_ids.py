"""The order of trials by their ids: schedulers, tables and rankings use the same."""

DrawOrder = tuple[int, str, str]


def draw_order(trial_id: str) -> DrawOrder:
    """A sort key that puts trials in the order in which they were drawn: 9999 before 10000."""
    # Compared as text of equal length, numbers of any size keep their order.
    number = trial_id.lstrip("0")
    return len(number), number, trial_id
