"""Stage 2: the generator is tuned until it draws the photograph at the pivot (4.2, 5).

Three optional terms hold what the photograph does not show. Locality: other people, near the pivot,
stay as they were. Consistency: from other sides the subject keeps the colours, coarsely, that the
generator gave it before; for a student nothing else keeps them together with the one view. Shape: a
volume keeps its depth there.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DrawOptions, Generator, Rendering
from nerfgan_cli.inversion.mirror import with_mirrored
from nerfgan_cli.inversion.photos import View
from nerfgan_cli.inversion.settings import Settings
from nerfgan_cli.inversion.stage import Stage, Terms, chosen_views, photos_among, seen
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.training.randomness import keyed
from nerfgan_cli.training.viewpoints import spread_cameras, usual_spread

NEIGHBOUR_TRUNCATION = 0.5  # of the people towards whom locality looks, and how far it goes there
NEIGHBOUR_DISTANCE = 30.0
SIDES = 2  # cameras of either term in each step: a student has to be held from several
COARSE = 4  # times smaller: what consistency compares


class Tuning(Stage):
    name = "tuning"

    def __init__(
        self,
        base: Generator,  # with the pivot's noise images
        codes: Tensor,  # [1, L, w_dim], or of each frame; and rows of an offset, if any
        views: Sequence[View],
        distance: Perceptual,
        settings: Settings,
        stop: float,
    ) -> None:
        self.base, self.codes, self.distance = base, codes, distance
        self.pivot = codes.mean(dim=0, keepdim=True)  # what all frames have in common
        preset = PRESETS[base.camera_preset]
        self.views = with_mirrored(views, preset) if settings.mirror else list(views)
        self.photos = len(views)
        # Perceptual distance of each photograph, when it was last seen; after an interruption all
        # have to be seen again.
        self.latest: dict[int, float] = {}
        self.settings, self.stop = settings, stop
        self.steps = settings.tuning.steps
        self.device = codes.device
        self.options = DrawOptions(
            depth_multiplier=settings.depth_multiplier, recompute=settings.recompute
        )
        self.tuned = deepcopy(base)
        self.tuned.requires_grad_(True)
        self.tuned.latent_space().requires_grad_(False)  # codes are given: it has no effect
        self.learning = {
            name: parameter
            for name, parameter in self.tuned.named_parameters()
            if parameter.requires_grad
        }
        rate = settings.tuning.rate
        self.optimizer = torch.optim.Adam(self.learning.values(), lr=rate, betas=(0.9, 0.999))
        usual = usual_spread(base.camera_preset, None, None, None)
        self.draw_cameras = spread_cameras(preset, usual)

    def tensors(self) -> dict[str, Tensor]:
        return {name: parameter.detach() for name, parameter in self.learning.items()}

    def step(self, index: int) -> Terms | None:
        self.optimizer.zero_grad(set_to_none=True)
        terms = dict.fromkeys(("pixels", "perceptual"), 0.0)
        chosen = chosen_views(self.settings, len(self.views), index)
        divisor = photos_among(chosen, self.photos)
        for number in chosen:
            pixels, perceptual = self.compare(number)
            torch.autograd.backward((pixels + perceptual) / divisor)
            terms["pixels"] += pixels.item() / divisor
            terms["perceptual"] += perceptual.item() / divisor
            if number < self.photos:
                self.latest[number] = perceptual.item()
        if len(self.latest) == self.photos and fmean(self.latest.values()) <= self.stop:
            return None
        tuning = self.settings.tuning
        for name, weight, term in (
            ("locality", tuning.locality, self.locality),
            ("consistency", tuning.consistency, self.consistency),
            ("shape", tuning.shape, self.shape),
        ):
            if weight:
                loss = weight * term(index)
                torch.autograd.backward(loss)
                terms[name] = loss.item()
        self.optimizer.step()
        return terms | {"rate": tuning.rate}

    def compare(self, number: int) -> tuple[Tensor, Tensor]:  # [], []
        """Mean squared and perceptual distance to a photograph, at full resolution."""
        view, codes = self.views[number], self.codes[number % len(self.codes), None]
        drawn = self.tuned.synthesis(codes, view.camera, self.options).image
        image = seen(drawn, view)
        return F.mse_loss(image, view.target), self.distance(image, view.target).sum()

    def locality(self, index: int) -> Tensor:  # []
        """How far somebody near the pivot has moved, in final and raw pictures."""
        ws = self.neighbour(index)
        cameras = self.draw_views("locality camera", index)
        with torch.no_grad():
            before = self.base.synthesis(ws, cameras, self.options)
        after = self.tuned.synthesis(ws, cameras, self.options)
        return sum(
            (
                F.mse_loss(own, its) + self.distance(own, its).mean()
                for own, its in zip(after[:2], before[:2], strict=True)
            ),
            start=torch.zeros([], device=self.device),
        )

    @torch.no_grad()
    def neighbour(self, index: int) -> Tensor:  # as `pivot`
        """A step from the pivot towards somebody (PTI, eq. 4)."""
        draws = keyed("cpu", self.settings.seed, "neighbour", index)
        z = torch.randn(1, self.base.z_dim, generator=draws).to(self.device)
        frontal = PRESETS[self.base.camera_preset].frontal().to(self.device)
        ws = self.pivot[:, : self.base.num_ws]
        way = self.base.mapping(z, frontal, NEIGHBOUR_TRUNCATION) - ws
        found: Tensor = ws + NEIGHBOUR_DISTANCE * way / way.norm(dim=2, keepdim=True)
        return torch.cat([found, self.pivot[:, self.base.num_ws :]], dim=1)

    def consistency(self, index: int) -> Tensor:  # []
        """How far the subject's coarse picture has moved, as seen from other sides."""
        before, after = self.from_aside("consistency camera", index)
        return F.mse_loss(coarse(after), coarse(before))

    def shape(self, index: int) -> Tensor:  # []
        """How far its surface has moved there, squared; what one photograph lets fall flat."""
        before, after = self.from_aside("shape camera", index, raw_only=True)
        if after.depth is None or before.depth is None:
            raise UsageError(
                "a student has no depth whose shape could be held: hold its colours, with "
                "consistency, or invert with the teacher."
            )
        return F.mse_loss(after.depth, before.depth)

    def from_aside(
        self, purpose: str, index: int, raw_only: bool = False
    ) -> tuple[Rendering, Rendering]:
        """The subject as the base and the tuned generator draw it from cameras of the domain."""
        cameras, options = self.draw_views(purpose, index), replace(self.options, raw_only=raw_only)
        with torch.no_grad():
            before = self.base.synthesis(self.pivot, cameras, options)
        return before, self.tuned.synthesis(self.pivot, cameras, options)

    def draw_views(self, purpose: str, index: int) -> Camera:  # SIDES
        draws = keyed("cpu", self.settings.seed, purpose, index)
        return self.draw_cameras(SIDES, draws).to(self.device)


def coarse(drawn: Rendering) -> Tensor:
    return F.avg_pool2d(drawn.image, COARSE)
