"""The student: a convolutional renderer of a teacher's subjects (NeRF-GAN Distillation, section 3).

    w' = M²ᴰ(w, camera)         `renderer_mapping`, new
    features = S²ᴰ(w')          `predictor`, new: StyleGAN3, or StyleGAN2 in the light preset;
                                can be told the ray of each pixel by `ray_map`
    image = SR(features, w)     `superresolution`: the teacher's, or a small one of its own

The student never sees z: it shares w with its teacher, whose mapping network it carries, so that
one file is enough to draw from a seed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import (
    DEFAULT_OPTIONS,
    DrawOptions,
    Generator,
    Rendering,
    StyleMap,
    Subject,
)
from nerfgan_cli.generators.student_config import StudentConfig
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.nn.layers import FullyConnectedLayer
from nerfgan_cli.nn.mapping import MappingNetwork, conditioning_label
from nerfgan_cli.nn.ray_map import RayMap
from nerfgan_cli.nn.renderer_mapping import RendererMapping
from nerfgan_cli.nn.stylegan2 import SynthesisNetwork as StyleGAN2
from nerfgan_cli.nn.stylegan3 import SynthesisNetwork as StyleGAN3
from nerfgan_cli.nn.stylegan3_filters import StyleGAN3Config
from nerfgan_cli.nn.superresolution import SuperResolution, SuperResolved, build_superresolution

OUTPUT_LAYER = ("torgb.weight", "torgb.bias")
CONV_CLAMP = 256.0  # of StyleGAN2 and StyleGAN3 alike; keeps half precision in range


class Student(Generator):
    """See the module."""

    kind = "student"

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.student_config = config
        latent = config.latent
        self.z_dim, self.w_dim, self.num_ws = latent.z_dim, latent.w_dim, latent.num_ws
        self.img_resolution = config.img_resolution
        self.raw_resolution = config.raw_resolution
        self.camera_preset = config.camera_preset
        self.rows_differ = config.code_output != "per-layer"
        self.mapping_network = MappingNetwork(
            latent.z_dim, latent.c_dim, latent.w_dim, latent.num_ws, latent.mapping_layers
        )
        self.predictor = build_predictor(config)
        self.offset_rows = self.predictor.num_ws
        self.renderer_mapping = RendererMapping(
            latent.w_dim,
            self.predictor.num_ws,
            config.mapping_layers,
            config.mapping_lr_multiplier,
            config.camera_encoding,
            config.code_input,
            config.code_output,
        )
        if config.ray_map:
            self.ray_map = build_ray_map(self.predictor)
        if config.sr_styles == "linear":
            self.sr_affine = FullyConnectedLayer(latent.w_dim, latent.w_dim)
        self.superresolution = build_superresolution(
            config.superresolution,
            config.feature_channels,
            config.superresolution_clamp,
            config.superresolution_antialias,
            latent.w_dim,
        )
        output = self.superresolution.preset.resolution
        if output != config.img_resolution:
            raise UsageError(
                f"{config.superresolution} gives images of {output}², not "
                f"{config.img_resolution}²: choose another super-resolution or resolution."
            )

    def config(self) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self.student_config)))
        return plain

    def mapping(
        self,
        z: Tensor,  # [B, z_dim]
        conditioning: Camera,  # B cameras, or one for all
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:  # [B, L, w_dim], the teacher's ws
        scale = self.student_config.latent.conditioning_scale
        label = conditioning_label(conditioning, len(z), scale)
        ws: Tensor = self.mapping_network(z, label, truncation, truncation_cutoff)
        return ws

    def latent_space(self) -> MappingNetwork:
        return self.mapping_network

    @property
    def mixing_layers(self) -> int:
        return self.predictor.num_ws

    def mix(
        self,
        ws: Tensor,
        donor: Tensor,
        layers: Sequence[int],
        options: DrawOptions = DEFAULT_OPTIONS,
    ) -> Subject:
        """Exchanges inner codes, which each makes of its own w at the camera that both are drawn
        from. The super-resolution goes with the last layer."""
        lent = torch.zeros(self.mixing_layers, dtype=torch.bool, device=ws.device)
        lent[list(layers)] = True
        return Subject(ws, donor=donor, lent=lent)

    @torch.enable_grad()
    def style_maps(self) -> list[StyleMap]:
        """From w: by way of the inner codes, about the average subject seen from the front."""
        average = self.mapping_network.w_avg
        camera = PRESETS[self.camera_preset].frontal().to(average.device).expand(self.w_dim)
        copies = average.repeat(self.w_dim, 1).requires_grad_()  # one for each number of a code
        codes = self.renderer_mapping(copies[:, None].expand(-1, self.num_ws, -1), camera)
        slopes: list[
            Tensor
        ] = []  # [w_dim, w_dim] each, of one row for all where they share a network
        for row in codes[:, :1].unbind(1) if self.rows_differ else codes.unbind(1):
            slopes += torch.autograd.grad(row.diagonal().sum(), copies, retain_graph=True)
        rows = self.renderer_mapping.listens_to(self.num_ws)
        return [
            StyleMap(rows[own], affine.matrix.detach() @ slopes[own % len(slopes)])
            for own, affine in self.predictor.affines()
        ]

    def layer_codes(self, ws: Tensor, camera: Camera) -> Tensor:
        codes: Tensor = self.renderer_mapping(ws[:, : self.num_ws], camera)
        offset = ws[:, self.num_ws :]
        return codes + offset if offset.shape[1] else codes

    def prepare(self, ws: Tensor, options: DrawOptions = DEFAULT_OPTIONS) -> Subject:
        return Subject(ws)

    def draw(
        self,
        subject: Subject,
        camera: Camera,
        options: DrawOptions = DEFAULT_OPTIONS,
    ) -> Rendering:
        if options.resolution not in (None, self.raw_resolution):
            raise UsageError(
                f"this student draws features of {self.raw_resolution}² only, not "
                f"{options.resolution}²: leave the resolution out."
            )
        camera = camera.expand(max(len(subject.ws), len(camera)))
        ws, codes = self._codes(subject, camera)
        features = self.features(codes, camera, options.recompute)
        rgb = features[:, :3]
        if options.raw_only:
            return Rendering(rgb, rgb, features, depth=None)
        out: SuperResolved = self.superresolution(
            rgb, features, self._sr_styles(ws, codes), recompute=options.recompute
        )
        if options.official_raw and self.superresolution.official_changes_rgb(self.raw_resolution):
            rgb = out.first_rgb
        return Rendering(out.image, rgb, features, depth=None)

    def _codes(self, subject: Subject, camera: Camera) -> tuple[Tensor, Tensor]:
        """What drives the super-resolution [B, L, w_dim], and the inner codes [B, rows, w_dim]."""
        ws = subject.ws.expand(len(camera), -1, -1)
        own, codes = ws[:, : self.num_ws], self.layer_codes(ws, camera)
        if subject.donor is None or subject.lent is None:
            return own, codes
        donor = subject.donor.expand(len(camera), -1, -1)
        codes = torch.where(subject.lent[:, None], self.layer_codes(donor, camera), codes)
        return torch.where(subject.lent[-1], donor[:, : self.num_ws], own), codes

    def features(
        self,
        codes: Tensor,  # [B, rows, w_dim]
        camera: Camera,
        recompute: bool = False,  # for its gradients: StyleGAN3 layer by layer, StyleGAN2 at once
    ) -> Tensor:  # [B, 32, r, r]
        """S²ᴰ and its head. The camera, which is in the codes already, is for the ray map."""
        rays = self.ray_map(camera) if self.student_config.ray_map else None
        if isinstance(self.predictor, StyleGAN3):
            grid = None if rays is None else rays[self.ray_map.resolutions[0]]
            features: Tensor = self.predictor(codes, added=grid, recompute=recompute)
        else:
            # Noise images are fixed on the screen: they would not turn with the subject.
            draw = partial(self.predictor, noise_mode="none", added=rays)
            features = checkpoint(draw, codes, use_reentrant=False) if recompute else draw(codes)
        features = features * self.student_config.predictor.output_scale
        return features.tanh() if self.student_config.predictor.head == "tanh" else features

    def _sr_styles(self, ws: Tensor, codes: Tensor) -> Tensor:  # [B, rows, w_dim]
        if self.student_config.sr_styles == "teacher":
            return ws
        if self.student_config.sr_styles == "student":
            return codes
        styles: Tensor = self.sr_affine(codes)
        return styles

    @torch.no_grad()
    def start_from_teacher(self, teacher: VolumetricGenerator) -> None:
        """Copies the mapping network and, where it is the teacher's, the super-resolution."""
        self.mapping_network.load_state_dict(teacher.latent_space().state_dict())
        given = self.superresolution_of(teacher)
        if given is not None:
            self.superresolution.load_state_dict(given.state_dict())
        # A mapping network of other settings, or a mapping of its own, fits but says other things.
        z = torch.full([1, self.z_dim], 2.0, device=self.mapping_network.w_avg.device)
        camera = PRESETS[self.camera_preset].at(0.5).to(z.device)
        if not torch.allclose(self.mapping(z, camera), teacher.mapping(z, camera)):
            raise UsageError(
                "a student cannot find this teacher's subjects, whose codes are not those of its "
                "latent space as students have it: build that as EG3D does."
            )

    def superresolution_of(self, teacher: VolumetricGenerator) -> SuperResolution | None:
        """The teacher's where its own is the same, and starts from those weights; else None."""
        given = teacher.superresolution
        same = given is not None and given.name == self.student_config.superresolution
        return given if same else None

    @torch.no_grad()
    def start_predictor_from(self, teacher: VolumetricGenerator) -> None:
        """Copies the network that draws the teacher's tri-planes, but for its output layers.

        It knows the subjects already, and one of the planes faces the frontal camera. Planes of
        more resolution have blocks that are not needed.
        """
        network = self.student_config.predictor.network
        if not isinstance(self.predictor, StyleGAN2):
            raise UsageError(
                f"a {network} predictor cannot start as the teacher's tri-planes, which StyleGAN2 "
                'draws: set its network to "stylegan2", or start it from scratch.'
            )
        drawing = teacher.planes_network()
        if drawing is None:
            raise UsageError(
                "this teacher draws no tri-planes as which a predictor could start: "
                "start it from scratch."
            )
        planes = drawing.state_dict()
        planes["b4.const"] = planes["b4.const"].flatten(0, -3)  # Mimic3D's has an axis more
        own = self.predictor.state_dict()
        inner = [name for name in own if not name.endswith(OUTPUT_LAYER)]
        for name in inner:
            if name not in planes or planes[name].shape != own[name].shape:
                raise UsageError(
                    f"the predictor cannot start as the teacher's tri-planes, whose {name} has "
                    "another size: give it their channel_base and channel_max, and no more "
                    "resolution, or start it from scratch."
                )
        self.predictor.load_state_dict({name: planes[name] for name in inner}, strict=False)

    @torch.no_grad()
    def set_statistics(
        self,
        codes: Tensor,  # [N, w_dim], the teacher's w; 50 000 or more are advised
        labels: Tensor,  # [M, 25], cameras to be trained on
        feature_mean: Tensor | None = None,  # [32] of the teacher; the output starts there
    ) -> None:
        """Fills what standardises codes and cameras; belongs before any training."""
        self.renderer_mapping.set_statistics(codes, labels)
        if feature_mean is not None:
            predictor = self.student_config.predictor
            if predictor.head == "tanh":
                feature_mean = feature_mean.clamp(-0.99, 0.99).atanh()
            self.predictor.output_bias.copy_(feature_mean / predictor.output_scale)


