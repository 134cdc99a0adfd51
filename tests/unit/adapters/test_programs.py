"""Programs of KerasTuner, Ray Tune and Optuna, as others write them: what becomes of each, and that it trains."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline import load_results, run
from pipeline.adapters import from_program
from pipeline.errors import InvalidJob
from pipeline.space import walk

Program = Callable[[str], str]
KT, RT, OP = "keras-tuner", "ray-tune", "optuna"

# place, library, hyperparameters, objectives, trials, epochs, scheduler, searcher, number of notes
PROGRAMS: list[tuple[str, str, str, str, int, int, str, str, int]] = [
    ("kt_fit.py", KT, "units normalize shuffle batch", "val_loss:min", 3, 3, "asha", "random", 0),
    (
        "kt_hyper.py", KT, "model_type mlp_units filters pooling dropout_rate optimizer momentum", "val_accuracy:max",
        10, 4, "hyperband", "random", 0,
    ),
    ("kt_loop.py", KT, "units batch_size learning_rate", "my_metric:min", 2, 100, "asha", "random", 0),
    (
        "kt_mnist.py", KT, "num_layers units_0 activation dropout lr units_1 units_2", "val_accuracy:max", 3, 2,
        "promoting-asha", "curves", 0,
    ),
    ("kt_oracle.py", KT, "rows units rate", "loss:min", 2, 100, "asha", "random", 0),
    ("kt_plain.py:build_recurrent", KT, "rnn_units rnn_cell learning_rate", "val_loss:min", 16, 8, "", "", 0),
    ("kt_trial.py", KT, "batch_size epochs units", "val_loss:min", 3, 100, "asha", "random", 1),
    ("kt_value.py", KT, "x", "val_loss:min", 5, 1, "asha", "random", 0),
    ("op_callback.py", OP, "lr rate batch", "value:min", 3, 100, "asha", "random", 1),
    ("op_data.py", OP, "kind scale curved power", "value:min", 4, 1, "asha", "tpe", 0),
    ("op_data.py:objective", OP, "kind scale curved power", "value:min", 4, 1, "asha", "tpe", 0),
    ("op_keras.py", OP, "units activation dropout learning_rate", "value:max", 4, 100, "median", "tpe", 0),
    (
        "op_layers.py", OP, "n_layers n_units_l0 dropout_l0 n_units_l1 dropout_l1 n_units_l2 dropout_l2 lr",
        "value:min", 5, 1, "asha", "tpe", 0,
    ),
    ("op_multi.py", OP, "x y", "value_0:min value_1:min", 5, 1, "moasha", "motpe", 0),
    ("op_prune.py", OP, "alpha", "value:min", 6, 100, "median", "tpe", 0),
    ("op_quad.py", OP, "x y", "value:min", 6, 1, "asha", "tpe", 0),
    ("op_sklearn.py", OP, "classifier svc_c rf_max_depth", "value:max", 5, 1, "asha", "tpe", 0),
    ("rt_basic.py", RT, "alpha nested_beta", "mean_loss:min", 6, 100, "promoting-asha", "random", 0),
    ("rt_class.py", RT, "a", "score:max", 4, 6, "promoting-asha", "curves", 0),
    ("rt_helper.py", RT, "lr", "loss:min", 2, 100, "promoting-asha", "curves", 1),
    ("rt_keras.py", RT, "lr momentum hidden activation", "mean_accuracy:max", 3, 4, "asha", "random", 0),
    ("rt_mutations.py", RT, "lr inner_factor decay layers", "value:max", 4, 6, "pbt", "random", 1),
    ("rt_params.py", RT, "lr unused n", "loss:min", 4, 5, "promoting-asha", "curves", 0),
    ("rt_pb2.py", RT, "lr", "acc:max", 3, 100, "pbt", "random", 1),
    ("rt_pbt.py", RT, "lr", "value:max", 4, 8, "pbt", "random", 0),
    ("rt_sample.py", RT, "a inner_size rate", "loss:min", 3, 100, "promoting-asha", "curves", 0),
    ("rt_search.py", RT, "x kind", "loss:min size:max", 3, 100, "promoting-moasha", "motpe", 1),
    ("rt_simple.py", RT, "a b", "score:min", 4, 100, "promoting-asha", "random", 0),
]  # fmt: skip

REFUSED = [
    ("kt_bad.py:build", KT, ["kt_bad.py, line 6"]),
    ("kt_bad.py:build2", KT, ["kt_bad.py, line 13"]),
    ("kt_bad.py", KT, ["name"]),
    ("op_ask.py", OP, ["op_ask.py, line 10"]),
    ("op_dep.py", OP, ["op_dep.py, line 6"]),
    ("rt_bad.py", RT, ["param_space.y", "param_space.z", "param_space.f"]),
]


@pytest.mark.parametrize(
    ("place", "library", "space", "objectives", "trials", "epochs", "scheduler", "searcher", "notes"),
    PROGRAMS,
    ids=[row[0] for row in PROGRAMS],
)
def test_a_program_becomes_a_job_that_trains(
    place: str, library: str, space: str, objectives: str, trials: int, epochs: int, scheduler: str, searcher: str,
    notes: int, program: Program, tmp_path: Any,
) -> None:  # fmt: skip
    file, colon, name = place.partition(":")
    told: list[str] = []
    given = {"data": "digits"} if file == "kt_plain.py" else {}
    job = from_program(f"{program(file)}{colon}{name}", library, note=told.append, **given)
    drawn = {parameter.name for parameter in walk(job.space) if hasattr(parameter.domain, "contains")}
    assert drawn == set(space.split())
    assert [f"{one.metric}:{one.mode}" for one in job.objectives] == objectives.split()
    assert (job.budget.trials, job.budget.epochs) == (trials, epochs)
    assert not scheduler or (job.scheduler.kind, job.searcher.kind) == (scheduler, searcher)
    assert len(told) == notes
    if file in ("kt_plain.py", "kt_loop.py", "kt_trial.py", "kt_hyper.py", "op_keras.py", "rt_keras.py"):
        # Its data are others, or it trains for seconds: the long test has it.
        return
    short = job.replaced({"budget.trials": 2, "budget.epochs": min(epochs, 4), "resources.workers": 0, "name": "s"})
    run(short, storage=tmp_path / "studies", note=lambda _: None)
    trials_of_study = load_results(tmp_path / "studies/s").trials
    assert list(trials_of_study["state"].isin(["completed", "stopped"])) == [True, True]
    assert trials_of_study["objective"].notna().all()


@pytest.mark.long
@pytest.mark.parametrize("place", ["kt_loop.py", "kt_trial.py", "kt_hyper.py", "op_keras.py", "rt_keras.py"])
def test_a_program_that_trains_for_seconds_trains(place: str, program: Program, tmp_path: Any) -> None:
    job = from_program(program(place), {"kt": KT, "op": OP, "rt": RT}[place[:2]], resources={"workers": 0})
    run(job.replaced({"budget.trials": 2, "name": "s"}), storage=tmp_path / "studies", note=lambda _: None)
    assert load_results(tmp_path / "studies/s").trials["objective"].notna().all()


@pytest.mark.parametrize(("place", "library", "where"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_translated_is_refused_with_its_line(
    place: str, library: str, where: list[str], program: Program
) -> None:
    file, colon, name = place.partition(":")
    with pytest.raises(InvalidJob) as refused:
        from_program(f"{program(file)}{colon}{name}", library)
    assert [fault.field for fault in refused.value.faults] == where
