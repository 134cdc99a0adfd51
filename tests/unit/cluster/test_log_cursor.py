"""A pod's log, looked at again and again."""

from pipeline.cluster.log_cursor import LogCursor
from tests.ray_sources import check_text


def test_each_line_is_printed_once_and_whole():
    """Each line of a log is printed once and whole: an incomplete one waits until it ends or the log does."""
    printed = LogCursor()
    assert printed.advance("one\ntw", ended=False) == "one\n"
    assert printed.advance("one\ntwo\nthree", ended=False) == "two\n"
    assert printed.advance("one\ntwo\nthree", ended=False) == ""
    assert printed.advance("one\ntwo\nthree", ended=True) == "three"
    assert printed.advance("one\ntwo\nthree", ended=True) == ""


def test_a_rotated_log_is_printed_from_its_beginning():
    """After a kubelet rotates a log, the new file is printed from its beginning."""
    printed = LogCursor()
    printed.advance("one\ntwo\n", ended=False)
    assert printed.advance("three\n", ended=False) == "three\n"
    assert printed.advance("three\nfour\n", ended=False) == "four\n"


def test_rays_advice_on_submissions_is_left_out():
    """Ray's advice about its own submission is left out; errors, warnings and the study's output are printed."""
    log = (
        "2026-11-25 18:41:55,490\tINFO cli.py:341 -- ray job stop s-1-zwm96\n"
        "2026-11-25 18:41:55,490\tSUCC cli.py:67 -- Job 's-1-zwm96' submitted successfully\n"
        "2026-11-25 18:41:56,000\tERR cli.py:90 -- Job 's-1-zwm96' failed\n"
        "2026-11-25 18:41:57,000\tINFO mine.py:3 -- lr 0.1\n"
        "0:10  |  2 running  |  0 epochs\n"
    )
    reported = LogCursor().advance(log, ended=False)
    assert "cli.py:341" not in reported
    assert "cli.py:67" not in reported
    assert reported == "".join(log.splitlines(keepends=True)[2:])
    check_text(
        '_level_str="SUCC"',
        "autoscaler/_private/cli_logger.py",
        "pipeline/cluster/log_cursor.py leaves lines of that level out",
        "Ray's advice is printed among the study's output",
    )
