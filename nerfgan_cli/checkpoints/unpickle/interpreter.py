"""The loop over a pickle's instructions, and the errors with which it ends."""

import struct
from collections.abc import Callable

from nerfgan_cli.checkpoints.unpickle.instructions import HANDLERS, refuse_instruction
from nerfgan_cli.checkpoints.unpickle.machine import (
    Budget,
    DamagedError,
    Machine,
    RefusedError,
    Vocabulary,
)
from nerfgan_cli.errors import InputError, UnsafeFileError

STOP = ord(".")


def unpickle(
    data: memoryview,
    source: str,  # the file's name, for messages
    vocabulary: Vocabulary,
    budget: Budget,
    persistent: Callable[[object], object] | None = None,  # meaning of BINPERSID; None: refused
    start: int = 0,
) -> tuple[object, int]:  # the value, and where the pickle ends
    """Reads the pickle at `start`."""
    machine = Machine(data, vocabulary, budget, persistent, start)
    try:
        return run(machine), machine.position
    except RefusedError as refusal:
        raise UnsafeFileError(
            f"{source} {refusal} (byte {machine.at}): it may be an attack, nothing in it was run; "
            "get the file again from its authors."
        ) from refusal
    except (DamagedError, struct.error, UnicodeDecodeError) as error:
        raise InputError(
            f"{source} is damaged or cut off at byte {machine.at} "
            f"({str(error) or 'not a pickle'}): get the file again."
        ) from error


def run(machine: Machine) -> object:
    """Follows the instructions up to STOP."""
    while True:
        machine.at = machine.position
        code = machine.take(1)[0]
        machine.budget.instructions -= 1
        if machine.budget.instructions < 0:
            raise RefusedError("has more instructions than any checkpoint")
        if code == STOP:
            break
        handler = HANDLERS.get(code)
        if handler is None:
            refuse_instruction(code)
        handler(machine)
    value = machine.pop()
    if machine.stack or machine.marks:
        raise DamagedError("values are left over")
    return value
