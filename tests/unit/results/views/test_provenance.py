"""Where a study's numbers come from, in words."""

import json

import pytest

from pipeline.results.report.page import report_page
from pipeline.results.tables.load import load_results
from pipeline.results.views.provenance import provenance_in_words, provenance_object
from pipeline.storage import Store
from pipeline.study import layout
from tests.unit.results.studies import asha_study

MACHINE = {"host": "a", "system": "Linux 6", "cpu": "Fast", "cores": 8, "memory": 64 * 10**9, "gpus": ["L4", "L4"]}
PROVENANCE = {
    "versions": {"python": "3.11.7", "keras": "3.1"},
    "command": ["tunepipe", "run", "<b>job.py</b>"],
    "machine": MACHINE,
    "seed": 3,
    "git": {"commit": "abc123", "dirty": True},
}
NODES = [{**MACHINE, "versions": PROVENANCE["versions"]}, {**MACHINE, "host": "b", "versions": {"keras": "3.2"}}]
SESSION = {
    "number": 2,
    "state": "finished",
    "started": "2025-03-14T09:30:00+00:00",
    "provenance": PROVENANCE,
    "nodes": NODES,
}


def test_a_session_is_described():
    """A session is described by command, commit, versions, machine with GPUs, seed and other nodes."""
    ((title, lines),) = provenance_in_words([{"number": 1}, SESSION])
    assert title == "session 2, 2025-03-14 09:30:00 UTC"
    assert lines == [
        ("command", "tunepipe run '<b>job.py</b>'"),
        ("commit", "abc123, with uncommitted changes"),
        ("versions", "python 3.11.7, keras 3.1"),
        ("machine", "a, Linux 6, Fast, 8 cores, 64 GB of memory, 2 × L4"),
        ("seed", "3"),
        ("worker on", "b, Linux 6, Fast, 8 cores, 64 GB of memory, 2 × L4; keras 3.2"),
    ]


@pytest.mark.usefixtures("no_pictures")
def test_the_report_shows_it_where_there_is_any(tmp_path):
    """The report shows recorded provenance as escaped text, and has no such section without any."""
    asha_study(tmp_path, trials=2)
    (study,) = Store(tmp_path).folders()
    store = Store(tmp_path).folder(study)
    assert "Provenance" not in report_page(load_results(store.uri))
    last = json.loads(store.read(store.files("sessions")[-1]))
    store.write(layout.session(last["number"]), json.dumps({**last, "provenance": PROVENANCE, "nodes": NODES}))
    page = report_page(load_results(store.uri))
    assert "abc123, with uncommitted changes" in page
    assert "<b>job.py</b>" not in page
    assert "&lt;b&gt;job.py&lt;/b&gt;" in page


def test_an_export_of_a_running_session_does_not_say_how_the_session_ends(tmp_path):
    """A session that has ended has its state, and one that is running has only the facts of its start."""
    asha_study(tmp_path)
    (study,) = Store(tmp_path).folders()
    store = Store(tmp_path).folder(study)
    ended = json.loads(store.read(store.files("sessions")[-1]))
    running = {**ended, "number": ended["number"] + 1, "state": "running", "ended": None}
    store.write(layout.session(running["number"]), json.dumps(running))
    *_, before, now = provenance_object(store, {})["sessions"]
    assert before["state"] == "finished"
    assert before["ended"]
    assert now["started"]
    assert not {"state", "ended", "seconds", "message"} & now.keys()
