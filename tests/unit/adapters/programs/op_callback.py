import optuna


class PruneCallback:
    def __init__(self, trial):
        self.trial = trial

    def on_epoch_end(self, epoch, logs):
        self.trial.report(logs["loss"], step=epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"pruned at {epoch}")


class Objective:
    SPACE = {"lr": (1e-4, 1e-1, True), "rate": (0.0, 0.5, False)}

    def __call__(self, trial):
        p = {k: trial.suggest_float(k, lo, hi, log=log) for k, (lo, hi, log) in self.SPACE.items()}
        trial.suggest_categorical("batch", (16, 32))
        callback = PruneCallback(trial)
        for epoch in range(3):
            callback.on_epoch_end(epoch, {"loss": p["lr"] / (epoch + 1)})
        return p["lr"]


if __name__ == "__main__":
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(), pruner=optuna.pruners.ThresholdPruner(upper=1))
    study.enqueue_trial({"lr": 0.01, "batch": 32})
    study.optimize(Objective(), n_trials=3, n_jobs=1, callbacks=[lambda study, trial: print(trial.value)])
