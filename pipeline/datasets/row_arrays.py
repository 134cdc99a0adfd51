"""Arrays of rows for training: one-hot targets, scaled columns, and a random split that is always the same."""

import numpy as np


def one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    """Class numbers as rows of zeros with a single one."""
    rows = np.zeros((len(codes), classes), np.float32)
    rows[np.arange(len(codes)), codes] = 1
    return rows


def scale_columns(columns: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Columns of numbers, each scaled to 0 to 1 over the training rows; other rows may be slightly outside."""
    low, high = columns[train].min(axis=0), columns[train].max(axis=0)
    units: np.ndarray = (columns - low) / (high - low)
    return units.astype(np.float32)


def split_rows(rows: int, classes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random split that is always the same: three fifths for training, a fifth for validation, a
    fifth for testing.
    """
    from sklearn.model_selection import train_test_split

    def split(whole: np.ndarray, size: int) -> list[np.ndarray]:
        share = None if classes is None else classes[whole]
        return [np.sort(part) for part in train_test_split(whole, test_size=size, random_state=0, stratify=share)]

    rest, test = split(np.arange(rows), rows // 5)
    train, validation = split(rest, rows // 5)
    return train, validation, test
