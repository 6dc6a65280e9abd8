"""What belongs to a pivot besides its codes: noise images, and the offset of a student's layers."""

import torch

from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.inversion.noise import PREFIX
from nerfgan_cli.latent_files import Latent

OFFSET = "offset"


def has_extras(latent: Latent) -> bool:
    return any(name == OFFSET or name.startswith(PREFIX) for name in latent.tensors)


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
    if OFFSET in latent.tensors:
        offset = latent.tensors[OFFSET].to(generator.latent_space().w_avg.device)
        if not generator.set_offset(offset):
            left_out.append("its offset, which is for the layers of another student")
    return left_out
