"""The colours of pictures and pages, in light and dark mode, and how much a picture shows."""

# Okabe and Ito's palette (2008), darkened where text is set in it. A page replaces each by a variable.
INK = "#1d2730"  # text and axes
MUTED = "#8d99a6"  # trials in the background
GRID = "#dfe4ea"
PAPER = "#fdfdfe"  # the background
ACCENT = "#0067a8"  # the best trial and its values
SECOND = "#c95a00"  # contrast
THIRD = "#00825f"
BAD = "#a8316f"  # failures

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
"""The colours of a dark page, by the variables of the page."""

DAY = dict(zip(NIGHT, (INK, MUTED, GRID, PAPER, ACCENT, SECOND, THIRD, BAD), strict=True))
"""The colours of a light page."""

VARIABLES = {colour: variable for variable, colour in DAY.items()}
"""The variables of the page that stand for the colours of pictures."""

MAX_LINES = 500
"""The maximum number of lines in a picture: more lines make the same grey, and take seconds to draw."""

MAX_POINTS = 2000
"""The maximum number of points in a small picture, and of those that react to the pointer."""

MAX_BARS = 12
"""The maximum number of hyperparameters and pairs whose shares are drawn."""

MAX_PARAMETERS = 16
"""The maximum number of hyperparameters in pictures of all of them: the names of more have no room."""
