"""Models by name, file, run folder or inversion: where `--model` finds its file.

Bundled models are part of the package. Other named weights lie in `$NERFGAN_HOME/weights` (default
`~/.cache/nerfgan/weights`).
"""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from nerfgan_cli.errors import InputError, UsageError, WeightsError

EG3D_FILES = "https://api.ngc.nvidia.com/v2/models/nvidia/research/eg3d/versions/1/files"
EG3D_LICENCE = "NVIDIA Source Code License for EG3D, non-commercial"
MIMIC3D_FILES = "https://drive.google.com/drive/folders/1zu9PUD2TvPuc-zTU1hK8q8GnnxcUdZxj"
MIMIC3D_LICENCE = "MIT, on top of NVIDIA's Source Code License for EG3D, non-commercial"


@dataclass(frozen=True)
class Entry:
    """Weights that their authors publish, as a pickle to be converted."""

    name: str
    about: str
    address: str  # of the file, or of the folder in which it is
    licence: str
    file: str  # its name there

    @property
    def remedy(self) -> str:
        """How to get them."""
        inside = "" if self.address.endswith(self.file) else f"{self.file} in "
        file = self.file.rpartition("/")[2]
        target = weights_folder() / f"{self.name}.safetensors"
        return (
            f"download {inside}{self.address} ({self.licence}) and nerfgan convert {file} "
            f"-o {target}"
        )


def _eg3d(name: str, about: str) -> Entry:
    return Entry(name, about, f"{EG3D_FILES}/{name}.pkl", EG3D_LICENCE, f"{name}.pkl")


def _mimic3d(domain: str, about: str, phase: str) -> Entry:
    branches = "both branches" if phase == "3d" else "2D branch"
    file = f"{domain}_{phase}/network-snapshot-*.pkl"
    about = f"Mimic3D, {about}, {branches}"
    return Entry(f"mimic3d-{domain}-{phase}", about, MIMIC3D_FILES, MIMIC3D_LICENCE, file)


# The files of the EG3D release (image resolution - rays per side). Its ffhq512-64 is documented but
# was never published.
PUBLISHED = (
    _eg3d("ffhq512-128", "EG3D, faces of FFHQ"),
    _eg3d("ffhqrebalanced512-64", "EG3D, faces, poses rebalanced"),
    _eg3d("ffhqrebalanced512-128", "EG3D, faces, poses rebalanced; best from the side"),
    _eg3d("afhqcats512-128", "EG3D, cats of AFHQ"),
    _eg3d("shapenetcars128-64", "EG3D, cars of ShapeNet"),
    *(
        _mimic3d(domain, about, phase)
        for domain, about in (
            ("ffhq512", "faces of FFHQ"),
            ("ffhq256", "faces of FFHQ, 256²"),
            ("afhq512", "cats of AFHQ"),
            ("afhq256", "cats of AFHQ, 256²"),
            ("shapenet128", "cars of ShapeNet"),
        )
        for phase in ("3d", "2d")
    ),
)
ZOO = {entry.name: entry for entry in PUBLISHED}


@dataclass(frozen=True)
class Bundled:
    """Weights within the package."""

    about: str
    run: str  # name of the card, recipe and log beside the file: those of its training


TEACHER = "eg3d-toyheads"
MIMIC3D = "mimic3d-toyheads"
STUDENT = "light-toyheads"
STRICT = f"light-{MIMIC3D}"
SLIM = "slim-toyheads"
PAPER = "paper-toyheads"
DISCRIMINATOR = f"{TEACHER}-discriminator"
BUNDLED = {
    STRICT: Bundled(f"the light student of {MIMIC3D}, of its 3D branch, 128²", STRICT),
    STUDENT: Bundled(f"the light student of {TEACHER}, 128²", STUDENT),
    SLIM: Bundled("its student of preset slim (StyleGAN3), to compare with, 128²", SLIM),
    PAPER: Bundled("its student of preset paper, to compare with, 128²", PAPER),
    TEACHER: Bundled("small EG3D of the heads that nerfgan draws itself, 128²", TEACHER),
    MIMIC3D: Bundled("small Mimic3D of the same heads, both branches, 128²", MIMIC3D),
    DISCRIMINATOR: Bundled(f"the discriminator that {TEACHER} was trained with", TEACHER),
}
BUNDLED_FOLDER = Path(__file__).parents[1] / "weights"
DEFAULT = STRICT
# In the folder of an inversion.
TUNED, UNFINISHED, RESULT = "model.safetensors", "unfinished.state", "result.json"


def home() -> Path:
    """The folder in which nerfgan keeps what it downloads and what it is given."""
    return Path(os.environ.get("NERFGAN_HOME") or "~/.cache/nerfgan").expanduser()


def weights_folder() -> Path:
    return home() / "weights"


def installed(name: str) -> Path | None:
    """The file of a named model, if it is there."""
    folder = BUNDLED_FOLDER if name in BUNDLED else weights_folder()
    file = folder / f"{name}.safetensors"
    return file if file.is_file() else None


def names() -> list[str]:
    """All names that a model may have: bundled, of the zoo, and of files in our folder."""
    own = (file.stem for file in weights_folder().glob("*.safetensors"))
    return list(dict.fromkeys([*BUNDLED, *ZOO, *own]))


def is_name(model: str) -> bool:
    """A bare word is a name first; what has a separator or a suffix, and exists, is a path."""
    path = Path(model).expanduser()
    is_word = path.name == model and not path.suffix
    return model in names() and (is_word or not path.exists())


def find_model(model: str | None) -> Path:
    """The file that is meant: by name, a file, the newest one of a run, or that of an inversion.

    Without a word it is the `DEFAULT` one.
    """
    model = DEFAULT if model is None else model
    path = Path(model).expanduser()
    if is_name(model):
        return installed(model) or _lacking(model)
    if path.is_dir():
        return _tuned_model(path) or _newest_checkpoint(path)
    if path.exists():
        return path
    if path.name == model and path.suffix not in (".safetensors", ".pkl"):
        near = get_close_matches(model, names(), n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}?" if near else f"use a file or one of {', '.join(names())}."
        raise UsageError(f"there is no model named {model!r}, nor such a file: {hint}")
    raise InputError(f"there is no file {model}: check the path.")


def _lacking(name: str) -> Path:
    if name in BUNDLED:
        raise WeightsError(
            f"the file of the bundled model {name} is missing: install nerfgan again."
        )
    raise WeightsError(f"the weights of {name} are not installed: {ZOO[name].remedy}.")


def _tuned_model(folder: Path) -> Path | None:
    """Of an inversion's folder."""
    if (folder / UNFINISHED).is_file() and not (folder / RESULT).is_file():
        raise WeightsError(
            f"the inversion {folder} is not finished: go on with the nerfgan invert that began it."
        )
    return folder / TUNED if (folder / TUNED).is_file() else None


def _newest_checkpoint(folder: Path) -> Path:
    """The last checkpoint of a run; their names sort by training time."""
    checkpoints = sorted((folder / "checkpoints").glob("*.safetensors"))
    if checkpoints:
        return checkpoints[-1]
    if (folder / "recipe.toml").exists():
        raise WeightsError(f"the run {folder} has no checkpoint yet: wait for its first snapshot.")
    raise InputError(
        f"{folder} is not a run folder: give a run folder, an inversion's folder or a file."
    )
