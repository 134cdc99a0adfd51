import optuna


def objective(trial):
    return trial.suggest_float("x", -1, 1) ** 2


study = optuna.create_study(direction="maximize")
for _ in range(5):
    trial = study.ask()
    study.tell(trial, objective(trial))
