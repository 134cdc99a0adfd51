"""Schedulers, searchers and data sets are documented wherever their names are listed."""

import re
from pathlib import Path

import pytest

import pipeline
from pipeline.cli.commands import app
from pipeline.cli.job_options import JOB_OPTIONS
from pipeline.datasets import DATASETS
from pipeline.schedulers import SCHEDULERS
from pipeline.searchers import SEARCHERS

HOME = Path(__file__).parents[2]
COMMANDS, SEARCH, DATA = ((HOME / f"docs/{page}.md").read_text() for page in ("commands", "search", "data"))


def words(option: str) -> set[str]:
    return set(re.findall(r"[a-z0-9-]+", JOB_OPTIONS[option][0].__metadata__[0].help))


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_scheduler_is_documented(kind):
    assert kind in words("scheduler")
    assert f"`{kind}`" in SEARCH
    assert SCHEDULERS[kind].__name__ in pipeline.__all__


@pytest.mark.parametrize("kind", SEARCHERS)
def test_a_searcher_is_documented(kind):
    assert kind in words("search")
    assert f"`{kind}`" in SEARCH


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_is_documented(name):
    assert f"`{name}`" in DATA


@pytest.mark.parametrize("command", [each.name for each in app.registered_commands])
def test_a_command_is_shown(command):
    assert re.search(rf"tunepipe {command}\b", COMMANDS)
