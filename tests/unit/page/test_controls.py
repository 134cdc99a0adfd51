"""Forms of the live page with --control, which reach a driver or are refused."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
import requests

from pipeline.engine.commands import Enqueue
from pipeline.engine.messages import Report
from pipeline.execution.commands import outcomes
from pipeline.execution.driver import command_inbox
from pipeline.page.controls import ACTIONS, config_text
from pipeline.page.study_cache import StudyCache
from pipeline.storage import Store, lease
from pipeline.study import layout
from tests.clocks import Leaping
from tests.serving import serving
from tests.unit.execution.recorded_curves import Study, new_study, row

Post = Callable[..., requests.Response]


@pytest.fixture
def driven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study whose driver is this process, and has reported an epoch of its first trial."""
    for module in (command_inbox, lease):
        monkeypatch.setattr(module, "time", Leaping())
    s = new_study(tmp_path / "s")
    s.session.begin()
    trial = s.session.next()
    assert trial is not None
    s.session.on_report(trial.trial_id, Report((row(1, 0.5),), checkpoints=[(trial.trial_id, 1, 1)]))
    s.session.flush()
    return s


@pytest.fixture
def post(driven: Study, tmp_path: Path) -> Iterator[Post]:
    """Sends a form of the study's page, and returns the page that follows."""
    with serving(tmp_path, control=True) as address:

        def send(headers: dict[str, str | None] | None = None, **form: str) -> requests.Response:
            # None leaves a header out.
            given = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", **(headers or {})}
            return requests.post(f"{address}/studies/s/commands", data=form, headers=given, timeout=60)

        yield send


def test_forms_become_commands_and_the_page_says_what_became_of_them(driven: Study, post: Post) -> None:
    """Forms enqueue a config, change the budget, stop a trial, and pause and continue the study."""
    assert "waits for the next report" in post(action="enqueue", config="x=0.25", reason="<b>a guess</b>").text
    post(action="budget", trials="9", seconds="900.5", total_epochs="")
    trial = post(action="stop-trial", trial="0000", reason="too slow")
    assert "/trials/0000" in trial.url
    assert "Stop trial 0000: too slow" in trial.text
    assert "a guess" not in trial.text
    post(action="pause")
    driven.session.beat()
    assert list(outcomes(driven.store).values()) == [
        "The config is tried next, as trial 0001.",
        "The budget is changed: trials 9 instead of 4, seconds 900.5 instead of no limit.",
        "Trial 0000 ends at its next report.",
        "The study is paused: running trials pause at their next report, and no trial starts.",
    ]
    page = post(action="continue").text
    assert '<span class="state paused">paused</span>' in page
    assert "Try x=0.25: &lt;b&gt;a guess&lt;/b&gt;" in page
    assert "is tried next, as trial 0001." in page
    driven.session.beat()
    assert driven.session.engine.paused is None


def test_a_study_is_stopped(driven: Study, post: Post) -> None:
    """A form stops a study as `tunepipe stop` does."""
    post(action="stop")
    assert driven.store.exists(layout.stop_request(1))
    driven.session.beat()
    assert driven.session.engine.interrupted


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ({"action": "enqueue", "config": "x=5"}, "config.x"),
        ({"action": "enqueue", "config": "x"}, "NAME=VALUE"),
        ({"action": "enqueue", "config": "'"}, "NAME=VALUE"),
        ({"action": "enqueue", "config": " "}, "at least one value"),
        ({"action": "budget"}, "Nothing to change"),
        ({"action": "budget", "trials": "1.5"}, "trials must be a whole number"),
        ({"action": "budget", "seconds": "nan"}, "seconds must be a number"),
        ({"action": "pause", "reason": "x" * 3000}, "at most 2,000 characters"),
        ({"action": "other"}, "does not belong to the page"),
        ({}, "does not belong to the page"),
        ({"action": "pause", "reason": "x" * 200_000}, "does not belong to the page"),
    ],
)
def test_a_form_that_cannot_be_executed_is_reported(
    driven: Study, post: Post, form: dict[str, str], printed: str
) -> None:
    """A form that cannot be executed is reported and does not reach the driver."""
    answer = post(**form)
    assert answer.status_code == 400
    assert printed in answer.text
    assert outcomes(driven.store) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": None, "Origin": "http://evil.example"},
        {"Sec-Fetch-Site": None, "Origin": "null"},
        {"Sec-Fetch-Site": None, "Origin": "http://[::1"},
    ],
)
def test_a_page_of_another_site_can_send_no_form(driven: Study, post: Post, headers: dict[str, str | None]) -> None:
    """A form that a page of another site sends is refused and has no effect."""
    assert post(headers, action="pause").status_code == 403
    assert outcomes(driven.store) == {}


def test_without_control_nothing_is_changed(driven: Study, tmp_path: Path) -> None:
    """Without --control a page has no form, and a submitted form is refused."""
    with serving(tmp_path) as address:
        page = requests.get(f"{address}/studies/s", headers={"Accept": "text/html"}, timeout=60).text
        answer = requests.post(f"{address}/studies/s/commands", data={"action": "pause"}, timeout=60)
        foreign = {"Origin": "http://evil.example"}
        crossed = requests.post(f"{address}/studies/s/commands", data={"action": "pause"}, headers=foreign, timeout=60)
    assert 'method="post"' not in page
    assert (answer.status_code, crossed.status_code) == (403, 403)
    assert "--control" in answer.text
    assert outcomes(driven.store) == {}


def test_a_config_is_read_as_it_was_written(driven: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of every type, also texts that look like numbers, are read from a form as `config_text` wrote them."""
    config = {
        "x": 0.25,
        "n": 3,
        "flag": True,
        "text": "true",
        "words": "a 'b' \\ c",
        "list": [64, {"units": 8}],
        "no": None,
    }
    sent: list[Enqueue] = []
    monkeypatch.setattr("pipeline.page.controls.start_faults", lambda *_: [])
    monkeypatch.setattr("pipeline.page.controls.send", lambda _, command: sent.append(command))
    ACTIONS["enqueue"](StudyCache(Store(driven.store.uri.rpartition("/")[0])), "s", {"config": config_text(config)})
    assert [command.config for command in sent] == [config]


def test_a_variation_of_a_trial_can_be_tried(driven: Study, tmp_path: Path) -> None:
    """With --control, a trial's page leads to the study's form with the trial's config in it."""
    with serving(tmp_path, control=True) as address:
        headers = {"Accept": "text/html"}
        page = requests.get(f"{address}/studies/s/trials/0000", headers=headers, timeout=60).text
        (found,) = re.findall(r'href="([^"]*\?config=[^"]*)"', page)
        form = requests.get(address + unescape(found), headers=headers, timeout=60).text
    (entered,) = re.findall(r'name="config"[^>]* value="([^"]*)"', form)
    assert entered.startswith("x=")
