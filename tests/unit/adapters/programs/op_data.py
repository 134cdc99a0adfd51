import optuna


def get_data():
    return [1.0, 2.0, 3.0], 2.0


def objective(trial, values, target):
    kind = trial.suggest_categorical("kind", ["mean", "scaled"])
    if kind == "scaled":
        scale = trial.suggest_float("scale", 0.1, 2.0)
        power = trial.suggest_int("power", 1, 3) if trial.suggest_categorical("curved", [True, False]) else 1
        return abs(sum(values) / len(values) * scale**power - target)
    return abs(sum(values) / len(values) - target)


def main():
    values, target = get_data()
    study = optuna.create_study(direction="minimize")
    study.optimize(lambda trial: objective(trial, values, target), n_trials=4)
    print(study.best_params)


if __name__ == "__main__":
    main()
