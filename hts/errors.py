"""The errors that a person can act on; every message says what was found, what was wanted, and what to do."""


class HtsError(Exception):
    """Base of every error that hts raises on purpose."""


class UserError(HtsError):
    """A mistake in what the user gave: the command line prints it as one line and exits with 2."""


class ParseError(HtsError):
    """An output file of a code that is truncated, garbled or not of the expected kind."""


class InconsistentSettingsError(HtsError):
    """Two results that must share functional, pseudopotentials, cutoffs, k-density or pressure do not."""
