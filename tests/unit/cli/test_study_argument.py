"""How the command line names a study: by its name within a storage, or by its folder."""

from pathlib import Path

import pytest

from pipeline.cli.options import located, study_store, trial_id
from pipeline.errors import JobNotFound
from tests.recorded_studies import Recording, tune_job


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with studies/one in it."""
    monkeypatch.chdir(tmp_path)
    Recording(tmp_path / "studies", tune_job("one"))
    return tmp_path


@pytest.mark.parametrize("study", ["one", "./studies/one", "studies/one/", "studies/../studies/one", "{}/studies/one"])
def test_a_name_and_every_kind_of_path_lead_to_the_study(study: str, here: Path) -> None:
    assert study_store(study.format(here), "studies").local == here / "studies/one"


def test_within_a_storage_its_folders_are_studies(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("studies")
    assert study_store("one", "studies").local == here / "studies/one"
    monkeypatch.chdir("one")
    assert study_store(".", "studies").local == here / "studies/one"


def test_a_path_leads_where_the_system_goes(here: Path) -> None:
    (here / "deep/inner").mkdir(parents=True)
    (here / "link").symlink_to(here / "deep/inner")
    Recording(here / "deep/studies", tune_job("two"))
    assert study_store("link/../studies/two", "studies").local == here / "deep/studies/two"
    assert located("link/../studies/two", "studies") == (str(here / "deep/studies"), "two")
    assert located("link/..", "studies") == (str(here), "deep")


def test_a_study_that_is_a_link_keeps_the_link_s_name(here: Path) -> None:
    (here / "studies/other").symlink_to(here / "studies/one")
    for path in ("studies/other", "studies/../studies/other", f"{here}/studies/other/"):
        assert located(path, "studies") == (str(here / "studies"), "other")


def test_a_uri_is_taken_apart_and_keeps_its_query() -> None:
    assert located("s3://bucket/deep/one?region=x", "studies") == ("s3://bucket/deep?region=x", "one")
    assert located("gs://bucket/my%20studies/one%202/", "studies") == ("gs://bucket/my%20studies", "one 2")


@pytest.mark.parametrize(
    ("study", "reported"),
    [
        ("two", r"no study 'two' in .*/studies\. Available: one\. `tunepipe studies --storage"),
        ("onne", r"Did you mean 'one'\?"),
        ("./studies", "There is no study 'studies'"),
    ],
)
def test_a_study_that_is_not_there(study: str, reported: str, here: Path) -> None:
    with pytest.raises(JobNotFound, match=reported):
        study_store(study, "studies")


def test_a_trial_is_called_by_its_number_too() -> None:
    assert [trial_id(text) for text in ("7", "0007", "x7")] == ["0007", "0007", "x7"]
