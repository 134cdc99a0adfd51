"""What TensorBoard shows of event files."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def shown_in_tensorboard(folder: Path, name: str) -> list[tuple[int, float]]:
    """The points of a scalar that TensorBoard shows: epochs and values."""
    # By default it keeps a sample of long curves.
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]
