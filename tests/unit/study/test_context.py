"""The context of the trial for which the user's code is called."""

import sys
import threading
from pathlib import Path

import pytest

from pipeline import trial
from pipeline.errors import StorageError
from pipeline.study.context import TrialContext, current, in_part, in_trial


@pytest.fixture
def context(tmp_path):
    return TrialContext("0003", 7, 20, tmp_path)


def test_a_thread_has_no_trial(context):
    found = []
    with in_trial(context):
        thread = threading.Thread(target=lambda: found.append(current()))
        thread.start()
        thread.join()
    assert found == [None]


def test_each_model_of_a_trial_has_a_folder(context):
    with in_trial(context):
        with in_part("fold2"):
            assert trial().folder == context.folder / "fold2" == Path.cwd()
        with in_part(""):
            assert trial() == context
    with in_part("fold2"):
        assert current() is None


def test_trials_may_work_in_another_directory(context, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    before = Path.cwd()
    with in_trial(context, home):
        assert (trial().folder, Path.cwd()) == (context.folder, home)
        with in_part("fold2"):
            assert (trial().folder, Path.cwd()) == (context.folder / "fold2", home)
    assert Path.cwd() == before
    with in_trial(context):
        assert Path.cwd() == context.folder


def test_imports_use_the_folder_of_the_command(context, tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    (home / "beside_the_notebook.py").write_text("VALUE = 3")
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with in_trial(context):
        import beside_the_notebook

        assert beside_the_notebook.VALUE == 3
    assert "" in sys.path


def test_a_missing_folder_is_reported_and_changes_nothing(context, monkeypatch):
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    before, path = Path.cwd(), list(sys.path)
    context.folder.rmdir()
    reported = f"working folder {context.folder} of trial .* cannot be entered"
    with pytest.raises(StorageError, match=reported), in_trial(context):
        raise AssertionError
    assert (current(), Path.cwd(), sys.path) == (None, before, path)
