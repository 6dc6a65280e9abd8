"""Makes a teacher whose people depend on the camera that its mapping network is shown.

    python examples/conditioned_teacher.py CONDITIONED.safetensors [--teacher eg3d-toyheads]

In EG3D's faces smiles and gazes go with poses, and w tells the camera. The bundled teacher is not
conditioned: it has the same w for all cameras. In what is made of it, one trait of ToyHeads follows
the conditioning camera instead of z: the backdrop's colour, say, changes as it moves from side to
side. All else is as it was. So ToyHeads can show what the conditioning of w does to a student
(`ablations-conditioning.toml`).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance, derived_licence
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.data.toyheads.dataset import YAW_SPREAD
from nerfgan_cli.data.toyheads.traits import COORDINATES
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.nn.layers import normalize_2nd_moment

X = 3  # of a camera's label: how far to the side it stands


@torch.no_grad()
def condition(teacher: EG3D, coordinate: int) -> EG3D:
    """The same teacher, but for one number of z, in whose place the camera's position counts.

    That is scaled as the number was, to a standard deviation of 1. The mapping network normalises
    what it makes of a camera: all but the first of its numbers are 1 here, so that this one stays.
    One of them brings what an unconditioned network always sees, its bias; the others are ignored.
    """
    made = EG3D(replace(teacher.eg3d_config, conditioning_scale=1.0))
    made.load_state_dict(teacher.state_dict())
    mapping = made.backbone.mapping
    embed, first, z_dim = mapping.embed, mapping.fc0, teacher.z_dim
    always = normalize_2nd_moment(embed(torch.zeros(1, mapping.c_dim)))[0]
    offset = first.weight[:, z_dim:] @ always
    spread = PRESETS[teacher.camera_preset].radius * YAW_SPREAD
    embed.weight.zero_()
    embed.weight[0, X] = 1 / (spread * embed.weight_gain)
    embed.bias.fill_(1 / embed.bias_gain)
    embed.bias[0] = 0
    first.weight[:, z_dim:] = 0
    first.weight[:, z_dim] = first.weight[:, coordinate]
    first.weight[:, z_dim + 1] = offset
    first.weight[:, coordinate] = 0
    return made.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--teacher", default="eg3d-toyheads", metavar="MODEL")
    parser.add_argument("--trait", choices=COORDINATES, default="backdrop_colour")
    arguments = parser.parse_args()
    path = find_model(arguments.teacher)
    teacher = load_model(path)
    if not isinstance(teacher, EG3D) or teacher.eg3d_config.conditioning_scale:
        raise SystemExit(f"{path} is no EG3D model without conditioning: give --teacher another.")
    made = condition(teacher, COORDINATES[arguments.trait].start)
    origin = read_header(path).provenance
    source = f"{path.name}, its {arguments.trait} by the camera"
    save_model(arguments.out, made, Provenance(source, licence=derived_licence(origin)))


if __name__ == "__main__":
    main()
