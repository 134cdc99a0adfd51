"""Facts about data, and the findings from them."""

import numpy as np

from pipeline import Dataset, Split
from pipeline.execution.preflight.data_findings import data_facts, data_finding
from pipeline.execution.preflight.finding import DataFacts


def test_data_are_counted_and_non_finite_numbers_found() -> None:
    """Rows, shapes and sizes of the data are reported, and where NaN or infinity occurs."""
    x, y = np.ones((6, 2), np.float32), np.eye(3, dtype=np.float32)[[0, 1, 0, 1, 0, 1]]
    holes = x.copy()
    holes[0, 0], holes[1, 1] = np.nan, np.inf
    facts = data_facts(
        Dataset("d", Split({"a": holes, "b": x}, y), Split({"a": x, "b": x}, y), classes=["p", "q", "r"])
    )
    assert facts.rows == {"train": 6, "validation": 6}
    assert facts.inputs == "a 2 float32, b 2 float32"
    assert (facts.targets, facts.classes) == ("3 float32", 3)
    assert facts.non_finite == {"inputs of train": 2}
    assert facts.unseen == []


def test_a_class_that_only_validation_has_is_found() -> None:
    """A class that occurs only in the validation split is found, and its column is reported."""
    x, y = np.ones((2, 1), np.float32), np.eye(3, dtype=np.float32)
    assert data_facts(Dataset("d", Split(x, y[[0, 1]]), Split(x, y[[0, 2]]))).unseen == [2]


def test_texts_are_called_text() -> None:
    """Inputs of text are described as text, whether NumPy has them as strings or as objects."""
    texts = {"a": np.array(["x", "y"]), "b": np.array(["x", "y"], object)}
    split = Split(texts, np.zeros((2, 1), np.float32))
    assert data_facts(Dataset("d", split, split)).inputs == "a 1 text, b 1 text"


def _facts(**fields: object) -> DataFacts:
    """Facts of a small data set."""
    known = {"name": "d", "rows": {"train": 1200}, "inputs": "64 float32", "targets": "10 float32", "classes": 10}
    return DataFacts(**{**known, "bytes": 2_000_000, **fields})


def test_data_are_described() -> None:
    """The finding about data has the rows, shapes, classes and size in one line."""
    finding = data_finding(_facts())
    assert finding.level == "ok"
    assert finding.found == "d: 1,200 train rows; inputs 64 float32, targets 10 float32, 10 classes; 2 MB"


def test_data_without_a_hash_are_named() -> None:
    """The finding about data names the parts without a hash, whose changes a resume does not notice."""
    array = {"shape": [2], "dtype": "|O", "sha256": None}
    pipeline = {"pipeline": "tf.data.Dataset", "batches": 2, "elements": "float32"}
    hashed = {"shape": [2], "dtype": "<f4", "sha256": "0"}
    finding = data_finding(_facts(fingerprint={"train": pipeline, "test.x": array, "test.y": hashed}))
    assert finding.level == "ok"
    assert finding.found.endswith(
        ". A resume does not notice a change in the content of the train pipeline and the test inputs, because the "
        "study stores no hash of it"
    )


def test_values_that_are_not_numbers_are_a_fault_of_the_data() -> None:
    """Values that are not numbers are a fault of the data, with their count and split."""
    finding = data_finding(_facts(non_finite={"inputs of train": 3}))
    assert (finding.level, finding.found.endswith("3 in the inputs of train")) == ("error", True)


def test_a_class_that_training_never_shows_is_a_warning() -> None:
    """Classes that only the validation split has are a warning that names them."""
    assert data_finding(_facts(unseen=[2, 9])).found.endswith("no row of class 2, 9")
    assert data_finding(_facts(unseen=[2, 9])).level == "warning"


def test_data_of_a_config_must_be_the_same_at_each_call():
    """Data that differ at each call are a warning, and a fault if they depend on the config."""
    unsteady = _facts(unsteady=["train has other values"])
    assert data_finding(unsteady).level == "warning"
    assert data_finding(unsteady, of_config=True).level == "error"


def test_parts_that_trials_share_are_described() -> None:
    """The finding about data says what the trials of a node share, and is a warning if there is no room for it."""
    shared = "the trials of a node share 'train' (8 elements)"
    finding = data_finding(_facts(shared=shared))
    assert (finding.level, finding.found.partition("MB. ")[2]) == (
        "ok",
        "The trials of a node share 'train' (8 elements)",
    )
    finding = data_finding(_facts(shared=shared, no_room="They need 9 TB"))
    assert finding.level == "warning"
    assert finding.found.endswith("share 'train' (8 elements). They need 9 TB")
    assert "TMPDIR" in finding.advice
