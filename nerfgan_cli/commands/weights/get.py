"""`nerfgan weights get`: fetches networks from their authors, and checks them."""

from difflib import get_close_matches
from typing import Annotated

import typer

from nerfgan_cli.checkpoints.measuring import NETWORKS
from nerfgan_cli.checkpoints.published import find_or_fetch
from nerfgan_cli.commands import options as o
from nerfgan_cli.errors import UsageError
from nerfgan_cli.faces.packs import PACKS, find_or_fetch_pack


def command(
    networks: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="As nerfgan weights list has them.")
    ],
    json: o.Json = False,
) -> None:
    """Fetches networks into nerfgan's own folder, InsightFace's packs where it looks for them.

    What is here already is left as it is.
    """
    known = [*NETWORKS, *PACKS]
    for name in networks:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}."
            raise UsageError(f"there is no network {name!r}: {hint}")
    found = {
        name: str(
            find_or_fetch_pack(name)
            if name in PACKS
            else find_or_fetch(NETWORKS[name], "give the file where a command needs it")
        )
        for name in networks
    }
    lines = [f"{name}  {path}" for name, path in found.items()]
    o.print_result({"networks": found}, "\n".join(lines), json)
