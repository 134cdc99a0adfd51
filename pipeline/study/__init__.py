"""The specification of a study."""

from pipeline.study.files import load_study, save_study
from pipeline.study.job import TuneJob
from pipeline.study.specification import Budget, Checkpoints, Fit, Objective, Phase, Resources, StartFrom

__all__ = [
    "Budget",
    "Checkpoints",
    "Fit",
    "Objective",
    "Phase",
    "Resources",
    "StartFrom",
    "TuneJob",
    "load_study",
    "save_study",
]
