"""One trial on a terminal."""

import re
from pathlib import Path

import pytest

from pipeline.errors import JobNotFound
from pipeline.results import Results, load_results
from pipeline.results.tables.user_files import TrialFile, TrialFiles
from pipeline.results.views.trial_view import trial_view
from pipeline.study import Objective
from tests.unit.results.small_studies import printed
from tests.unit.results.studies import Recording, tune_job


def _shown(results: Results, trial_id: str, files: TrialFiles | None = None) -> str:
    return printed(trial_view(results, trial_id, files))


def test_a_trial_is_shown_whole(asha_results: Results) -> None:
    """A trial is shown with state, best value, config, epochs with the objective first, and decisions with reasons."""
    reported = _shown(asha_results, "0009")
    assert reported.startswith("mnist-asha  trial 0009  failed, 2 epochs in ")
    assert re.search(r"\nbest +val_accuracy 0\.6036 at epoch 1", reported)
    assert re.search(r"\nconfig +lr=\S+  momentum=", reported)
    head = next(line.split() for line in reported.splitlines() if line.split()[:1] == ["epoch"])
    assert head[:2] == ["epoch", "val_accuracy"]
    assert head[-2:] == ["learning_rate", "seconds"]
    _, _, table = reported.partition("\nepochs\n")
    assert [line.split()[:2] for line in table.splitlines()[1:3]] == [["1", "0.6036"], ["2", "–"]]
    assert re.search(r"2 +fail +val_accuracy is NaN at epoch 2: lower the learning rate\.", reported)


def test_a_trial_without_an_epoch_has_no_table_of_them(asha_results: Results) -> None:
    """A trial without an epoch has no table of epochs, and the first line of its error is the reason."""
    reported = _shown(asha_results, "0004")
    assert reported.startswith("mnist-asha  trial 0004  failed, 0 epochs")
    assert "\nepochs" not in reported
    assert "\nbest" not in reported
    assert re.search(r"0 +fail +ValueError: units: ", reported)


def test_a_lost_worker_shows_as_an_attempt(asha_results: Results) -> None:
    """The number of attempts is shown only for trials that had more than one."""
    assert re.search(r"\nattempts +2", _shown(asha_results, "0007"))
    assert "attempts" not in _shown(asha_results, "0000")


def test_segments_tell_whose_weights_and_which_config(population: Results) -> None:
    """Each segment has a line with the origin of its weights, and the config shown is that of the best epoch."""
    reported = _shown(population, "0000")
    lines = [line.split() for line in reported.splitlines()]
    start = lines.index(["segments"])
    assert lines[start + 2] == ["1", "its", "own", "0.5"]
    assert lines[start + 3] == ["3", "trial", "0001", "at", "epoch", "2", "0.08"]
    assert re.search(r"config at epoch 4 +lr=0\.08", reported)
    assert re.search(r"weights of +trial 0001", reported)
    assert "segments" not in _shown(population, "0001")


def test_files_are_listed_and_the_rest_summed_up(asha_results: Results) -> None:
    """Of many files of a trial, twenty are listed and the rest is a sum, with the reason why some were deleted."""
    kept = [TrialFile(f"f{number}.bin", 1000) for number in range(23)]
    reported = _shown(asha_results, "0000", TrialFiles("files/0000", kept, [TrialFile("big\n.bin", 5_000_000)]))
    assert "files in files/0000" in reported
    assert re.search(r"3 kB +… in 3 more files", reported)
    assert re.search(r"5 MB +big\\n\.bin, deleted: beyond resources\.files_gigabytes", reported)
    assert "files in" not in _shown(asha_results, "0000", TrialFiles("files/0000"))


def test_a_trial_that_does_not_exist_is_refused(asha_results: Results) -> None:
    """A trial that does not exist is refused with the existing ids."""
    with pytest.raises(JobNotFound, match="no trial '0099'"):
        trial_view(asha_results, "0099")


def test_a_metric_called_seconds_keeps_its_values(tmp_path: Path) -> None:
    """A metric called seconds is shown with its own values, beside the seconds of the epoch."""
    study = Recording(tmp_path, tune_job("timed", objectives=[Objective("seconds", "min")]), metrics=("seconds",))
    study.train("0000", 1, {"lr": 0.1}, 42.5, 1.0)
    study.end(2.0)
    _, _, table = _shown(load_results(study.store.uri), "0000").partition("\nepochs\n")
    assert [line.split() for line in table.splitlines()[:2]] == [
        ["epoch", "seconds", "learning_rate", "seconds"],
        ["1", "42.5", "0.1", "0.94"],
    ]
