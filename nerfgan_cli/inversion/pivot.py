"""Stage 1, the pivot: whose picture the photograph is (PTI; inversion_and_editing.md 4.1, 5).

    w, noise images, camera → generator → perceptual distance to the photographs → Adam

The generator stays as it is, but for its noise images, which are buffers. A student has none, and
its "W+" is one w and an offset to the codes that it makes of w for its layers: those depend on the
camera, an offset does not.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.generators.contract import DrawOptions, Generator, Subject
from nerfgan_cli.inversion import noise, schedules
from nerfgan_cli.inversion.camera_search import CameraSearch, shift_picture
from nerfgan_cli.inversion.mirror import with_mirrored
from nerfgan_cli.inversion.photos import View
from nerfgan_cli.inversion.settings import Settings
from nerfgan_cli.inversion.stage import Stage, Terms, chosen_views, photos_among, seen
from nerfgan_cli.inversion.statistics import Statistics
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.training.randomness import keyed

COMPARED = 256  # side at which pictures are compared; larger ones are reduced by area


class PivotSearch(Stage):
    name = "pivot"

    def __init__(
        self,
        generator: Generator,  # changed in its noise images
        views: Sequence[View],
        distance: Perceptual,
        statistics: Statistics,
        settings: Settings,
    ) -> None:
        self.generator, self.distance = generator, distance
        self.photos = len(views)
        preset = PRESETS[generator.camera_preset]
        # While a camera is searched, nobody knows where the mirrored one is.
        mirror = settings.mirror and settings.camera is None
        self.views = with_mirrored(views, preset) if mirror else list(views)
        self.statistics, self.settings = statistics, settings
        self.steps = settings.pivot.steps
        self.device = statistics.w_avg.device
        self.options = DrawOptions(
            depth_multiplier=settings.depth_multiplier, recompute=settings.recompute
        )
        layers = settings.pivot.space == "w+"
        inner = inner_codes(generator, statistics) if layers else None
        rows = generator.num_ws if layers and inner is None else 1
        self.ws = nn.Parameter(statistics.w_avg.repeat(1, rows, 1))
        self.offset: nn.Parameter | None = None  # as if of w; `offset_scale` makes it the layers'
        if inner is not None:
            self.offset = nn.Parameter(torch.zeros_like(inner[:1]))
            self.offset_scale = spread(inner) / spread(statistics.codes)
        self.moves: nn.Parameter | None = None  # [V, 1, w_dim], of ws from frame to frame
        if settings.frames is not None:
            self.moves = nn.Parameter(self.ws.new_zeros(self.photos, 1, generator.w_dim))
        self.noise = generator.noise_images() if settings.pivot.optimise_noise else {}
        for index, image in enumerate(self.noise.values()):
            draws = keyed("cpu", settings.seed, "noise image", index)
            image.copy_(torch.randn(image.shape, generator=draws))
            image.requires_grad_(True)
        self.search: CameraSearch | None = None
        codes = [one for one in (self.ws, self.offset, self.moves) if one is not None]
        groups: list[dict[str, Any]] = [{"params": [*codes, *self.noise.values()]}]
        if settings.camera is not None:
            cameras = Camera.cat([view.camera for view in views])
            known = [view.known for view in views]
            domain = generator.camera_preset
            self.search = CameraSearch(cameras, known, domain, settings.camera).to(self.device)
            betas = 0.9, settings.camera.memory
            groups.append({"params": [self.search.offsets], "betas": betas})
        self.optimizer = torch.optim.Adam(groups, lr=0.0, betas=(0.9, 0.999))

    def tensors(self) -> dict[str, Tensor]:
        found = {"ws": self.ws, **{f"noise.{name}": image for name, image in self.noise.items()}}
        if self.offset is not None:
            found["offset"] = self.offset
        if self.moves is not None:
            found["moves"] = self.moves
        if self.search is not None:
            found["cameras"] = self.search.offsets
        return {name: tensor.detach() for name, tensor in found.items()}

    def step(self, index: int) -> Terms:
        rates = self._set_rates(index)
        self.optimizer.zero_grad(set_to_none=True)
        terms = {"perceptual": torch.zeros([], device=self.device)}
        chosen = chosen_views(self.settings, len(self.views), index)
        divisor = photos_among(chosen, self.photos)
        for number in chosen:
            # Planes are drawn for each view, so that only one view's graph is in memory.
            distance = self.compare(self.noisy(index, number), number) / divisor
            torch.autograd.backward(distance)
            terms["perceptual"] += distance.detach()
        for name, term in self._penalties():
            torch.autograd.backward(term)
            terms[name] = term.detach()
        self.optimizer.step()
        for image in self.noise.values():
            noise.normalise(image)
        return {name: float(term) for name, term in terms.items()} | rates

    def compare(self, subject: Subject, number: int) -> Tensor:  # []
        """The distance of a subject to one of the photographs."""
        view = self.views[number]
        search = self.search_of(number)
        camera = view.camera if search is None else search.cameras()[number]
        image = self.generator.draw(subject, camera, self.options).image
        if search is not None:
            image = shift_picture(image, search.shifts[number])
        image = seen(image, view)
        distance: Tensor = self.distance(reduce(image), reduce(view.target))
        return distance.sum()

    @torch.no_grad()
    def found_views(self) -> list[View]:
        """The photographs with the cameras that were found, each moved to where it belongs."""
        found, shifts = [], self.shifts()
        for number, view in enumerate(self.views[: self.photos]):
            search = self.search_of(number)
            if search is not None:
                back = -shifts[number]
                mask = None if view.mask is None else shift_picture(view.mask, back)
                target, camera = shift_picture(view.target, back), search.cameras()[number]
                view = View(target, camera, mask, view.known)
            found.append(view)
        return found

    @torch.no_grad()
    def shifts(self) -> Tensor:  # [V, 2], as of `CameraSearch`
        """Of the photographs, in whole pixels, so that they stay as sharp as they are."""
        if self.search is None:
            return torch.zeros(self.photos, 2, device=self.device)
        side = self.views[0].target.shape[-1]
        return (self.search.shifts * side).round() / side

    def search_of(self, number: int) -> CameraSearch | None:
        """What moves the camera of a photograph, if anything does."""
        search = self.search
        return None if search is None or not search.moving[number] else search

    def noisy(self, index: int, number: int = 0) -> Subject:
        """Who is drawn of a photograph in a step: one near the codes so far."""
        ws = self.ws + self.draw_noise(index)
        return self.prepare(ws if self.moves is None else ws + self.moves[number % self.photos])

    def prepare(self, ws: Tensor) -> Subject:
        codes = ws.expand(-1, self.generator.num_ws, -1)
        if self.offset is not None:
            codes = torch.cat([codes, self.offset * self.offset_scale], dim=1)
        return self.generator.prepare(codes, self.options)

    def draw_noise(self, index: int) -> Tensor:  # as `ws`
        size = schedules.latent_noise(index, self.steps) * self.statistics.w_std
        draws = keyed("cpu", self.settings.seed, "latent noise", index)
        return size * torch.randn(self.ws.shape, generator=draws).to(self.device)

    def _penalties(self) -> Iterator[tuple[str, Tensor]]:
        if self.noise:
            yield "noise", noise.regulariser(self.noise.values())
        if self.settings.pivot.layer_penalty:
            rows = self.ws[:, 1:] - self.ws[:, :1] if self.offset is None else self.offset
            yield "layers", self.settings.pivot.layer_penalty * rows.square().sum(dim=2).mean()
        if self.moves is not None and self.settings.frames is not None:
            steps = (self.moves[1:] - self.moves[:-1]) / self.statistics.w_std
            yield "smoothness", self.settings.frames.smoothness * steps.square().sum(2).mean()
        if self.search is not None:
            yield "camera", self.search.prior().mean()

    def _set_rates(self, index: int) -> Terms:
        group, *others = self.optimizer.param_groups
        group["lr"] = schedules.rate(index, self.steps)
        for other in others:
            assert self.settings.camera is not None
            started = index / self.steps >= self.settings.camera.start
            other["lr"] = self.settings.camera.rate * schedules.ramp(index / self.steps) * started
        return {"rate": group["lr"]}


@torch.no_grad()
def inner_codes(generator: Generator, statistics: Statistics) -> Tensor | None:  # [N, rows, w_dim]
    """Those of some subjects seen from the front, where a generator has codes of its own."""
    frontal = PRESETS[generator.camera_preset].frontal().to(statistics.codes.device)
    ws = statistics.codes[:, None].expand(-1, generator.num_ws, -1)
    return generator.layer_codes(ws, frontal.expand(len(ws)))


def spread(codes: Tensor) -> Tensor:  # [N, ...] -> []
    """Root mean square of the numbers' distances from their means."""
    return (codes - codes.mean(dim=0)).square().mean().sqrt()


def reduce(image: Tensor) -> Tensor:  # [B, C, H, H]
    """As large as pictures are compared, at most, by averages over areas."""
    side = min(COMPARED, image.shape[-1])
    return F.adaptive_avg_pool2d(image, side)
