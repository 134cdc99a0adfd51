"""A study for TensorBoard, read back from its event files."""

from pathlib import Path

import pytest
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import masked_crc32c  # the format's own checksum

from pipeline.errors import StorageError
from pipeline.results import Results, load_results
from pipeline.results.export.tensorboard import LiveTensorBoard, write_tensorboard
from pipeline.study import Objective
from tests.tensorboard import shown_in_tensorboard
from tests.unit.results.studies import Recording, tune_job, with_tables


def _events(folder: Path) -> list[event_pb2.Event]:
    (file,) = folder.glob("events.out.*")
    content, events, at = file.read_bytes(), [], 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 8], "little")
        data = content[at + 12 : at + 12 + length]
        assert int.from_bytes(content[at + 12 + length : at + 16 + length], "little") == masked_crc32c(data)
        events.append(event_pb2.Event.FromString(data))
        at += 16 + length
    return events


def test_every_epoch_of_every_trial_is_exported(asha_results: Results, tmp_path: Path) -> None:
    written = write_tensorboard(asha_results, tmp_path / "board")
    assert len(written) == asha_results.epochs["trial_id"].nunique()
    trial = asha_results.best.trial_id  # type: ignore[union-attr]
    events = _events(tmp_path / "board" / trial)
    reported = {
        event.step: (value.simple_value, event.wall_time)
        for event in events
        for value in event.summary.value
        if value.tag == "val_accuracy"
    }
    rows = asha_results.epochs[asha_results.epochs["trial_id"] == trial]
    assert [reported[epoch][0] for epoch in rows["epoch"]] == pytest.approx(rows["val_accuracy"].to_list(), rel=1e-6)
    assert [reported[epoch][1] for epoch in rows["epoch"]] == [time.timestamp() for time in rows["time"]]


def test_hyperparameters_are_exported_with_the_objective(asha_results: Results, tmp_path: Path) -> None:
    write_tensorboard(asha_results, tmp_path)
    events = _events(tmp_path / "0001")
    tags = [value.tag for event in events for value in event.summary.value]
    assert [tag for tag in tags if tag.startswith("_hparams_/")] == [
        "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info",
    ]  # fmt: skip
    assert "objective" in tags
    assert b"optimizer" in next(
        value.metadata.plugin_data.content
        for event in events
        for value in event.summary.value
        if value.tag == "_hparams_/session_start_info"
    )


def test_a_folder_that_is_not_empty_is_refused(asha_results: Results, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with pytest.raises(StorageError, match="is not empty"):
        write_tensorboard(asha_results, tmp_path)


@pytest.mark.parametrize("sessions", [1, 2])
def test_an_epoch_that_is_trained_again_replaces_what_was_written(
    asha_results: Results, tmp_path: Path, sessions: int
) -> None:
    assert asha_results.best is not None
    trial = asha_results.best.trial_id
    of_trial = asha_results.epochs["trial_id"] == trial
    again = asha_results.epochs.copy()
    again.loc[of_trial & (again["epoch"] >= 3), "val_accuracy"] += 0.01
    partly = again[~of_trial | (again["epoch"] <= 4)]
    running = with_tables(asha_results, trials=asha_results.trials.assign(state="running"))
    log = LiveTensorBoard(tmp_path)
    log.update(running)
    if sessions == 2:
        log.close()
        log = LiveTensorBoard(tmp_path)
    for epochs in (partly, again, again):
        log.update(with_tables(running, epochs=epochs))
    log.close()

    folder = tmp_path / asha_results.name / trial
    own = again[of_trial]
    assert shown_in_tensorboard(folder, "val_accuracy") == [
        (epoch, pytest.approx(value, rel=1e-6)) for epoch, value in zip(own["epoch"], own["val_accuracy"], strict=True)
    ]
    assert [epoch for epoch, _ in shown_in_tensorboard(folder, "loss")] == own["epoch"].to_list()
    assert shown_in_tensorboard(folder, "objective")[-1][0] == own["epoch"].max()


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("metrics", [("objective",), ("objective", "best_objective")])
def test_a_metric_called_objective_keeps_its_values(tmp_path: Path, live: bool, metrics: tuple[str, ...]) -> None:
    study = Recording(tmp_path, tune_job("own", objectives=[Objective("objective", "max")]), metrics=metrics)
    for epoch, value in enumerate((0.5, 0.75, 0.25), start=1):
        study.train("0000", epoch, {"lr": 0.1}, value, float(epoch))
    study.end(4.0)
    results, folder = load_results(study.store.uri), tmp_path / "board"
    if live:
        log = LiveTensorBoard(folder)
        for _ in range(2):
            log.update(results)
        log.close()
        folder = folder / "own"
    else:
        write_tensorboard(results, folder)
    for metric in metrics:
        assert [value for _, value in shown_in_tensorboard(folder / "0000", metric)] == [0.5, 0.75, 0.25]
    assert shown_in_tensorboard(folder / "0000", f"best_{metrics[-1]}") == [(3, 0.75)]
