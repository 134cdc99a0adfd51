"""Small batches update more often, large ones are faster: how do they compare over sixty epochs?

The tutorial's own setting, 784 rows in a step, is among them.
"""

from pipeline.schedulers import FIFO
from pipeline.searchers import GridSearch
from pipeline.space import Grid
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.networks import tutorial_network

BATCH_SIZES = (7, 16, 32, 64, 128, 256, 512, 784, 1024)

JOB = TuneJob(
    name="mnist-batch-epochs",
    description="Batches of 7 to 1,024 rows over 60 epochs on MNIST: accuracy, seconds and updates",
    model=tutorial_network,
    data="mnist",
    space={"batch_size": Grid(BATCH_SIZES), "optimiser": "rmsprop", "lr": 0.001},
    objectives=[Objective("val_accuracy", "max")],
    scheduler=FIFO(),
    searcher=GridSearch(),
    budget=Budget(trials=len(BATCH_SIZES), epochs=60),
)