def build_ray_map(predictor: StyleGAN2 | StyleGAN3) -> RayMap:
    """For the one grid on which StyleGAN3 begins, or for each resolution of StyleGAN2."""
    if isinstance(predictor, StyleGAN3):
        grid = predictor.input
        inner = round(grid.sampling_rate)
        return RayMap({inner: len(grid.weight)}, margin=(grid.size[0] - inner) // 2)
    blocks = {size: predictor.block(size) for size in predictor.resolutions}
    return RayMap({size: block.conv1.weight.shape[1] for size, block in blocks.items()})


def build_predictor(config: StudentConfig) -> StyleGAN2 | StyleGAN3:
    """S²ᴰ; its output scale is left to the student."""
    p = config.predictor
    w_dim, size, channels = config.latent.w_dim, config.raw_resolution, config.feature_channels
    if p.network == "stylegan2":
        return StyleGAN2(w_dim, size, channels, p.channel_base, p.channel_max, CONV_CLAMP)
    radial = p.network == "stylegan3-r"
    sizes = StyleGAN3Config(
        channel_base=p.channel_base,
        channel_max=p.channel_max,
        num_layers=p.num_layers,
        margin_size=p.margin_size,
        conv_kernel=1 if radial else 3,
        use_radial_filters=radial,
        output_scale=1.0,
        magnitude_ema_beta=p.magnitude_ema_beta,
    )
    return StyleGAN3(w_dim, size, channels, sizes)
