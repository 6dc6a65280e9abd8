"""Before stage 1: where the search for cameras that nobody told begins.

The first of their photographs is tried from several yaws, with a few steps of the latent from each.
With the codes that came nearest, the others are only drawn from each yaw: of one subject they are
the same, and a video has hundreds of frames.
"""

from math import inf

import torch
from torch import Tensor, nn

from nerfgan_cli.generators.contract import Subject
from nerfgan_cli.inversion import schedules
from nerfgan_cli.inversion.pivot import PivotSearch
from nerfgan_cli.inversion.stage import Stage, Terms

TRIAL = 0.02  # share of the pivot's steps that each yaw gets


class FirstCameras(Stage):
    name = "cameras"

    def __init__(self, pivot: PivotSearch) -> None:  # whose cameras it changes
        self.pivot = pivot
        self.unknown = [number for number, view in enumerate(pivot.views) if not view.known]
        if pivot.search is None:
            self.unknown = []  # they stay what they are
        self.yaws = pivot.search.starts if pivot.search is not None else []
        self.trial = max(1, round(TRIAL * pivot.steps))  # steps
        self.trials = len(self.yaws) * self.trial
        self.steps = self.trials + len(self.unknown) - 1 if self.unknown else 0
        self.ws = nn.Parameter(pivot.ws.detach().clone())  # of the yaw that is tried
        self.nearest = self.ws.detach().clone()  # of all that were
        self.least = self.ws.new_full([], inf)  # its distance
        self.best = self.ws.new_zeros([])  # its yaw
        self.optimizer = torch.optim.Adam([self.ws], lr=schedules.RATE)

    def tensors(self) -> dict[str, Tensor]:
        found = {"ws": self.ws, "nearest": self.nearest, "least": self.least, "best": self.best}
        if self.pivot.search is not None:
            found["offsets"] = self.pivot.search.offsets
        return {name: tensor.detach() for name, tensor in found.items()}

    def step(self, index: int) -> Terms:
        if index < self.trials:
            distance = self.try_yaw(*divmod(index, self.trial))
        else:
            distance = self.choose_yaw(self.unknown[index - self.trials + 1])
        return {"perceptual": distance}

    def try_yaw(self, number: int, step: int) -> float:
        """A step of the latent; the last one of a yaw tells how near the photograph it came."""
        photo, yaw = self.unknown[0], self.yaws[number]
        if step == 0:
            self.turn(photo, yaw)
            with torch.no_grad():
                self.ws.copy_(self.pivot.ws)
            self.optimizer.state.clear()
        distance = self.pivot.compare(self.pivot.prepare(self.ws), photo)
        self.ws.grad = torch.autograd.grad(distance, self.ws)[0]
        self.optimizer.step()
        if step < self.trial - 1:
            return distance.item()
        with torch.no_grad():
            came = self.judge(self.pivot.prepare(self.ws), photo, yaw)
            if came < self.least:
                self.least.fill_(came)
                self.best.fill_(yaw)
                self.nearest.copy_(self.ws)
        self.turn(photo, self.best.item())
        return came

    @torch.no_grad()
    def choose_yaw(self, photo: int) -> float:
        """The yaw from which the subject so far is most like a photograph."""
        subject = self.pivot.prepare(self.nearest)
        distances = {yaw: self.judge(subject, photo, yaw) for yaw in self.yaws}
        best = min(distances, key=distances.__getitem__)
        self.turn(photo, best)
        return distances[best]

    def judge(self, subject: Subject, photo: int, yaw: float) -> float:
        """The distance from there, and how unlikely it is that a camera stands there."""
        assert self.pivot.search is not None
        self.turn(photo, yaw)
        prior = self.pivot.search.prior()[photo]
        return float(self.pivot.compare(subject, photo) + prior)

    @torch.no_grad()
    def turn(self, photo: int, yaw: float) -> None:
        assert self.pivot.search is not None
        self.pivot.search.offsets[photo, 0] = yaw
