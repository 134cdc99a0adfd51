import optuna


def define(trial):
    n_layers = trial.suggest_int("n_layers", 1, 3)
    total = 0
    for i in range(n_layers):
        total += trial.suggest_int("n_units_l{}".format(i), 4, 128)
        total -= trial.suggest_float("dropout_l{}".format(i), 0.2, 0.5)
    return total


def objective(trial):
    return define(trial) * trial.suggest_float("lr", 1e-5, 1e-1, log=True)


optuna.create_study(direction="minimize").optimize(objective, n_trials=5)
