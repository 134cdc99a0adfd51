"""The tutorial's cross-validated grid search: eight initialisers, three folds, RMSprop, ten epochs.

Those that scale with a layer's inputs and outputs are best. From zeros, a network learns only the frequency of each
class, because all its hidden units stay the same.
"""

from pipeline.schedulers import FIFO
from pipeline.searchers import GridSearch
from pipeline.space import Grid
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.networks import tutorial_network

INITIALISERS = (
    "uniform",
    "lecun_uniform",
    "normal",
    "zero",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
)

JOB = TuneJob(
    name="mnist-initialisers",
    description="Eight initialisers on MNIST, each the mean of 3 folds, as the tutorial's grid search",
    model=tutorial_network,
    data="mnist",
    space={"initialiser": Grid(INITIALISERS), "optimiser": "rmsprop", "lr": 0.001},
    objectives=[Objective("val_accuracy", "max")],
    scheduler=FIFO(),
    searcher=GridSearch(),
    budget=Budget(trials=len(INITIALISERS), epochs=10),
    folds=3,
    batch_size=128,
)
