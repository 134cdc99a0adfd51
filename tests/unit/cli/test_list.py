"""`tunepipe list`."""

import json

import tune_jobs
from tests.hostile.command import tunepipe


def test_each_job_is_a_line() -> None:
    """`tunepipe list` prints a line with the scheduler and the size of each job, and last how to start one."""
    lines = tunepipe("list").output.splitlines()
    assert {line.split()[0] for line in lines[1:] if line.split()} >= set(tune_jobs.names())
    (beale,) = [line for line in lines if line.split()[:1] == ["beale"]]
    job = tune_jobs.find("beale")
    assert job.scheduler.kind in beale
    assert f"{job.budget.trials} × {job.budget.epochs}" in beale
    assert "tunepipe run JOB" in lines[-1]


def test_json_has_the_same_jobs() -> None:
    """`tunepipe list --json` prints one object with all jobs, whose trials and epochs are numbers."""
    reported = json.loads(tunepipe("list", "--json").output)
    assert [job["name"] for job in reported["jobs"]] == tune_jobs.names()
    beale = next(job for job in reported["jobs"] if job["name"] == "beale")
    assert (beale["trials"], beale["epochs"]) == (
        tune_jobs.find("beale").budget.trials,
        tune_jobs.find("beale").budget.epochs,
    )
