"""Reading a pod's log repeatedly."""

import pytest

from pipeline.cluster.log_cursor import LogCursor
from tests.ray_sources import check_text
from tests.unit.cluster.kubernetes_server import stamped

LOST_HEAD = """\
Traceback (most recent call last):
  File "/opt/tunepipe/lib/python3.11/site-packages/urllib3/connection.py", line 239, in _new_conn
    sock = connection.create_connection(
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
socket.gaierror: [Errno -2] Name or service not known

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/opt/tunepipe/bin/ray", line 8, in <module>
    sys.exit(main())
             ^^^^^^
requests.exceptions.ConnectionError: HTTPConnectionPool(host='s-1-head-svc', port=8265): Max retries exceeded
"""
"""How `ray job logs` ends when the head's pod is deleted, with fewer frames."""

MISTAKE = """\
Traceback (most recent call last):
  File "/job/mine.py", line 8, in <module>
    raise ValueError(1)
ValueError: 1
"""


def test_each_line_is_printed_once_and_whole():
    """Each line of a log is printed once and whole: an incomplete one waits until it ends or the log does."""
    printed = LogCursor()
    assert printed.advance(stamped("one\ntw"), ended=False) == "one\n"
    assert printed.advance(stamped("one\ntwo\nthree"), ended=False) == "two\n"
    assert printed.advance(stamped("one\ntwo\nthree"), ended=False) == ""
    assert printed.advance(stamped("one\ntwo\nthree"), ended=True) == "three"
    assert printed.advance(stamped("one\ntwo\nthree"), ended=True) == ""


def test_equal_lines_are_different_by_their_times():
    """Each of several equal lines is printed once, even when only the end of a log is read again."""
    printed = LogCursor()
    assert printed.advance(stamped("\n\n"), ended=False) == "\n\n"
    assert printed.advance(stamped("\n\n", first=1), ended=False) == "\n"
    assert printed.advance(stamped("\n", first=2), ended=False) == ""
    assert printed.advance("", ended=False) == ""
    assert printed.advance(stamped("\n", first=9), ended=True) == "\n"


def test_a_time_that_the_study_prints_is_kept():
    """Only the node's own time is removed from a line that begins with another one."""
    line = "2026-01-01T00:00:00Z epoch 1\n"
    assert LogCursor().advance(stamped(line), ended=False) == line


def test_a_rotated_log_is_printed_from_its_beginning():
    """After a kubelet rotates a log, the new file is printed from its beginning."""
    printed = LogCursor()
    printed.advance(stamped("one\ntwo\n"), ended=False)
    assert printed.advance(stamped("three\n", first=2), ended=False) == "three\n"
    assert printed.advance(stamped("three\nfour\n", first=2), ended=False) == "four\n"


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


def test_of_a_lost_head_one_line_is_printed():
    """If the head is lost, only the last line of the traceback of Ray's command is printed, in one piece."""
    log, printed, reported = f"0:27  |  2 paused\n{LOST_HEAD}", LogCursor(), ""
    for end in range(0, len(log) + 1, 40):
        reported += printed.advance(stamped(log[:end]), ended=False)
    reported += printed.advance(stamped(log), ended=True)
    assert reported == f"0:27  |  2 paused\nray: {LOST_HEAD.splitlines()[-1]}\n"


@pytest.mark.parametrize("last", ["0:28  |  1 failed\n", "\n0:28  |  1 failed\n", ""])
def test_other_tracebacks_are_printed_whole(last):
    """A traceback of the study's own is printed whole, as soon as a line follows it or the log ends."""
    printed = LogCursor()
    assert printed.advance(stamped(f"one\n{MISTAKE}"), ended=False) == "one\n"
    assert printed.advance(stamped(f"one\n{MISTAKE}{last}"), ended=not last) == MISTAKE + last
