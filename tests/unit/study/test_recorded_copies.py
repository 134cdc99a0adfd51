"""What study.json says about the copies of a study's sources."""

import pytest

from pipeline.errors import StorageError
from pipeline.study.recorded_copies import RecordedCopies


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"folders": [], "modules": []},
        {"folders": [3], "modules": {}},
        {"folders": [], "modules": {"a": {"path": "../a.py", "sha256": ""}}},
        {"folders": [], "modules": {"a": {"path": "/etc/a.py", "sha256": ""}}},
        {"folders": [], "modules": {"a": {"path": "a", "sha256": ""}}},
        {"folders": [], "modules": {"a": {"path": "a.py"}}},
        {"folders": [], "modules": {"a": {"path": "a.py", "sha256": 3}}},
        {"folders": [], "modules": {}, "files": ["a.txt"]},
        {"folders": [], "modules": {}, "files": {"../a.txt": ""}},
        {"folders": [], "modules": {}, "files": {"/etc/passwd": ""}},
        {"folders": [], "modules": {}, "files": {"a.txt": None}},
        {"folders": [], "modules": {}, "arguments": [3]},
    ],
)
def test_records_of_copies_are_validated(value: object) -> None:
    """A recorded path that leads out of source/, or was not written by tunepipe, is refused."""
    with pytest.raises(StorageError, match=r"The entry `sources` of study\.json"):
        RecordedCopies(value)


def test_the_arguments_of_a_script_are_recorded() -> None:
    """The arguments of a script survive JSON; a study that no script started has none."""
    recorded = RecordedCopies()
    assert "arguments" not in recorded.to_json()
    recorded.arguments = ("--size", "3")
    assert RecordedCopies(recorded.to_json()).arguments == ("--size", "3")
