"""The storage of studies, the studies in it, and the message when one does not exist."""

import shlex
from pathlib import Path

import pytest

from pipeline.storage import Store
from pipeline.study.studies import as_argument, called, no_study, study_names
from tests.recorded_studies import Recording, tune_job


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Recording(tmp_path / "studies", tune_job("one"))
    return tmp_path


def test_a_study_is_called_by_its_name_where_that_is_enough(here: Path) -> None:
    assert called(str(here / "studies/one")) == "one"
    for location in (str(here / "other/two"), "s3://bucket/two?region=x"):
        assert called(location) == location


@pytest.mark.parametrize("location", ["/my studies/two", "s3://bucket/two?scheme=http&region=x"])
def test_a_study_in_a_command_is_quoted_where_a_shell_needs_it(here: Path, location: str) -> None:
    assert shlex.split(as_argument(location)) == [location]
    assert as_argument(str(here / "studies/one")) == "one"


@pytest.fixture
def storage(tmp_path: Path) -> Store:
    for name in ("b", "a", "mnist-asha"):
        Store(tmp_path / "studies" / name).write("study.json", "{}")
    Store(tmp_path / "studies" / "notes").write("text", "")
    return Store(tmp_path / "studies")


def test_a_study_is_a_folder_with_its_specification(storage: Store) -> None:
    assert storage.local is not None
    (storage.local / "linked").symlink_to(storage.local / "a")
    assert study_names(storage) == ["a", "b", "linked", "mnist-asha"]


def test_an_entry_that_cannot_be_read_hides_no_other(storage: Store) -> None:
    assert storage.local is not None
    (storage.local / "x").mkdir()
    (storage.local / "x" / "study.json").symlink_to("../a/study.json")
    assert study_names(storage) == ["a", "b", "mnist-asha", "x"]
    assert "Available: a, b, mnist-asha, x. " in str(no_study(storage.folder("other")))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "mnist-ahsa",
            "There is no study 'mnist-ahsa' in {}. Did you mean 'mnist-asha'? Available: a, b, mnist-asha. ",
        ),
        ("else/x", "There is no study 'x' in {}/else. `tunepipe run JOB` creates one. "),
        ("", "{} is not a study but contains some: a, b, mnist-asha. Name one of them."),
    ],
)
def test_a_study_that_does_not_exist_is_explained(storage: Store, name: str, words: str) -> None:
    wrong = Store(f"{storage.uri}/{name}" if name else storage.uri)
    assert str(no_study(wrong)).startswith(words.format(storage.uri))
