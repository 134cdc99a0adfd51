"""The streams of random numbers that a study's seed starts in addition to the searcher's draws."""

from enum import IntEnum


class RandomStream(IntEnum):
    """A number in the seeds of random generators, which keeps them apart from those of the searcher's draws.

    Draw number `index` of a searcher has the generator of (seed, index). The numbers here do not change: a study that
    continues draws its configs again.
    """

    START_CONFIGS = 5
    """Completes start configs: (seed, index, 5), with the attempt as a fourth number after the first."""
    FURTHER_CONFIGS = 6
    """Replaces a draw that was tried: (seed, draw, 6), with the attempt as a fourth number. Completes the configs that
    users give to a running study: (seed, checksum of the name, 6); a checksum is rarely as small as a draw's number."""
    POPULATION = 7
    """Chooses donors and explores: (seed, number of the exploit, 7)."""
    SYNTHETIC_CURVES = 11
    """Makes simulated curves: (seed, index, segment, 11). The landscape comes from (seed, 11), as draw number 11 does,
    and each additional objective from (seed, 11, number)."""
    FIRST_VALUES = 12
    """Draws the first values of a program's population, where it changes to others: (seed, index, 12)."""
    COMPARED_CONFIGS = 13
    """Draws the configs whose weights are compared before a study: (seed, 13), as draw number 13 of a searcher."""
