"""The colours of pictures and pages, in light and dark mode, and how much a picture shows."""

# Okabe and Ito's palette (2008), darkened where text is set in it. A page replaces each by a variable.
INK = "#1d2730"
"""Text and axes."""

MUTED = "#8d99a6"
"""Trials in the background."""

GRID = "#dfe4ea"
"""Grid lines."""

PAPER = "#fdfdfe"
"""The background."""

ACCENT = "#0067a8"
"""The best trial and its values."""

SECOND = "#c95a00"
"""Contrast: the training metric, exploits, evaluation."""

THIRD = "#00825f"
"""A third category."""

BAD = "#a8316f"
"""Failures."""

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    ACCENT: "--accent",
    SECOND: "--second",
    THIRD: "--third",
    BAD: "--bad",
}
"""The colours of pictures, and the variables of the page that stand for them."""

DAY = {variable: colour for colour, variable in VARIABLES.items()}
"""The variables' values on a light page."""

NIGHT = {
    "--ink": "#e4e9ee",
    "--muted": "#74818e",
    "--grid": "#2b343d",
    "--paper": "#14181d",
    "--accent": "#62b8fb",
    "--second": "#ff9f57",
    "--third": "#45cf9f",
    "--bad": "#ff8cc4",
}
"""The variables' values on a dark page."""

MAX_LINES = 500
"""The maximum number of lines in a picture: more lines make the same grey, and take seconds to draw."""

MAX_POINTS = 2000
"""The maximum number of points in a small picture, and of those that react to the pointer."""

MAX_PARAMETERS = 16
"""The maximum number of hyperparameters in pictures of all of them: the names of more have no room."""
