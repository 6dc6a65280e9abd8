"""Which stage of a distillation a run is in (NeRF-GAN Distillation, section 3.3).

Stage 1 imitates "until the renderer achieves reasonable generation quality": for so many images, or
until the reconstruction of an interval is hardly better than that of the one before. All that the
decision depends on is in buffers, so that a run that is resumed decides alike.
"""

import torch
from torch import Tensor, nn

from nerfgan_cli.training.distill_recipe import DistillTrain
from nerfgan_cli.training.distributed import World

NOT_YET = -1


class Curriculum(nn.Module):
    """See the module."""

    began: Tensor  # [] int64, images seen when stage 2 began; on the CPU, where it is asked for
    sums: Tensor  # [2]: reconstruction losses of this interval, their number
    before: Tensor  # [1]: mean of the interval before; 0: there was none

    def __init__(self, plan: DistillTrain, device: torch.device) -> None:
        super().__init__()
        self.plan = plan
        self.register_buffer("began", torch.tensor(0 if plan.stage == 2 else NOT_YET))
        self.register_buffer("sums", torch.zeros(2, device=device))
        self.register_buffer("before", torch.zeros(1, device=device))

    def since(self, images: int) -> int | None:
        """Images of stage 2 so far, of so many in all; None in stage 1."""
        if self.plan.stage is None and self.began < 0 and images >= self.plan.switch_kimg * 1000:
            self.began.fill_(images)
        return None if self.began < 0 else images - int(self.began)

    def observe(self, loss: Tensor, images: int, world: World) -> None:  # [], images after the step
        """Takes note of a step's reconstruction in stage 1; perhaps stage 2 begins."""
        if self.plan.stage is not None or not self.plan.plateau or self.began >= 0:
            return
        self.sums += world.sum(torch.stack([loss.detach(), torch.ones_like(loss)]))
        interval = self.plan.plateau_kimg * 1000
        if int(images / interval) == int((images - self.plan.batch) / interval):
            return
        mean = self.sums[:1] / self.sums[1:]
        if self.before > 0 and mean > (1 - self.plan.plateau) * self.before:
            self.began.fill_(images)
        self.before.copy_(mean)
        self.sums.zero_()
