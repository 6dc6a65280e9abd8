"""What the ablations measure of a volumetric generator whose latents stand for ToyHeads.

Each model has a row for each way that it draws: "2d" and "3d", the branches of a Mimic3D; where
there is no strict branch, "direct", its volume without super-resolution, each pixel a ray. What all
of them began as comes first. Columns are what `evaluation/volumes.py` measures: the distance to
real pictures by the features of the bundled discriminator, and whether views are of one scene; then
likeness to the exact pictures of the same heads, how sharp they are (the truth has 1), and the
distance of what is seen, its mean difference from the exact one and correlation with it.

The discriminator is a judge in its own cause: it was trained with the generator that all begin
as, trainings go on with it, and imitation is by its features: runs without imitation look worse to
it than they are. Likeness to the truth and sharpness are impartial.
"""

from pathlib import Path

import torch
from judging import Rows

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.evaluation.volumes import Amount, measure, ways_of
from nerfgan_cli.training.eg3d_recipe import EG3DRecipe

AMOUNT = Amount(heads=16, pictures=256, scenes=3)
COLUMNS = {  # titles and digits
    "fid": ("FID-like", 2),
    "psnr_mv": ("scene, dB", 2),
    "ssim_mv": ("scene, SSIM", 4),
    "gain": ("gain, dB", 2),
    "psnr": ("truth, dB", 2),
    "ssim": ("truth, SSIM", 4),
    "sharpness": ("sharpness", 2),
    "depth_error": ("depth", 4),
    "depth_correlation": ("depth, r", 3),
}
AXES = {"fid": "FID-like distance to real pictures", "psnr_mv": "psnr_mv_fast, dB"}  # of the chart


class VolumeJudge:
    """Measures volumes by the heads that their latents stand for."""

    columns = COLUMNS
    axes = AXES

    def __init__(self, recipe: EG3DRecipe, device: torch.device, cache: Path) -> None:
        self.start, self.device, self.cache = recipe.train.init, device, cache
        self.learned = f"from {'nothing' if self.start is None else Path(self.start).name}"
        self.facts = {"amount": list(AMOUNT)}

    def references(self) -> Rows:
        """What is measured of the model that all began as."""
        if self.start is None:
            return {}
        rows = self.rows(find_model(self.start))
        return {f"{Path(self.start).name}, {way}": numbers for way, numbers in rows.items()}

    def rows(self, model: Path) -> Rows:
        generator = load_model(model, self.device)
        return {
            way: measure(generator, options, self.cache, AMOUNT).numbers()
            for way, options in ways_of(generator).items()
        }
