"""`nerfgan weights list`: the networks that losses and metrics use."""

from itertools import chain

from nerfgan_cli.checkpoints.measuring import NETWORKS
from nerfgan_cli.checkpoints.published import find
from nerfgan_cli.commands import options as o
from nerfgan_cli.faces.packs import PACKS, find_pack


def command(json: o.Json = False) -> None:
    """Lists what nerfgan weights get can fetch, and where each of them lies if it is here."""
    entries = []
    for name, file in chain(NETWORKS.items(), PACKS.items()):
        place = find_pack(name) if name in PACKS else find(file)
        entries.append(
            {
                "name": name,
                "file": file.name,
                "purpose": file.purpose,
                "sha256": file.sha256,
                "address": file.address,
                "path": None if place is None else str(place),
            }
        )
    width = max(map(len, (*NETWORKS, *PACKS)))
    lines = [
        f"{entry['name']:{width}}  {entry['path'] or 'not here: ' + str(entry['address'])}\n"
        f"{'':{width}}  {entry['purpose']}"
        for entry in entries
    ]
    o.print_result({"networks": entries}, "\n".join(lines), json)
