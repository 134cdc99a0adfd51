"""Whether this machine or a cluster has what trials request: CPUs, GPUs, memory."""

import math

from pipeline.errors import ResourcesUnmet
from pipeline.execution.capacity import default_workers, local_capacity, unused_gpus
from pipeline.execution.preflight.finding import Finding, NodeFacts
from pipeline.machine import this_machine
from pipeline.study import TuneJob
from pipeline.wording import counted, listed, size


def this_node() -> NodeFacts:
    """The resources of this machine, without starting Ray or TensorFlow."""
    cpus, gpus = local_capacity()
    machine = this_machine()
    return NodeFacts(machine.host, cpus, gpus, machine.free)


def workers_of(job: TuneJob, nodes: list[NodeFacts], *, joined: bool) -> int:
    """How many trials would train in parallel; 0 if none can."""
    if job.resources.workers == 0:
        return 1
    fits = sum(_fits(job, node, joined=joined) for node in nodes)
    wanted = job.resources.workers or fits
    by_gpu = sum(job.resources.fit(math.inf, node.gpus) for node in nodes) if job.resources.gpus else wanted
    return min(wanted, fits if joined else by_gpu) if fits else 0


def resources_finding(job: TuneJob, nodes: list[NodeFacts], *, joined: bool) -> Finding:
    """Whether a trial gets its CPUs and GPUs, and as many trials in parallel as asked for."""
    need = job.resources
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    where = f"{len(nodes)} nodes" if len(nodes) > 1 else "one node" if joined else "this machine"
    there = f"{where}: {counted(cpus, 'CPU')}, {counted(gpus, 'GPU')}"
    asked = [counted(need.cpus, "CPU"), counted(need.gpus, "GPU")]
    if joined and need.memory_gigabytes is not None:
        asked.append(f"{size(need.memory_gigabytes * 1e9)} of memory")
    ask = f"a trial requests {listed(asked)}"
    try:
        default_workers(job, cpus, gpus)
    except ResourcesUnmet as error:
        return Finding("resources", "error", str(error))
    fits, workers = sum(_fits(job, node, joined=joined) for node in nodes), workers_of(job, nodes, joined=joined)
    if not fits:
        advice = (
            "Request what one node has, with --set resources.cpus=…, resources.gpus=… or resources.memory_gigabytes=…."
        )
        return Finding("resources", "error", f"{there}, but {ask}, and no single node has them", advice)
    if need.workers == 0:
        return Finding("resources", "ok", f"{there}; trials train one after the other in the command's own process")
    if need.workers is not None and need.workers > workers:
        sentence = f"{there}; {need.workers} trials in parallel were requested, but only {workers} fit, because {ask}"
        return Finding("resources", "warning", sentence, f"{workers} train in parallel, as with --workers {workers}.")
    if workers > fits:
        sentence = f"{there}; {workers} trials in parallel were requested, but there are CPUs for {fits}"
        return Finding("resources", "warning", sentence, f"They wait for each other; --workers {fits} is as fast.")
    if (unused := unused_gpus(job, gpus)) is not None:
        return Finding("resources", "warning", f"{there}, but {ask}", unused)
    parallel = "1 trial" if workers == 1 else f"{workers} trials"
    return Finding("resources", "ok", f"{there}; {ask}: {parallel} in parallel")


def memory_finding(job: TuneJob, nodes: list[NodeFacts], held: int, workers: int) -> Finding:
    """Whether there is memory for the workers that train in parallel."""
    ceiling = job.resources.worker_gigabytes
    if ceiling is not None and held > ceiling * 1e9:
        sentence = f"a worker uses {size(held)}, more than resources.worker_gigabytes allows ({size(ceiling * 1e9)})"
        return Finding("memory", "warning", sentence, "Each trial would get a new process; allow more.")
    if len(nodes) == 1:
        short = nodes[0] if nodes[0].memory < held * workers else None
        most = workers
    else:
        short = next((node for node in nodes if node.memory < held * _fits(job, node, joined=True)), None)
        most = _fits(job, short, joined=True) if short else 0
    if short is None:
        free = f"; {size(nodes[0].memory)} are free" if len(nodes) == 1 else ""
        return Finding("memory", "ok", f"a worker uses {size(held)}, {workers} of them {size(held * workers)}{free}")
    sentence = f"{most} workers use {size(held * most)}, but {short.name} has {size(short.memory)}"
    advice = "Train fewer in parallel with --workers, or give each more CPUs with --set resources.cpus=…."
    return Finding("memory", "error" if short.memory < held else "warning", sentence, advice)


def _fits(job: TuneJob, node: NodeFacts, *, joined: bool) -> int:
    # Ray reserves memory on a cluster alone.
    return job.resources.fit(node.cpus, node.gpus, node.memory if joined else math.inf)
