"""The environment of a driver, and the line that reports its exit code."""

from pipeline.cluster.driver_environment import EXIT_LINE, exit_line
from tests.ray_sources import check_text


def test_an_exit_code_is_read_from_its_line():
    """The exit code is read from a whole line only, as a driver prints it."""
    assert EXIT_LINE.findall(f"done\n{exit_line(2)}\n") == ["2"]
    assert EXIT_LINE.findall(f"says {exit_line(2)}\n") == []


def test_ray_reads_how_long_a_stopped_driver_has():
    """Ray still has the environment variable for the seconds that a stopped driver has to end."""
    check_text(
        '"RAY_JOB_STOP_WAIT_TIME_S"',
        "dashboard/modules/job/job_supervisor.py",
        "pipeline/cluster/driver_environment.py gives a driver time to write its checkpoints",
        "a stopped driver is killed after three seconds",
    )
