"""Programs of KerasTuner, Ray Tune and Optuna, as others write them: what becomes of each, and that it trains."""

from collections.abc import Callable
from pathlib import Path

import keras_tuner
import optuna
import pytest
from keras_tuner.src.engine.base_tuner import BaseTuner
from ray.tune import schedulers
from ray.tune.schedulers.pb2 import PB2
from ray.tune.search.basic_variant import BasicVariantGenerator
from ray.tune.search.optuna import OptunaSearch

from pipeline import load_results, run
from pipeline.adapters import from_program
from pipeline.adapters.optuna import PRUNERS
from pipeline.adapters.ray_tune import SCHEDULERS
from pipeline.errors import InvalidJob
from pipeline.space import walk
from pipeline.text import notes_to
from tests.cases import cases

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
    ("rt_params.py", RT, "lr unused n inner_size rate", "loss:min", 4, 5, "promoting-asha", "curves", 0),
    ("rt_pb2.py", RT, "lr", "acc:max", 3, 100, "pbt", "random", 1),
    ("rt_pbt.py", RT, "lr", "value:max", 4, 8, "pbt", "random", 0),
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
def test_a_program_becomes_a_job(
    place: str, library: str, space: str, objectives: str, trials: int, epochs: int, scheduler: str, searcher: str,
    notes: int, program: Program,
) -> None:  # fmt: skip
    file, colon, name = place.partition(":")
    told: list[str] = []
    given = {"data": "digits"} if file == "kt_plain.py" else {}
    with notes_to(told.append):
        job = from_program(f"{program(file)}{colon}{name}", library, **given)
    drawn = {parameter.name for parameter in walk(job.space) if hasattr(parameter.domain, "contains")}
    assert drawn == set(space.split())
    assert [f"{one.metric}:{one.mode}" for one in job.objectives] == objectives.split()
    assert (job.budget.trials, job.budget.epochs) == (trials, epochs)
    assert not scheduler or (job.scheduler.kind, job.searcher.kind) == (scheduler, searcher)
    assert {path.name for path in Path().iterdir()} <= {file, "__pycache__"}
    # Another module's tests may have started TensorFlow in this process.
    assert sum("TensorFlow was started" not in text for text in told) == notes


TRAINED = {row[0]: row for row in PROGRAMS if ":" not in row[0]}


@pytest.mark.parametrize(
    "file", cases(TRAINED, ("kt_fit.py", "op_data.py", "op_prune.py", "rt_class.py", "rt_helper.py"))
)
def test_its_job_trains(file: str, program: Program, tmp_path: Path) -> None:
    _, library, *_, epochs, _, _, _ = TRAINED[file]
    changes = {"budget.trials": 2, "budget.epochs": min(epochs, 4), "resources.workers": 0, "name": "s"}
    run(from_program(program(file), library).replaced(changes), storage=tmp_path, note=lambda _: None)
    trials = load_results(tmp_path / "s").trials
    assert list(trials["state"].isin(["completed", "stopped"])) == [True, True]
    assert trials["objective"].notna().all()


@pytest.mark.parametrize(("place", "library", "where"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_translated_is_refused_with_its_line(
    place: str, library: str, where: list[str], program: Program
) -> None:
    file, colon, name = place.partition(":")
    with pytest.raises(InvalidJob) as refused:
        from_program(f"{program(file)}{colon}{name}", library)
    assert [fault.field for fault in refused.value.faults] == where


MADE = {"metric": "m", "mode": "max"}
MADE_BY = {
    "PopulationBasedTraining": lambda: schedulers.PopulationBasedTraining(**MADE, hyperparam_mutations={"x": [1, 2]}),
    "PB2": lambda: PB2(**MADE, hyperparam_bounds={"x": [1, 2]}),
    "FIFOScheduler": schedulers.FIFOScheduler,
    "PercentilePruner": lambda: optuna.pruners.PercentilePruner(25.0),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_ray_tune_keeps_each_argument_under_a_known_name(name: str) -> None:
    made = MADE_BY.get(name, lambda: getattr(schedulers, name)(**MADE))()
    for attribute in SCHEDULERS[name][1].values():
        assert hasattr(made, attribute), f"{name} of Ray Tune no longer keeps {attribute}"


@pytest.mark.parametrize("name", PRUNERS)
def test_optuna_keeps_each_argument_under_a_known_name(name: str) -> None:
    made = MADE_BY.get(name, getattr(optuna.pruners, name))()
    for attribute in PRUNERS[name][1].values():
        assert hasattr(made, attribute), f"{name} of Optuna no longer keeps {attribute}"


@pytest.mark.parametrize(("made", "name"), [
    (schedulers.ASHAScheduler(**MADE), "_max_t"),
    (vars(schedulers.ASHAScheduler(**MADE))["_brackets"][0], "_rungs"),
    (schedulers.HyperBandScheduler(**MADE), "_max_t_attr"),
    (schedulers.HyperBandScheduler(**MADE), "_time_attr"),
    (MADE_BY["PopulationBasedTraining"](), "_hyperparam_mutations"),
    (MADE_BY["PopulationBasedTraining"](), "_custom_explore_fn"),
    (MADE_BY["PB2"](), "_hyperparam_mutations"),
    (OptunaSearch(**MADE), "_metric"),
    (OptunaSearch(**MADE, points_to_evaluate=[{"x": 1}]), "_points_to_evaluate"),
    (BasicVariantGenerator(points_to_evaluate=[{}]), "_points_to_evaluate"),
    (optuna.pruners.HyperbandPruner(), "_max_resource"),
    (optuna.samplers.GridSampler({"x": [1]}), "_search_space"),
    (optuna.samplers.TPESampler(constraints_func=lambda _: ()), "_constraints_func"),
    (optuna.trial.FixedTrial({}), "_suggest"),
    (optuna.trial.FixedTrial({}), "_params"),
    (BaseTuner, "_populate_initial_space"),
    (keras_tuner.Tuner, "_build_hypermodel"),
    (keras_tuner.HyperParameters(), "_register"),
])  # fmt: skip
def test_other_private_names_exist(made: object, name: str) -> None:
    assert hasattr(made, name), f"{made!r} no longer has {name}: see the adapter"
