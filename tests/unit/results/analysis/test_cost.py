"""What epochs cost."""

from dataclasses import replace

import pandas as pd

from pipeline.results import Results
from pipeline.results.analysis.cost import costs, has_costs, names_batches


def test_costs_add_up_from_epoch_to_epoch(batches: Results) -> None:
    """The cost after each epoch is the trial's own updates and seconds up to that epoch."""
    rows = costs(batches)
    assert rows["updates"].tolist() == [100, 200, 10, 20]
    assert rows["seconds"].tolist() == [10, 20, 1, 2]


def test_only_studies_of_batch_sizes_have_the_picture(batches: Results, asha_results: Results) -> None:
    """If all trials have the same batch size, or updates were not counted, the picture by updates is omitted."""
    assert has_costs(batches)
    assert not has_costs(asha_results)


def test_few_lines_are_named(batches: Results) -> None:
    """The lines of a cost picture are labelled with batch sizes only if there are at most twelve trials."""
    assert names_batches(batches)
    crowd = pd.concat([batches.epochs.assign(trial_id=f"{number:04d}") for number in range(13)])
    assert not names_batches(replace(batches, epochs=crowd))


def test_epochs_without_a_value_or_a_count_are_left_out(batches: Results) -> None:
    """The seconds of an epoch without a value count towards the cost of later epochs."""
    epochs = batches.epochs.assign(val_accuracy=[float("nan"), 0.92, 0.7, 0.7], updates=[100, 200, None, 20])
    rows = costs(replace(batches, epochs=epochs))
    assert rows[["trial_id", "updates", "seconds"]].to_numpy().tolist() == [["0000", 200, 20], ["0001", 20, 2]]
