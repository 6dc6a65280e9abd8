"""Who looks at heads for pose, identity and landmarks.

ToyHeads are read by the small network that comes with nerfgan; faces by an InsightFace pack, and by
ONNX networks that a user names for one of the three. A pack is fetched if it was asked for by name,
or a metric that needs it.
"""

from functools import lru_cache
from pathlib import Path

from nerfgan_cli.checkpoints.toyheads import is_of_toyheads
from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation.looks import IDENTITY, LANDMARKS, POSE, FaceReader
from nerfgan_cli.evaluation.metric import LOWER, MissingWeights, Networks, Setting, Value
from nerfgan_cli.evaluation.pack_faces import PackFaces
from nerfgan_cli.evaluation.toy_faces import open_toy_faces
from nerfgan_cli.faces.detector import DEFAULT_PACK, LICENCE, missing_folder
from nerfgan_cli.faces.packs import ADDRESS, PACKS, find_or_fetch_pack, find_pack, folder_of

FACES = "ffhq"  # the cameras of faces
ALTERNATIVE = f" ({LICENCE}), or give another with --pack; of ToyHeads, add --data toyheads"
CURVES = "identity_curves"  # a metric; the others are called by what is looked for


def find_face_obstacle(setting: Setting, what: str) -> str | None:
    """Why nobody here can look at these heads for what is asked; None: somebody can."""
    generator, networks = setting.generator, setting.networks
    if generator is not None and generator.camera_preset != FACES:
        return "nobody estimates it of cats and cars: evaluate a model of faces"
    if draws_toyheads(setting):
        return None
    pack = networks.pack or DEFAULT_PACK
    if wrong := missing_folder(pack):
        return MissingWeights(wrong)
    if find_pack(pack) is None:
        return None if _is_fetched(setting, pack) else MissingWeights(_how_to_get(pack))
    try:
        return _lacking(_open_pack(networks), what, pack)
    except WeightsError as error:
        return MissingWeights(str(error).rstrip("."))


def _is_fetched(setting: Setting, pack: str) -> bool:
    """When it is used: what it is for was asked for by name, or the pack itself."""
    named = not setting.named.isdisjoint((POSE, IDENTITY, LANDMARKS, CURVES))
    return pack in PACKS and (named or setting.networks.pack is not None)


def _how_to_get(pack: str) -> str:
    folder, fetch, what = folder_of(pack), "", "its networks (.onnx)"
    if pack in PACKS:
        fetch, what = f"fetch it with nerfgan weights get {pack}, ", f"{ADDRESS}/{pack}.zip"
    return (
        f"the InsightFace pack {folder.name} is not here: {fetch}unpack {what} into {folder}"
        + ALTERNATIVE
    )


def _lacking(reader: FaceReader, what: str, pack: str) -> MissingWeights | None:
    if what in reader.sources:
        return None
    option = f"--{what.removesuffix('s')}-network"
    return MissingWeights(f"the pack {Path(pack).name} has no network for it: give {option}")


def draws_toyheads(setting: Setting) -> bool:
    """Known by the data, or by the latents of the model or of its teacher.

    Networks that a user names always come first.
    """
    networks = setting.networks
    if any((networks.pack, networks.pose, networks.identity, networks.landmarks)):
        return False
    if isinstance(setting.data, ToyHeads):
        return True
    models = (setting.generator, setting.teacher)
    return any(is_of_toyheads(model) for model in models if model is not None)


def rate_of_lost(
    reader: FaceReader, name: str, rate: float, protocol: dict[str, object]
) -> list[Value]:
    """How often no face was found; nobody knows it of a reader that takes everything for one."""
    if reader.detector is None:
        return []
    return [Value(name, rate, None, "", LOWER, protocol)]


def open_reader(setting: Setting, what: str) -> FaceReader:
    """In all processes at once; the first fetches what is missing, while the others wait."""
    toy, pack = draws_toyheads(setting), setting.networks.pack or DEFAULT_PACK
    with setting.world.alike():
        if setting.world.first and not toy and pack in PACKS:
            find_or_fetch_pack(pack, ALTERNATIVE)
    with setting.world.alike():
        if toy:
            return open_toy_faces(setting.device)
        reader = _open_pack(setting.networks)
        lacking = _lacking(reader, what, pack)
        if lacking is not None:
            raise WeightsError(f"{lacking}.")
        return reader


@lru_cache(maxsize=1)
def _open_pack(networks: Networks) -> PackFaces:
    return PackFaces(networks)
