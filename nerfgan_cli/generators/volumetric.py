"""A teacher: a generator that renders a volume, and what distillation takes from it.

A student carries its teacher's latent space, so that a seed is the same person, and may begin with
its super-resolution and with the network of its tri-planes, where there are such. All else it
learns from what the teacher draws.
"""

from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.nn.mapping import conditioning_label
from nerfgan_cli.nn.stylegan2 import SynthesisNetwork
from nerfgan_cli.nn.superresolution import SuperResolution

NOISE_IMAGE = ".noise_const"


class VolumetricGenerator(Generator):
    """Base of all teachers. Subclasses also set `superresolution`."""

    has_depth = True
    conditioning_scale: float = 1.0  # of the camera that the mapping sees; 0: it sees none
    swap_probability: float = 0.0  # in its training, of another camera to be conditioned on
    superresolution: SuperResolution | None  # None: images are rendered as they are

    def mapping(
        self,
        z: Tensor,  # [B, z_dim]
        conditioning: Camera,  # B cameras, or one for all
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
        update_average: bool = False,  # of w, in training
    ) -> Tensor:  # [B, L, w_dim]
        label = conditioning_label(conditioning, len(z), self.conditioning_scale)
        ws: Tensor = self.latent_space()(
            z, label, truncation, truncation_cutoff, update_emas=update_average
        )
        return ws

    def planes_network(self) -> SynthesisNetwork | None:
        """The network that draws its tri-planes; None: it has none that is StyleGAN2's."""
        return None

    def noise_images(self) -> dict[str, Tensor]:
        network = self.planes_network()
        own = set() if network is None else {id(buffer) for buffer in network.buffers()}
        return {
            name: buffer
            for name, buffer in self.named_buffers()
            if id(buffer) in own and name.endswith(NOISE_IMAGE)
        }
