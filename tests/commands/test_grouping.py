"""Options as one parameter: what typer sees, and what the command gets."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from nerfgan_cli.commands import edit, image, interpolate, mix, video
from nerfgan_cli.commands.drawing import Look, Truncation
from nerfgan_cli.commands.grouping import grouped


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option("--wide", min=1, help="Across.")] = 3
    height: int | None = None


def run(*arguments):
    got = []

    @grouped
    def command(*, name: str = "a", size: Size, tall: bool = False) -> None:
        """Says."""
        got.append((name, size, tall))

    app = typer.Typer(add_completion=False)
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments))
    return result, got


def test_a_group_stands_for_its_fields():
    assert run()[1] == [("a", Size(3, None), False)]
    arguments = ("--wide", "7", "--height", "2", "--name", "b", "--tall")
    assert run(*arguments)[1] == [("b", Size(7, 2), True)]
    result, got = run("--wide", "0")
    assert (result.exit_code, got) == (2, [])
    shown = run("--help")[0].output
    assert shown.index("--name") < shown.index("--wide") < shown.index("--tall")
    assert "Says." in shown
    assert "Across." in shown
    assert "--size" not in shown


@pytest.mark.parametrize("verb", [image, video, interpolate, mix, edit])
def test_what_draws_has_the_same_options(verb):
    names = verb.command.__annotations__
    for group in (Look, Truncation):
        for name, kind in group.__annotations__.items():
            assert names[name] == kind
