"""The program: finds the verb, runs it, and turns every error into one sentence and a code.

A verb is one entry of `VERBS` and one file: `nerfgan convert` is the function `command` of
`commands/convert.py`, an ordinary typer function with annotated parameters. Its file is imported
when the verb is used, so it may import torch at its top; `nerfgan --help` imports none of them.

    def command(source: Annotated[Path, typer.Argument(...)], json: Json = False) -> None:
        \"\"\"What `nerfgan convert --help` says.\"\"\"

A verb with verbs of its own is a package that has `VERBS` instead: `nerfgan data check` is
`commands/data/check.py`.

A command returns when it is done and raises an error of `errors.py` when it cannot. Options that
several commands have are in `commands/options.py`. `--debug` belongs to the program, not to a
command, and may stand anywhere.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from types import FrameType, ModuleType
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from nerfgan_cli import __version__
from nerfgan_cli.commands.options import Device, DeviceName, Json
from nerfgan_cli.errors import NerfganError, UsageError, is_out_of_memory

VERBS = {
    "demo": "Distil a small student in minutes, and write a page about it.",
    "image": "Draw pictures of seeds, from any camera.",
    "video": "Draw a video in which the camera moves around seeds.",
    "interpolate": "Turn subjects into one another, as a strip or a video.",
    "mix": "Draw subjects with layers of others.",
    "directions": "Find what can be changed about subjects, for nerfgan edit.",
    "edit": "Change one thing about subjects along a direction.",
    "figure": "Show subjects as several models draw them: pictures, shapes, strips, planes.",
    "mesh": "Write the surface of a subject as PLY, OBJ or GLB.",
    "align": "Make crop and camera of anybody's photograph.",
    "camera": "Look at cameras, check them, and write them in other forms.",
    "invert": "Turn a photograph into a latent and a tuned model.",
    "train": "Train a recipe, or continue its run.",
    "eval": "Measure a model as the papers do, and compare models.",
    "bench": "Measure what drawing costs, for one or more models.",
    "consistency": "Measure whether views of a subject are views of one scene.",
    "convert": "Turn an official checkpoint into a safe file, without running it.",
    "info": "Say what a model is, where it came from and what its licence asks.",
    "data": "Prepare and check the pictures and cameras that training needs.",
    "weights": "List and fetch the trained networks that measure pictures.",
    "doctor": "List what is installed, what is missing, and what to do about it.",
}

# What click raises for a command line that it cannot parse; recent typer carries click within.
ParseError = cast(type[typer.BadParameter], typer.BadParameter.__mro__[1])

OUT_OF_MEMORY = "out of memory: try a smaller --batch, --ray-chunk or --resolution."


class Verbs(TyperGroup):
    """The group of all verbs; a verb's module is imported when it is looked up."""

    package = "nerfgan_cli.commands"
    verbs = VERBS

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.verbs:
            near = get_close_matches(cmd_name, self.verbs, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(self.verbs)}."
            raise UsageError(f"there is no command {cmd_name!r}: {hint}")
        module = import_module(f"{self.package}.{cmd_name.replace('-', '_')}")
        if hasattr(module, "VERBS"):
            return group_of(module)
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command(cmd_name, short_help=self.verbs[cmd_name])(module.command)
        return typer.main.get_command(verb)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.verbs.items()))


def group_of(module: ModuleType) -> Any:
    """A verb that has verbs of its own; alone, it shows its help."""

    class Below(Verbs):
        package = module.__name__
        verbs = module.VERBS

    group = typer.Typer(cls=Below, add_completion=False, rich_markup_mode=None)

    @group.callback(help=module.__doc__, invoke_without_command=True)
    def pass_on(context: typer.Context) -> None:
        """What stands before the verb is meant for all verbs below it."""
        context.default_map = dict.fromkeys(module.VERBS, context.default_map)
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return typer.main.get_command(group)


def print_version(asked: bool) -> None:
    """Answers `--version`, which may stand alone."""
    if asked:
        typer.echo(f"nerfgan {__version__}")
        raise typer.Exit


app = typer.Typer(cls=Verbs, add_completion=False, rich_markup_mode=None)


@app.callback()
def program(
    context: typer.Context,
    json: Json = False,
    device: Device = DeviceName.auto,
    seed: Annotated[
        str | None, typer.Option("--seed", metavar="SEEDS", help="Seed, for commands that draw.")
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Volumetric 3D-aware GANs, and light pose-conditioned generators made from them."""
    # What stands before the verb becomes the verb's default.
    given = {"json": json, "device": device.value}
    if seed is not None:
        given |= {"seeds": seed, "seed": seed}
    context.default_map = dict.fromkeys(VERBS, given)


class Terminated(BaseException):
    """SIGTERM arrived; raised like KeyboardInterrupt, so that files are cleaned up."""


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `nerfgan ARGUMENTS` and returns the exit code (STYLE: Exit codes)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch: huge pages for large tensors
    # Threads of torch that wait shall sleep: on a core that another process wants, spinning makes
    # a training step take 3 to 10 times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("SIGTERM", "SIGHUP"):  # the second when a terminal closes, where there is one
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _terminate)
    try:
        command = typer.main.get_command(app)
        with command.make_context("nerfgan", arguments) as context:
            command.invoke(context)
        sys.stdout.flush()
        return 0
    except typer.Exit as done:
        return done.exit_code
    except (Exception, KeyboardInterrupt, Terminated) as error:
        if debug:
            traceback.print_exc()
        code, sentence = explain(error)
        if sentence:
            print(f"nerfgan: {sentence}", file=sys.stderr)
        return code


def explain(error: BaseException) -> tuple[int, str]:
    """The exit code of an error and the sentence that is said about it."""
    if isinstance(error, NerfganError):
        return error.exit_code, one_line(str(error))
    if isinstance(error, ParseError):
        context = error.ctx
        where = context.command_path if context is not None else "nerfgan"
        message = one_line(error.format_message()).rstrip(".").replace("Value error, ", "")
        return error.exit_code, f"{message[:1].lower()}{message[1:]}; see {where} --help."
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 130, "interrupted."
    if isinstance(error, Terminated):
        return 143, "terminated."
    if isinstance(error, BrokenPipeError):
        return 141, ""  # the reader of our output has gone, as in `nerfgan info | head -1`
    if is_out_of_memory(error):
        return 1, OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno is not None:
        return 3, explain_os_error(error)
    if isinstance(error, ImportError):
        return 1, f"{one_line(str(error))}: see nerfgan doctor, or reinstall nerfgan with pip."
    name = type(error).__name__
    return 1, f"unexpected {name}: {one_line(str(error))} (--debug shows where; please report it)."


def explain_os_error(error: OSError) -> str:
    """A sentence about a file that the system refused."""
    where = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{' at' * bool(where)}{where}: free some space, or write elsewhere."
    reason = (error.strerror or "not possible").lower()
    return f"cannot use{where or ' a file'} ({reason}): check the path and its permissions."


def one_line(message: str) -> str:
    """The message with its line breaks and repeated blanks replaced by one blank."""
    return " ".join(message.split())
