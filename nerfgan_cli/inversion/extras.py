"""What belongs to a pivot besides its codes: noise images, which are a generator's and no code."""

import torch
from torch import Tensor

from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.inversion.noise import PREFIX
from nerfgan_cli.latent_files import OFFSET, Latent, fit_latent, fits_offset

FRAMES = "frames"  # [V, 1, w_dim], from the codes of a video's subject to those of its frames


def codes_of_frames(pivot: Latent, generator: Generator) -> Tensor:  # [V, L, w_dim]
    """Of each frame of a video; else the one subject's."""
    codes = fit_latent(pivot, generator)
    if FRAMES not in pivot.tensors:
        return codes
    moves = pivot.tensors[FRAMES].to(codes)
    codes = codes.repeat(len(moves), 1, 1)
    codes[:, : generator.num_ws] += moves
    return codes


def has_noise(latent: Latent) -> bool:
    return any(name.startswith(PREFIX) for name in latent.tensors)


@torch.no_grad()
def take_extras(latent: Latent, generator: Generator) -> list[str]:
    """Makes a generator draw as when the pivot was found; says what it has no use for.

    A tuned model has them already. Any other one of the same latent space can take them.
    """
    left_out = []
    own = generator.noise_images()
    noise = {k.removeprefix(PREFIX): x for k, x in latent.tensors.items() if k.startswith(PREFIX)}
    if noise.keys() == own.keys() and all(noise[name].shape == own[name].shape for name in own):
        for name, image in own.items():
            image.copy_(noise[name])
    elif noise:
        left_out.append("its noise images, which this model does not have")
    if OFFSET in latent.tensors and not fits_offset(latent, generator):
        left_out.append("its offset, which is for the layers of another student")
    return left_out
