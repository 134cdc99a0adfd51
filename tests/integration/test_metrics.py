"""Metrics of a study in a cluster's monitoring."""

import json
import re
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
import ray

from pipeline import Budget, Objective, TuneJob, Uniform, run
from pipeline.execution.ray.tune_adapter import GAUGES
from tests.processes import wait_for

pytestmark = pytest.mark.long


PATIENCE = 120.0
DASHBOARD = Path(__file__).parents[2] / "k8s/chart/files/dashboard.json"


def climb(config):
    """A score that grows with each step."""
    for step in range(1, 100):
        yield {"score": config["x"] + step}


def collected() -> dict[str, float]:
    """The series that the node exports to Prometheus for tunepipe, by name and labels, without Ray's labels."""
    (node,) = ray.nodes()
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = {}
    for line in (line for line in lines if line.startswith("ray_tunepipe_")):
        name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()
        reported = [f'{key}="{text}"' for key, text in re.findall(r'(study|state|metric)="([^"]*)"', labels)]
        found[f"{name}{{{','.join(sorted(reported))}}}"] = float(value)
    return found


@pytest.mark.usefixtures("ray_cluster")
def test_prometheus_gets_the_state_of_a_study(tmp_path):
    job = TuneJob(
        name="reported",
        function=climb,
        space={"x": Uniform(0, 1)},
        objectives=[Objective("score", "max")],
        scheduler="fifo",
        budget=Budget(trials=3, epochs=4),
    )
    run(job, storage=tmp_path)
    found = {}

    def complete() -> bool:
        found.update({series: value for series, value in collected().items() if 'study="reported"' in series})
        return found.get('ray_tunepipe_epochs{study="reported"}') == 12

    # Ray hands its metrics over every ten seconds.
    wait_for(complete, reported=lambda: str(found), seconds=PATIENCE)
    assert found['ray_tunepipe_trials{state="completed",study="reported"}'] == 3
    assert found['ray_tunepipe_trials{state="running",study="reported"}'] == 0
    assert found['ray_tunepipe_trials_limit{study="reported"}'] == 3
    assert found['ray_tunepipe_lost_workers{study="reported"}'] == 0
    assert 4 < found['ray_tunepipe_best{metric="score",study="reported"}'] < 5
    assert {series.partition("{")[0] for series in found} == {f"ray_{name}" for name in GAUGES}


def test_the_dashboard_shows_all_published_metrics():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"ray_(tunepipe_\w+)", target["expr"])
    }
    assert asked == set(GAUGES)
