"""Forms of the live page with --control, which reach a driver or are refused."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from pipeline.engine.messages import Report
from pipeline.execution import commands
from pipeline.execution.commands import outcomes
from pipeline.storage import layout, sessions
from tests.clocks import Leaping
from tests.recorded_curves import Study, new_study, row
from tests.serving import serving

Post = Callable[..., requests.Response]


@pytest.fixture
def driven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study whose driver is this process, and has reported an epoch of its first trial."""
    for module in (commands, sessions):
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
    with serving(tmp_path, control=True) as address:

        def send(headers: dict[str, str | None] | None = None, **form: str) -> requests.Response:
            # None leaves a header out.
            given = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", **(headers or {})}
            return requests.post(f"{address}/studies/s/commands", data=form, headers=given, timeout=60)

        yield send


def test_forms_become_commands_and_the_page_says_what_became_of_them(driven: Study, post: Post) -> None:
    trial = post(action="stop-trial", trial="0000")
    assert "/trials/0000" in trial.url
    assert "stop-trial 0000" in trial.text
    assert "waits for the next report" in trial.text
    driven.session.write_due()
    (outcome,) = outcomes(driven.store).values()
    assert outcome is not None
    assert outcome in post(action="stop").text
    assert driven.store.exists(layout.stop_request(1))


@pytest.mark.parametrize("form", [{"action": "other"}, {}, {"action": "stop", "trial": "x" * 200_000}])
def test_a_form_of_another_page_is_refused(driven: Study, post: Post, form: dict[str, str]) -> None:
    assert post(**form).status_code == 400
    assert outcomes(driven.store) == {}


@pytest.mark.parametrize("headers", [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": None, "Origin": "http://evil.example"},
    {"Sec-Fetch-Site": None, "Origin": "null"},
    {"Sec-Fetch-Site": None, "Origin": "http://[::1"},
])  # fmt: skip
def test_a_page_of_another_site_can_send_no_form(driven: Study, post: Post, headers: dict[str, str | None]) -> None:
    assert post(headers, action="stop-trial", trial="0000").status_code == 403
    assert outcomes(driven.store) == {}


def test_without_control_nothing_is_changed(driven: Study, tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        page = requests.get(f"{address}/studies/s", headers={"Accept": "text/html"}, timeout=60).text
        answer = requests.post(
            f"{address}/studies/s/commands", data={"action": "stop-trial", "trial": "0000"}, timeout=60
        )
    assert 'method="post"' not in page
    assert answer.status_code == 403
    assert "--control" in answer.text
    assert outcomes(driven.store) == {}
