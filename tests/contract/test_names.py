"""Whatever a person can name is told wherever such names are told."""

import re
from pathlib import Path

import pytest

import pipeline
from pipeline.cli import options
from pipeline.cli.app import app
from pipeline.datasets import DATASETS
from pipeline.schedulers import SCHEDULERS
from pipeline.searchers import SEARCHERS

HOME = Path(__file__).parents[2]
README, JOBS = (HOME / "README.md").read_text(), (HOME / "docs/jobs.md").read_text()


def words(annotation: object) -> set[str]:
    """The words of an option's help."""
    (option,) = annotation.__metadata__
    return set(re.findall(r"[a-z0-9-]+", option.help))


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_scheduler_is_told(kind):
    """In the help, in the README, in the documentation of jobs, and as a public name."""
    assert kind in words(options.Scheduler)
    assert re.search(rf"--scheduler [a-z0-9|-]*\b{kind}\b", README)
    assert f"`{kind}`" in JOBS
    assert SCHEDULERS[kind].__name__ in pipeline.__all__


@pytest.mark.parametrize("kind", SEARCHERS)
def test_a_searcher_is_told(kind):
    """In the help, in the README and in the documentation of jobs."""
    assert kind in words(options.Search)
    assert re.search(rf"--search [a-z|]*\b{kind}\b", README)
    assert f"`{kind}`" in JOBS


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_is_told(name):
    """In the documentation of jobs."""
    assert f"`{name}`" in JOBS


@pytest.mark.parametrize("command", [each.name for each in app.registered_commands])
def test_a_command_is_shown(command):
    """In the README, as a person types it."""
    assert re.search(rf"tunepipe {command}\b", README)
