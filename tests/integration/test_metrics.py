"""What a cluster's monitoring sees of a study."""

import json
import re
import threading
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
import ray

from pipeline import Budget, Objective, TuneJob, Uniform, run
from pipeline.execution.metrics import METRICS

PATIENCE = 120.0
DASHBOARD = Path(__file__).parents[2] / "k8s/components/monitoring/dashboard.json"


def climb(config):
    """A score that grows with each step."""
    for step in range(1, 100):
        yield {"score": config["x"] + step}


def collected() -> dict[str, float]:
    """What the node tells Prometheus of tunepipe: each series by its name and its labels, those of Ray left out."""
    (node,) = ray.nodes()
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = {}
    for line in (line for line in lines if line.startswith("ray_tunepipe_")):
        name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()
        told = [f'{key}="{text}"' for key, text in re.findall(r'(study|state|metric)="([^"]*)"', labels)]
        found[f"{name}{{{','.join(sorted(told))}}}"] = float(value)
    return found


@pytest.mark.usefixtures("ray_cluster")
def test_prometheus_is_told_how_a_study_stands(tmp_path):
    """Its trials by state, its epochs and its best value, under its name."""
    job = TuneJob(
        name="told",
        function=climb,
        space={"x": Uniform(0, 1)},
        objectives=[Objective("score", "max")],
        scheduler="fifo",
        budget=Budget(trials=3, epochs=4),
    )
    run(job, storage=tmp_path)
    until, found = time.monotonic() + PATIENCE, {}
    # Ray hands its metrics over every ten seconds.
    while found.get('ray_tunepipe_epochs{study="told"}') != 12:
        assert time.monotonic() < until, found
        threading.Event().wait(0.5)
        found = {series: value for series, value in collected().items() if 'study="told"' in series}
    assert found['ray_tunepipe_trials{state="completed",study="told"}'] == 3
    assert found['ray_tunepipe_trials{state="running",study="told"}'] == 0
    assert found['ray_tunepipe_trials_limit{study="told"}'] == 3
    assert found['ray_tunepipe_lost_workers{study="told"}'] == 0
    assert 4 < found['ray_tunepipe_best{metric="score",study="told"}'] < 5
    assert {series.partition("{")[0] for series in found} == {f"ray_{name}" for name in METRICS}


def test_the_dashboard_asks_for_what_is_told():
    """Every query names a metric that there is, and every metric is shown."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"ray_(tunepipe_\w+)", target["expr"])
    }
    assert asked == set(METRICS)
