"""A study as TensorBoard reads it: every metric by epoch, and the trials in its HParams tab."""

import math
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.results.leaderboard import configs_at_best
from pipeline.results.load import Results
from pipeline.storage.schema import metric_columns

__all__ = ["write_tensorboard"]


def write_tensorboard(results: Results, folder: Path) -> list[Path]:
    """Write an event file for each trial that has an epoch.

    Args:
        results: A study's results.
        folder: Where to write; must be empty or not be there, since TensorBoard adds up what it finds.

    Returns:
        The trials' folders.

    Raises:
        StorageError: The folder is not empty, or cannot be written.
    """
    from tensorboardX import SummaryWriter
    from tensorboardX.summary import hparams

    shown = [*metric_columns(results.epochs.columns), "learning_rate"]
    configs, written = configs_at_best(results), []
    values = dict(zip(results.trials["trial_id"], results.trials["objective"], strict=True))
    try:
        if folder.exists() and any(folder.iterdir()):
            raise StorageError(f"{folder} is not empty, and TensorBoard would add up what is in it. Choose another.")
        for trial, rows in results.epochs.groupby("trial_id", sort=False):
            place = folder / _folder_name(str(trial))
            writer = SummaryWriter(str(place), write_to_disk=True)
            best = float(values[trial])
            # The tab shows a metric only where a scalar of that name is written too.
            for summary in hparams(configs[str(trial)], {"objective": best}):
                writer.file_writer.add_summary(summary)
            for row in rows.to_dict("records"):
                for name in shown:
                    if row[name] is not None and math.isfinite(value := float(row[name])):
                        writer.add_scalar(name, value, int(row["epoch"]), walltime=row["time"].timestamp())
            if math.isfinite(best):
                writer.add_scalar("objective", best, int(rows["epoch"].max()), walltime=row["time"].timestamp())
            writer.close()
            written.append(place)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Cannot write {folder}: {reason}. Choose another folder with --tensorboard.") from None
    return written


def _folder_name(trial: str) -> str:
    """A trial's id as the name of a folder; ids come from the study's files, which may be anybody's."""
    if trial.isascii() and trial.isalnum():
        return trial
    raise ValueError(f"{trial!r:.100} is no trial's id")
