import tempfile
from pathlib import Path

from ray import tune
from ray.tune.search import BasicVariantGenerator


class ReportCallback:
    def on_epoch_end(self, epoch, logs):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "epoch.txt").write_text(str(epoch))
            tune.report(logs, checkpoint=tune.Checkpoint.from_directory(folder))


def fit(epochs, lr, callbacks):
    epoch = 0
    while epoch < epochs:
        epoch += 1
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"loss": lr / epoch})


def train(cfg):
    fit(cfg["epochs"], cfg["lr"], [ReportCallback()])


tuner = tune.Tuner(
    train,
    param_space={"lr": tune.uniform(0.1, 1), "epochs": 3},
    tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=2, search_alg=BasicVariantGenerator()),
    run_config=tune.RunConfig(stop={"loss": 1.5}),
)
tuner.fit()
