"""How trials and the best value develop."""

from dataclasses import replace
from pathlib import Path

from pipeline.results import Results, load_results
from pipeline.results.analysis.best_so_far import alive_seconds, progress, reached, rises, tracks, train_column
from pipeline.study import Objective
from tests.unit.results.small_studies import one_epoch_study
from tests.unit.results.studies import Recording, tune_job


def test_the_best_grows_with_time_trials_and_epochs(tmp_path: Path) -> None:
    """The curve of the best value has a row with the best so far, seconds, trials and epochs for each epoch."""
    best_curve = progress(one_epoch_study(tmp_path, "a", [0.2, 0.1, 0.5]))
    assert best_curve["best"].to_list() == [0.2, 0.2, 0.5]
    assert best_curve["seconds"].to_list() == [1.0, 2.0, 3.0]
    assert best_curve["trials"].to_list() == best_curve["epochs"].to_list() == [1, 2, 3]


def test_values_and_rises_come_in_order_of_time(asha_results: Results) -> None:
    """All values that count come in order of time, and the best rises from the first of them to the study's best."""
    best_curve, (seconds, values) = progress(asha_results), reached(asha_results)
    assert list(seconds) == sorted(seconds)
    assert max(values) == asha_results.best.value
    assert len(values) < len(best_curve)
    rows = rises(asha_results)
    assert (rows["best"].iloc[0], rows["best"].iloc[-1]) == (values[0], max(values))
    assert rows["best"].is_monotonic_increasing
    assert rows["best"].is_unique
    assert rows.equals(best_curve.loc[rows.index])
    assert rises(asha_results) is rows


def test_values_of_failed_trials_do_not_count(asha_results: Results) -> None:
    """In the curve of the best value, failed trials count with their epochs but not with their values."""
    best_curve = progress(asha_results)
    best = asha_results.best
    assert best is not None
    assert best_curve["best"].iloc[-1] == best.value
    trials = asha_results.trials
    failed = trials.assign(state=trials["state"].where(trials["trial_id"] != best.trial_id, "failed"))
    without = progress(replace(asha_results, trials=failed))
    assert without["best"].iloc[-1] < best.value
    assert len(without) == len(best_curve) == len(asha_results.epochs)


def test_time_between_sessions_does_not_count(tmp_path: Path) -> None:
    """In the curve of the best value, each session's seconds continue at the end of the session before."""
    study = Recording(tmp_path, tune_job("twice"))
    study.train("0000", 1, {"lr": 0.1}, 0.5, 4.0)
    study.end(10.0)
    study.session = 2
    study.train("0000", 2, {"lr": 0.1}, 0.6, 5003.0, session=2)
    study.end(7.0, started=5000.0)
    study.session = 3
    study.train("0000", 3, {"lr": 0.1}, 0.7, 9002.0, session=3)
    study.end(5.0, started=9000.0)
    results = load_results(study.store.uri)
    assert alive_seconds(results, results.epochs).tolist() == [4.0, 13.0, 19.0]
    assert progress(results)["seconds"].tolist() == [4.0, 13.0, 19.0]


def test_the_training_split_s_counterpart_is_found(asha_results: Results) -> None:
    """The training metric of `val_accuracy` is `accuracy` if any epoch has a value of it."""
    assert train_column(asha_results) == "accuracy"
    epochs = asha_results.epochs
    assert train_column(replace(asha_results, epochs=epochs.assign(accuracy=float("nan")))) is None
    assert train_column(replace(asha_results, epochs=epochs.drop(columns="accuracy"))) is None


def test_rows_fall_into_tracks(pbt_results: Results) -> None:
    """Rows are split into one track for each trial, or for each segment of a trial, as pandas' groupby splits them."""
    epochs = pbt_results.epochs
    for by in (["trial_id"], ["trial_id", "segment"]):
        found = tracks(epochs, ["epoch", "val_accuracy"], by=by)
        grouped = [rows[["epoch", "val_accuracy"]].to_numpy() for _, rows in epochs.groupby(by)]
        assert len(found) == len(grouped)
        assert all((one == other).all() for one, other in zip(found, grouped, strict=True))
    assert tracks(epochs.iloc[:0], ["epoch"], by=["trial_id"]) == []


def test_the_best_of_a_loss_falls(tmp_path: Path) -> None:
    """If less is better, the curve of the best value falls from the first value to the smallest one."""
    best_curve = progress(one_epoch_study(tmp_path, "a", [0.5, 0.7, 0.2], metric="val_loss", mode="min"))
    assert best_curve["best"].to_list() == [0.5, 0.5, 0.2]


def test_values_beyond_a_bound_do_not_count(tmp_path: Path) -> None:
    """In the curve of the best value, an epoch beyond a bound counts, but its value does not."""
    objectives = (Objective("val_accuracy", "max"), Objective("accuracy", "max", at_most=0.8))
    study = Recording(tmp_path, tune_job("bounded", space={}, objectives=objectives))
    for trial, epoch, value, at in (("0000", 1, 0.5, 1.0), ("0000", 2, 0.95, 2.0), ("0001", 1, 0.7, 3.0)):
        study.train(trial, epoch, {}, value, at)
    study.end(5.0)
    results = load_results(study.store.uri)
    assert progress(results)["best"].to_list() == [0.5, 0.5, 0.7]
    assert [column.tolist() for column in reached(results)] == [[1.0, 3.0], [0.5, 0.7]]


def test_a_worker_s_clock_may_be_slow(tmp_path: Path) -> None:
    """An epoch that ended before its session by the clock of its worker counts as ended at the session's start."""
    study = Recording(tmp_path, tune_job("slow"))
    study.train("0000", 1, {"lr": 0.1}, 0.5, -2.0)
    study.end(10.0)
    results = load_results(study.store.uri)
    assert alive_seconds(results, results.epochs).tolist() == [0.0]
