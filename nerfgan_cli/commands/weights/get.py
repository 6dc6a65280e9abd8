"""`nerfgan weights get`: fetches networks from their authors, and checks them."""

from difflib import get_close_matches
from typing import Annotated

import typer

from nerfgan_cli.checkpoints.measuring import NETWORKS
from nerfgan_cli.checkpoints.published import find_or_fetch
from nerfgan_cli.commands import options as o
from nerfgan_cli.errors import UsageError


def command(
    networks: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="As nerfgan weights list has them.")
    ],
    json: o.Json = False,
) -> None:
    """Fetches networks into nerfgan's own folder. What is here already is left as it is."""
    for name in networks:
        if name not in NETWORKS:
            near = get_close_matches(name, NETWORKS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(NETWORKS)}."
            raise UsageError(f"there is no network {name!r}: {hint}")
    found = {
        name: str(find_or_fetch(NETWORKS[name], "give the file where a command needs it"))
        for name in networks
    }
    lines = [f"{name}  {path}" for name, path in found.items()]
    o.print_result({"networks": found}, "\n".join(lines), json)
