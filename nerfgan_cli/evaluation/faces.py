"""Who looks at heads for pose, identity and landmarks.

ToyHeads are read by the small network that comes with nerfgan; faces by an InsightFace pack, and by
ONNX networks that a user names for one of the three.
"""

from functools import lru_cache

from nerfgan_cli.checkpoints.toyheads import is_of_toyheads
from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation.looks import FaceReader
from nerfgan_cli.evaluation.metric import LOWER, MissingWeights, Networks, Setting, Value
from nerfgan_cli.evaluation.pack_faces import PackFaces, pack_folder
from nerfgan_cli.evaluation.toy_faces import open_toy_faces
from nerfgan_cli.faces.detector import LICENCE
from nerfgan_cli.faces.packs import ADDRESS

FACES = "ffhq"  # the cameras of faces


def find_face_obstacle(setting: Setting, what: str) -> str | None:
    """Why nobody here can look at these heads for what is asked; None: somebody can."""
    generator, networks = setting.generator, setting.networks
    if generator is not None and generator.camera_preset != FACES:
        return "nobody estimates it of cats and cars: evaluate a model of faces"
    if draws_toyheads(setting):
        return None
    folder = pack_folder(networks.pack)
    if not folder.is_dir():
        return MissingWeights(
            f"the InsightFace pack {folder.name} is not here: fetch it with nerfgan weights get "
            f"{folder.name}, unpack {ADDRESS}/{folder.name}.zip into {folder} ({LICENCE}), or give "
            "another with --pack; of ToyHeads, add --data toyheads"
        )
    try:
        sources = open_reader(setting).sources
    except WeightsError as error:
        return MissingWeights(str(error).rstrip("."))
    if what not in sources:
        option = f"--{what.removesuffix('s')}-network"
        return MissingWeights(f"the pack {folder.name} has no network for it: give {option}")
    return None


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


def open_reader(setting: Setting) -> FaceReader:
    if draws_toyheads(setting):
        return open_toy_faces(setting.device)
    return _open_pack(setting.networks)


@lru_cache(maxsize=1)
def _open_pack(networks: Networks) -> PackFaces:
    return PackFaces(networks)
