"""Where a model came from, and which terms it carries along."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from nerfgan_cli import __version__
from nerfgan_cli.errors import WeightsError

# A pickle does not say who trained it, so every converted one carries this note.
OFFICIAL_TERMS = (
    "NVIDIA Source Code License for EG3D: weights that NVIDIA released, and models fine-tuned or "
    "distilled from them, are for non-commercial research and evaluation only."
)
MIMIC3D_TERMS = (
    "Mimic3D's own code is under the MIT licence; it is built on EG3D, whose NVIDIA Source Code "
    "License is for non-commercial research and evaluation only."
)
AUGMENTATION = "augment_p"  # among a discriminator's training facts: how strongly, in the end


@dataclass(frozen=True)
class Provenance:
    source: str  # name of the file or run it was made from, without its folder
    sha256: str | None = None  # of that file
    network: str | None = None  # of an official checkpoint: G_ema, G, D or D_patch
    licence: str | None = None  # terms beyond nerfgan's own; None: none are known
    training: dict[str, Any] = field(default_factory=dict)  # facts, as plain JSON data
    nerfgan: str = __version__  # version that wrote the file

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> "Provenance":
        texts = {item.name for item in fields(cls)} - {"training"}
        if (
            not isinstance(data, dict)
            or not {"source", "nerfgan"} <= set(data) <= {*texts, "training"}
            or not isinstance(data.get("training", {}), dict)
            or not all(isinstance(data.get(name), str | None) for name in texts)
        ):
            raise WeightsError("the provenance of this model is damaged: get the file again.")
        return cls(**data)


def derived_licence(origin: Provenance) -> str | None:
    """The terms of a model that was distilled, fine-tuned or inverted from another one."""
    if origin.licence is None or origin.licence.startswith("Derived from "):
        return origin.licence
    return f"Derived from {origin.source}. {origin.licence}"
