"""The notes when a session starts."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from pipeline import Budget, Choice, Dataset, Objective, Phase, Split, TuneJob, Uniform
from pipeline.execution.driver.start_notes import data_notes, fixed_lists, start_notes
from tests.unit.execution.recorded_curves import steps


def build_model(config: Mapping[str, Any]) -> None:
    """A model that is never built here."""


def unfrozen(model: Any, config: Mapping[str, Any]) -> None:
    """A phase that never begins here."""


def job(**fields: Any) -> TuneJob:
    """A job of a function; keyword arguments are its fields."""
    defaults: dict[str, Any] = {
        "name": "s",
        "function": steps,
        "space": {"x": Uniform(0, 1)},
        "objectives": [Objective("score", "max")],
        "scheduler": "fifo",
        "searcher": "random",
        "budget": Budget(trials=4, epochs=4),
    }
    return TuneJob(**{**defaults, **fields})


def model_job(**fields: Any) -> TuneJob:
    """A job of a model, whose objective is a metric of the training."""
    return job(function=None, model=build_model, data="digits", objectives=[Objective("loss", "min")], **fields)


def test_a_job_that_runs_as_it_says_has_no_notes() -> None:
    """A job whose functions are in files and whose budget can be used up has no start notes."""
    assert list(start_notes(job(), None, [])) == []


def test_a_function_in_no_file_is_noted_when_the_study_starts() -> None:
    """A new study notes that `tunepipe resume` cannot load a function without a file, and a resumed one does not."""

    def typed(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
        yield {"score": 1.0}

    (note,) = start_notes(job(function=typed), None, [])
    assert "typed is not defined in a file that the study can copy" in note
    assert list(start_notes(job(function=typed), job(function=typed), [])) == []


def test_a_budget_that_cannot_be_used_up_is_noted() -> None:
    """A study notes at its start that its space is smaller than its budget, or its budget smaller than before."""
    (new,) = start_notes(job(space={"x": 1}), None, [])
    assert new.startswith("The space has nothing to draw, so all 4 trials would be equal")
    (resumed,) = start_notes(job(budget=Budget(trials=4, epochs=2)), job(), [])
    assert resumed.startswith("The study resumes with a smaller budget than before: epochs 2 instead of 4.")


@pytest.mark.parametrize(
    ("starts", "reported"),
    [
        ([1, 3], []),
        ([1, 4], ["Phase 2 begins after a trial's last epoch, 4, "]),
        ([4, 9], ["Phases 1, 2 begin after a trial's last epoch, 4, "]),
    ],
)
def test_phases_that_no_trial_reaches_are_noted(starts: list[int], reported: list[str]) -> None:
    """Phases that begin only after a trial's last epoch are noted with how they could begin earlier."""
    phased = model_job(phases=[Phase(at=start, prepare=unfrozen) for start in starts])
    cause = "unless a callback stops the previous phase earlier."
    assert list(start_notes(phased, None, [])) == [f"{text}{cause}" for text in reported]


def test_lists_in_the_space_are_noted_as_fixed_values() -> None:
    """A list of several values in the space is noted as fixed, with the choice that would tune it."""
    space = {"x": Uniform(0, 1), "units": [16, 32], "shape": [8], "rate": Choice([1, 2]), "long": list(range(99))}
    assert list(fixed_lists(model_job(space=space))) == [
        "units is the list [16, 32] in every trial; Choice([16, 32]) draws one of its values, and Uniform(low, high) a "
        "number of a range.",
        "long is the list […] in every trial; Choice([…]) draws one of its values, and Uniform(low, high) a number of "
        "a range.",
    ]


def test_data_without_a_validation_split_are_noted() -> None:
    """Data without a validation split are noted with the metric that compares trials, and other data are not."""
    x = np.zeros((4, 2), "float32")
    (note,) = data_notes(model_job(), Dataset("rows", Split(x, x)), {})
    assert note.startswith("There is no validation split: trials are compared by loss")
    assert list(data_notes(model_job(), Dataset("rows", Split(x, x), Split(x, x)), {})) == []
    assert list(data_notes(job(), None, {})) == []


def test_numbers_that_are_not_finite_are_noted() -> None:
    """Arrays with NaN or infinite numbers are noted with their count and split."""
    x, y = np.zeros((4, 2), "float32"), np.zeros((4, 1), "float32")
    holes = x.copy()
    holes[:2, 0] = np.nan
    (note,) = data_notes(model_job(), Dataset("rows", Split(holes, y), Split(x, y)), {})
    assert note.startswith("The data have numbers that are NaN or infinite: 2 in the inputs of train. If the model")


def test_content_without_a_hash_is_noted() -> None:
    """Data whose content is not recorded are noted, because a resume does not notice that they changed."""
    recorded = {"train": {"pipeline": "tf.data.Dataset", "batches": 2, "elements": "float32"}}
    (note,) = data_notes(job(), None, recorded)
    assert "the train pipeline" in note


def test_parts_that_trials_share_are_noted() -> None:
    """Parts of pipelines that the trials of a node share are noted by name."""
    x = np.zeros((4, 2), "float32")
    data = Dataset("rows", Split(x, x), Split(x, x))
    object.__setattr__(data, "shared", ("train",))
    (note,) = data_notes(model_job(), data, {})
    assert note.startswith("The trials of a node share train: one of them writes it")
