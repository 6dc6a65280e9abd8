"""Networks to measure: models, or the sizes of a preset with random weights.

Neither time nor memory depends on what the weights are, but in a Mimic3D's 3D branch, which leaves
out what no ray sees: random weights are fog, of which all is seen.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.cameras import Camera
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d import PRESETS as TEACHERS
from nerfgan_cli.generators.mimic3d import PRESETS as MIMICS
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PRESETS as STUDENTS
from nerfgan_cli.generators.student_config import student_config
from nerfgan_cli.generators.volumetric import VolumetricGenerator

TEACHER = "ffhq512-64"  # whose students the presets are
YAW = 0.5  # radians to either side, of the cameras of a batch


def open_network(model: str, teacher: str, device: torch.device) -> Generator:
    """A preset by its name, else a model; `teacher` is whose student a preset is."""
    torch.manual_seed(0)
    if model in TEACHERS:
        generator: Generator = EG3D(TEACHERS[model])
    elif model in MIMICS:
        generator = Mimic3D(MIMICS[model])
    elif model in STUDENTS:
        generator = Student(student_config(model, _teacher(teacher)))
    else:
        return load_model(find_model(model), device).eval()
    return generator.eval().to(device)


def is_preset(model: str) -> bool:
    return any(model in presets for presets in (TEACHERS, MIMICS, STUDENTS))


def title(model: str) -> str:
    """Without the folder of a file."""
    return Path(model).name.removesuffix(".safetensors")


def label(model: str, generator: Generator, options: DrawOptions) -> str:
    """Which branch, too, where there are several."""
    branch = (options.branch or generator.branch) if generator.branches else None
    return f"{title(model)} {branch}" if branch else title(model)


def works(
    generator: Generator, batch: int, options: DrawOptions = DEFAULT_OPTIONS
) -> dict[str, Callable[[], object]]:
    """Drawing pictures of so many subjects, and as many views of one that is at hand."""
    ws, cameras = _subjects(generator, batch)
    subject = generator.prepare(ws[:1], options)
    return {
        "picture": picture_work(generator, batch, options),
        "view": lambda: generator.draw(subject, cameras, options),
    }


def picture_work(
    generator: Generator, batch: int, options: DrawOptions = DEFAULT_OPTIONS
) -> Callable[[], object]:
    """Drawing each of so many subjects once, their style codes at hand."""
    ws, cameras = _subjects(generator, batch)
    return lambda: generator.synthesis(ws, cameras, options)


def _subjects(generator: Generator, batch: int) -> tuple[torch.Tensor, Camera]:
    """Style codes, and a camera for each."""
    device = next(generator.parameters()).device
    preset = CAMERAS[generator.camera_preset]
    cameras = preset.at(torch.linspace(-YAW, YAW, batch)).to(device)
    z = torch.randn(batch, generator.z_dim, generator=torch.Generator().manual_seed(0))
    return generator.mapping(z.to(device), preset.frontal().to(device)), cameras


def _teacher(name: str) -> VolumetricGenerator:
    """A published one without weights, on the device "meta"."""
    if name in TEACHERS:
        with torch.device("meta"):
            return EG3D(TEACHERS[name])
    generator = load_model(find_model(name))
    if not isinstance(generator, VolumetricGenerator):
        raise UsageError(f"{name} is no volumetric model: give --teacher another.")
    return generator
