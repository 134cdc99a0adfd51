"""Classes of Ray Tune in place of a study's own scheduler and searcher."""

from collections.abc import Callable, Collection
from functools import partial

from pipeline.engine.draws import Draw, Trials, own_draw
from pipeline.schedulers import RayScheduler, Scheduler, SchedulerContext
from pipeline.searchers import RaySearch, Suggestion
from pipeline.study import TuneJob
from pipeline.study.trial_configs import start_configs


def ray_scheduler(job: TuneJob) -> Callable[[SchedulerContext], Scheduler] | None:
    """The function that builds the scheduler of a job that names a class of Ray Tune; None for one of tunepipe.

    The function raises InvalidJob where the class cannot be used.
    """
    if not isinstance(job.scheduler, RayScheduler):
        return None
    # Ray is imported only for a job that names one of its classes.
    from pipeline.execution.ray.plugin_scheduler import PluginScheduler

    return partial(PluginScheduler, job.scheduler)


def ray_draw(job: TuneJob) -> Draw | None:
    """The function that draws the configs of a job that names a searcher of Ray Tune; None for one of tunepipe."""
    if not isinstance(job.searcher, RaySearch):
        return None
    from pipeline.execution.ray.plugin_searcher import PluginSearcher

    own, plugin, starts = own_draw(job), PluginSearcher(job.searcher, job), len(start_configs(job))

    def draw(index: int, trials: Trials, changed: Collection[str]) -> Suggestion | None:
        if index < starts:
            return own(index, trials, changed)
        config = plugin.draw(index, trials)
        return None if config is None else Suggestion(config)

    return draw
