"""What a file is, from its first bytes: for a sentence that helps whoever gave the wrong one."""

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from nerfgan_cli.errors import InputError

HEAD_BYTES = 4096


class FileKind(NamedTuple):
    """`name` is for code, `text` and `advice` complete a sentence: it is TEXT: ADVICE."""

    name: str
    text: str
    advice: str = "give a model file (.safetensors)"


SAFETENSORS = FileKind("safetensors", "a .safetensors file", "convert takes official .pkl files")
PICKLE = FileKind("pickle", "a pickle", "turn it into a safe file with nerfgan convert first")
TORCH_SAVE = FileKind(
    "torch", "a file of torch.save", "give the official .pkl or a model made by nerfgan"
)
AGAIN = "download it again"

# Files that are known by how they begin; the first match counts.
BEGINNINGS: tuple[tuple[bytes, FileKind], ...] = (
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", TORCH_SAVE),  # before zip files
    (b"\x89PNG\r\n", FileKind("image", "a PNG picture")),
    (b"\xff\xd8\xff", FileKind("image", "a JPEG picture")),
    (b"GIF8", FileKind("image", "a GIF picture")),
    (b"\x93NUMPY", FileKind("numpy", "a numpy array")),
    (b"\x89HDF\r\n", FileKind("hdf5", "an HDF5 file (Keras or TensorFlow weights)")),
    (b"%PDF", FileKind("pdf", "a PDF document")),
    (b"\x1f\x8b", FileKind("archive", "a gzip archive", "unpack it first")),
    (b"7z\xbc\xaf\x27\x1c", FileKind("archive", "a 7z archive", "unpack it first")),
    (b"\xfd7zXZ", FileKind("archive", "an xz archive", "unpack it first")),
    (b"version https://git-lfs", FileKind("lfs", "a git-lfs pointer", "run git lfs pull")),
)  # fmt: skip
TFLITE = FileKind("tensorflow", "a TensorFlow Lite model")
TENSORFLOW = FileKind("tensorflow", "a TensorFlow checkpoint", "give an EG3D .pkl of the release")
ONNX = FileKind("onnx", "an ONNX model", "give the model it was exported from")
MP4 = FileKind("video", "a video")
HTML = FileKind("html", "a web page, not the download itself", AGAIN)
EMPTY = FileKind("empty", "empty", AGAIN)
UNKNOWN = FileKind("unknown", "of a kind that nerfgan does not know")


PICKLE_NAMES = (".pkl", ".pickle")
IMPORT = re.compile(rb"[ci][A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n")  # GLOBAL or INST of protocol 0


def sniff(path: Path) -> FileKind:
    """Names the kind of a file or folder."""
    if path.is_dir():
        return sniff_folder(path)
    if path.exists() and not path.is_file():  # reading a pipe would wait for its writer
        raise InputError(f"{path} is not a regular file: give a model file (.safetensors).")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        reason = "no such file" if not path.exists() else (error.strerror or "refused").lower()
        raise InputError(f"cannot read {path} ({reason}): check the path.") from error
    if not head:
        return EMPTY
    if is_safetensors(head):  # first: the length of its header may look like anything
        return SAFETENSORS
    for beginning, kind in BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head.startswith(b"PK"):
        return sniff_zip(path)
    return sniff_content(path, head)


def sniff_content(path: Path, head: bytes) -> FileKind:
    """Kinds that take more than a fixed beginning to recognise."""
    text = head.lstrip().lower()
    if head[4:8] == b"ftyp":
        return MP4
    if head[4:8] == b"TFL3":
        return TFLITE
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return HTML
    if is_pickle(head) or (path.suffix in PICKLE_NAMES and IMPORT.search(head)):
        return PICKLE  # of protocol 0 or 1 in the second case: for the safe reader to refuse
    if path.suffix == ".onnx" or (head[:1] == b"\x08" and b"pytorch" in head[:64]):
        return ONNX
    if path.suffix in (".index", ".meta", ".pb") or ".data-00000-of-" in path.name:
        return TENSORFLOW
    if is_text(head):
        return FileKind("text", "a text file" if not is_json(head) else "a JSON file")
    return UNKNOWN


def sniff_folder(path: Path) -> FileKind:
    if (path / "recipe.toml").exists():
        return FileKind("run", "a run folder", "give one of the files in its checkpoints folder")
    if (path / "saved_model.pb").exists() or (path / "checkpoint").exists():
        return TENSORFLOW
    if (path / "dataset.json").exists():
        return FileKind("dataset", "a dataset folder")
    return FileKind("folder", "a folder", "give a file in it")


def sniff_zip(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return FileKind("archive", "a damaged zip archive", AGAIN)
    if any(name.endswith("data.pkl") for name in names):
        return TORCH_SAVE
    if names and all(name.endswith(".npy") for name in names):
        return FileKind("numpy", "a file of numpy arrays (.npz)")
    if "dataset.json" in names:
        return FileKind("dataset", "a zipped dataset")
    return FileKind("archive", "a zip archive", "unpack it first")


def is_safetensors(head: bytes) -> bool:
    """A length below a terabyte, then the opening of a JSON table."""
    return head[5:9] == b"\0\0\0{"


def is_pickle(head: bytes) -> bool:
    """Protocol 2 and later announce themselves; earlier ones are known by what they import."""
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 8:
        return True
    return (
        re.match(rb"[(\]})Nl0-9a-z]{0,4}[ci][A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n", head) is not None
    )


def is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)


def is_json(head: bytes) -> bool:
    return head.lstrip()[:1] in (b"{", b"[")


def refuse_unless(path: Path, name: str) -> None:
    """Raises the sentence for a file that is not of the kind `name`."""
    kind = sniff(path)
    if kind.name != name:
        raise InputError(f"{path} is {kind.text}: {kind.advice}.")
