"""A pod's log, looked at again and again."""

from pipeline.cluster.printed import Printed


def test_each_line_is_told_once_and_whole():
    """What is still being written waits for its end; the last line comes where nothing more does."""
    printed = Printed()
    assert printed.news("one\ntw", ended=False) == "one\n"
    assert printed.news("one\ntwo\nthree", ended=False) == "two\n"
    assert printed.news("one\ntwo\nthree", ended=False) == ""
    assert printed.news("one\ntwo\nthree", ended=True) == "three"
    assert printed.news("one\ntwo\nthree", ended=True) == ""


def test_a_log_that_was_begun_anew_is_told_from_its_beginning():
    """A kubelet begins a new file where a log has grown large."""
    printed = Printed()
    printed.news("one\ntwo\n", ended=False)
    assert printed.news("three\n", ended=False) == "three\n"
    assert printed.news("three\nfour\n", ended=False) == "four\n"


def test_what_ray_says_of_its_own_submission_is_left_out():
    """Its advice is for other commands; errors and warnings stay, and so does all that the study prints."""
    log = (
        "2026-11-25 18:41:55,490\tINFO cli.py:341 -- ray job stop s-1-zwm96\n"
        "2026-11-25 18:41:55,490\tSUCC cli.py:67 -- Job 's-1-zwm96' submitted successfully\n"
        "2026-11-25 18:41:56,000\tERR cli.py:90 -- Job 's-1-zwm96' failed\n"
        "2026-11-25 18:41:57,000\tINFO mine.py:3 -- lr 0.1\n"
        "0:10  |  2 running  |  0 epochs\n"
    )
    told = Printed().news(log, ended=False)
    assert "cli.py:341" not in told
    assert "cli.py:67" not in told
    assert told == "".join(log.splitlines(keepends=True)[2:])
