"""Who is drawn, as the command line says it: seeds, latents, weighted sums of either.

1,2,8-11        seeds
a.safetensors   a latent: a file of ours or of numpy, or an inversion's folder
DIR/frames      latents: all that are in a folder, by name
0.7*1+0.3*2     a sum about the average subject, of seeds or latents
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import typer
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.commands.drawing import Known, Truncation, choose_people, take_in
from nerfgan_cli.commands.parsing import parse_seeds
from nerfgan_cli.editing.mixing import blend, together
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import Sitter
from nerfgan_cli.inversion.extras import has_noise
from nerfgan_cli.latent_files import FORMS, OFFSET, PIVOT, Latent, read_latent

LARGEST_WEIGHT = 10.0
SEEDS = re.compile(r"\d+(\s*-\s*\d+)?", re.ASCII)
WEIGHTED = re.compile(r"([+-]?\s*\d*\.?\d+)\s*\*\s*(.+)", re.ASCII)
# A minus parts terms only before a weight: names of files may have one.
BETWEEN = re.compile(r"\+|(?<=[^+\s])\s*(?=-\s*\d*\.?\d+\s*\*)", re.ASCII)


@dataclass(frozen=True, eq=False)
class Sum:
    """Several subjects in one."""

    name: str
    terms: tuple[tuple[float, Sitter], ...]
    seed: int = 0  # of random noise

    def codes(self, generator: Generator) -> Tensor:  # [1, L, w_dim]
        codes = [sitter.codes(generator) for _, sitter in self.terms]
        average = generator.latent_space().w_avg.expand(1, generator.num_ws, -1)
        return blend(codes, [weight for weight, _ in self.terms], average)


def parse_sitters(option: str, text: str, truncation: Truncation) -> list[Sitter]:
    """The subjects of a comma list."""
    sitters: list[Sitter] = []
    for part in (part.strip() for part in text.split(",")):
        folder = Path(part).expanduser()
        if SEEDS.fullmatch(part):
            sitters += map(truncation.person, parse_seeds(part))
        elif part and folder.is_dir() and not (folder / PIVOT).is_file():
            sitters += [Known(read_latent(path)) for path in list_latents(option, folder)]
        elif Path(part).expanduser().exists() or not re.search(r"[*+]", part):
            sitters.append(_sitter(option, part, truncation))
        else:
            terms = tuple(_term(option, term, truncation) for term in BETWEEN.split(part))
            names = (f"{weight:+g}*{sitter.name.removeprefix('seed ')}" for weight, sitter in terms)
            sitters.append(Sum("".join(names).removeprefix("+"), terms))
    return sitters


def list_latents(option: str, folder: Path) -> list[Path]:
    """All by name, as of the frames of a video."""
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise InputError(f"{option}: {folder} holds no latents: give {FORMS}.")
    return found


def gather_sitters(
    model: str | None, seeds: str | None, latents: str | None, truncation: Truncation
) -> list[Sitter]:
    """Those of `--seeds` and `--latents`; without either an inversion's own, or seed 0."""
    sitters: list[Sitter] = []
    if seeds is not None or latents is None:
        sitters += choose_people(model, seeds, None, truncation)
    if latents is not None:
        sitters += parse_sitters("--latents", latents, truncation)
    return sitters


def known_among(sitters: Iterable[Sitter]) -> list[Known]:
    """Each latent that is a file, also within sums."""
    found: dict[int, Known] = {}
    for sitter in sitters:
        for part in [term for _, term in sitter.terms] if isinstance(sitter, Sum) else [sitter]:
            if isinstance(part, Known):
                found[id(part.latent)] = part
    return list(found.values())


def take_in_all(sitters: Iterable[Sitter], generator: Generator) -> None:
    """Noise images of the one latent that has some; says what cannot be taken."""
    known = known_among(sitters)
    if sum(has_noise(one.latent) for one in known) > 1:
        typer.echo("several latents have noise images of their own: none is drawn", err=True)
        known = [Known(without_noise(one.latent)) for one in known]
    take_in(known, generator)


def without_noise(latent: Latent) -> Latent:
    kept = {name: tensor for name, tensor in latent.tensors.items() if name == OFFSET}
    return replace(latent, tensors=kept)


@torch.inference_mode()
def codes_of(sitters: Sequence[Sitter], generator: Generator) -> Tensor:  # [N, L, w_dim]
    return together([sitter.codes(generator) for sitter in sitters])


@torch.inference_mode()
def map_latents(
    generator: Generator, z: Tensor, truncation: Truncation
) -> Tensor:  # [N, z_dim] -> [N, L, w_dim]
    """With the one conditioning camera that never moves: the frontal one."""
    device = generator.latent_space().w_avg.device
    frontal = PRESETS[generator.camera_preset].frontal().to(device)
    return generator.mapping(z.float().to(device), frontal, truncation.psi, truncation.cutoff)


def _term(option: str, text: str, truncation: Truncation) -> tuple[float, Sitter]:
    """ "0.7*3", "3", "a.npy" or "0.3*a.npy" """
    match = WEIGHTED.fullmatch(text.strip())
    weight, who = (float("".join(match[1].split())), match[2]) if match else (1.0, text)
    if abs(weight) > LARGEST_WEIGHT:
        raise UsageError(f"{option}: a weight of {weight:g} is too large: stay within ±10.")
    return weight, _sitter(option, who.strip(), truncation)


def _sitter(option: str, text: str, truncation: Truncation) -> Sitter:
    if not text:
        raise UsageError(f"{option} has an empty entry: write seeds or files, as in 1,2,a.npy.")
    if re.fullmatch(r"\d+", text, re.ASCII):
        return truncation.person(parse_seeds(text)[0])
    return Known(read_latent(Path(text).expanduser()))
