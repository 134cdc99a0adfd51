import optuna


class Objective:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, trial):
        x = trial.suggest_float("x", 0, 5)
        y = trial.suggest_float("y", 0, 3)
        v0 = self.scale * x**2 + 4 * y**2
        v1 = (x - 5) ** 2 + (y - 5) ** 2
        return v0, v1


study = optuna.create_study(directions=["minimize", "minimize"])
study.optimize(Objective(4), n_trials=5)
