"""Errors that a user can act upon, each with its exit code.

A message is one sentence that says what is wrong, where, and ends with what to do. The command
line turns it into that sentence and the code (`commands/app.py`); the library just raises it.
"""


class NerfganError(Exception):
    """Base of every error that is reported as one sentence."""

    exit_code = 1


class UsageError(NerfganError):
    """The command line or a recipe asks for something that does not exist."""

    exit_code = 2


class InputError(NerfganError):
    """A file, a folder or a data set is not what it should be."""

    exit_code = 3


class WeightsError(NerfganError):
    """Weights are missing, incomplete or belong to another architecture."""

    exit_code = 4


class UnsafeFileError(NerfganError):
    """A file asks for code to be run, or for more memory than its size can justify."""

    exit_code = 5


class DivergedError(NerfganError):
    """A training run or an optimisation produced NaN, infinite or enormous values."""

    exit_code = 6


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the host or on a device; torch is not imported for asking."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
