"""The live page over HTTP."""

import numpy as np
import pytest

from pipeline.page.guard import POLICY
from pipeline.results import load_results
from tests.unit.page.conftest import Get

PAGES = [
    "/",
    "/studies/mnist-asha",
    "/studies/mnist-asha/table?where=config_lr%20%3E%200.01&sort=-epochs",
    "/studies/mnist-asha/explain",
    "/studies/mnist-asha/trials/0000",
    "/studies/mnist-asha/trials/0004",
    "/studies/mnist-pbt",
    "/studies/mnist-pbt/trials/0001",
    "/compare?study=mnist-asha&study=mnist-pbt",
]


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_whole_without_a_script(get: Get, path: str) -> None:
    """A page is HTML without an inline script or style, and its headers let the browser run none."""
    answer = get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert " style=" not in answer.text
    assert "<style" not in answer.text
    assert all(tag.startswith(' type="module" src="/static/') for tag in answer.text.split("<script")[1:])


def test_studies_are_listed_with_what_they_came_to(get: Get) -> None:
    """Each study in the list has its state, its best value and its numbers of trials and epochs."""
    page = get("/").text
    for printed in ("mnist-asha", "mnist-pbt", "finished", "val_accuracy", "0.9666", "24", "<polyline"):
        assert printed in page


def test_columns_and_curves_are_those_of_the_tables(get: Get, storage: object) -> None:
    """The columns and curves that pictures are drawn from have the values that `load_results` reads."""
    results = load_results(f"{storage}/mnist-asha")
    data = get("/studies/mnist-asha/columns").json()
    assert data["trials"] == results.trials["trial_id"].tolist()
    columns = {column["name"]: column for column in data["columns"]}
    assert columns["epochs"]["values"] == results.trials["epochs"].tolist()
    optimizers = columns["config_optimizer"]
    assert [optimizers["levels"][place] for place in optimizers["values"]] == results.trials[
        "config_optimizer"
    ].tolist()
    content = get("/studies/mnist-asha/curves?metric=val_loss").content
    count = int(np.frombuffer(content, "<u4", 1)[0])
    lengths = np.frombuffer(content, "<u4", count, 4)
    total = int(lengths.sum())
    epochs = np.frombuffer(content, "<f4", total, 4 + 4 * count)
    values = np.frombuffer(content, "<f4", total, 4 + 4 * count + 4 * total)
    assert count == len(results.trials)
    assert lengths.tolist() == results.trials["epochs"].tolist()
    assert epochs.tolist() == results.epochs["epoch"].tolist()
    np.testing.assert_allclose(values, results.epochs["val_loss"], rtol=1e-6)


def test_a_trial_has_its_log_as_a_terminal_shows_it(get: Get) -> None:
    """A trial's page shows its log without colours and old states of progress bars, and the download has them."""
    page = get("/studies/mnist-asha/trials/0000").text
    assert "red\nstep 2\n&lt;b&gt;bold&lt;/b&gt;" in page
    answer = get("/studies/mnist-asha/trials/0000/log")
    assert answer.content.startswith(b"\x1b[31mred")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="0000.log"'


def test_a_trials_files_can_be_downloaded(get: Get) -> None:
    """A trial's files and its newest checkpoint are sent as downloads that the browser does not display."""
    assert get("/studies/mnist-asha/trials/0000/files/deep/er.txt").content == b"written"
    answer = get("/studies/mnist-asha/trials/0000/files/deep/er.txt")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    page = get("/studies/mnist-asha/trials/0000").text
    if "/checkpoint" in page:
        assert get("/studies/mnist-asha/trials/0000/checkpoint").content == b"weights"


@pytest.mark.parametrize(
    "path",
    [
        "/studies/..%2f..%2fetc",
        "/studies/none",
        "/studies/mnist-asha/trials/9999",
        "/studies/mnist-asha/trials/..%2f..%2fsecret.txt",
        "/studies/mnist-asha/trials/0000/files/..%2f..%2fstudy.json",
        "/studies/mnist-asha/trials/0000/files/%2fetc%2fpasswd",
        "/studies/mnist-asha/trials/0004/checkpoint",
        "/studies/secret.txt",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/nothing",
    ],
)
def test_no_path_leads_anywhere_else(get: Get, path: str) -> None:
    """A path that belongs to no study, trial or file is not found, and the answer reveals no other files."""
    answer = get(path)
    assert answer.status_code == 404, answer.text
    assert "no study's" not in answer.text


def test_too_few_studies_cannot_be_compared(get: Get) -> None:
    """A comparison of too few studies is refused with the number needed."""
    answer = get("/compare?study=mnist-asha")
    assert answer.status_code == 400
    assert "Choose 2 to 8 studies" in answer.text


def test_programs_get_text_instead_of_a_page(get: Get) -> None:
    """Requests for data get an error as one line of text instead of a page."""
    answer = get("/studies/none/columns", headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert answer.text.startswith("There is no study 'none'")


def test_events_begin_with_the_mark_of_the_page(get: Get) -> None:
    """Events begin with the page's current mark, so that a page that is up to date does not reload."""
    page = get("/studies/mnist-asha").text
    mark = page.partition('data-mark="')[2].partition('"')[0]
    with get("/studies/mnist-asha/events", stream=True) as answer:
        assert next(answer.iter_lines()) == f"data: {mark}".encode()
