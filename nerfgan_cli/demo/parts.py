"""The parts of a demo: each is made once, and anew when a model that it shows has changed.

A part writes its files and, last of all, NAME.json, which says what they show and of which models
they were made. So a demo that was interrupted goes on with the first part that lacks this note.
"""

import json
import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from tqdm import tqdm

from nerfgan_cli.files import replacing
from nerfgan_cli.training.task import Say

T = TypeVar("T")
Note: TypeAlias = dict[str, Any]


class Part(NamedTuple):
    name: str
    about: str  # for people, as it begins
    models: tuple[Path, ...]  # that it shows
    make: Callable[[], Note]  # writes the files; the note lists them under "files"


def make_part(part: Part, folder: Path, say: Say) -> Note:
    """Its note, new or found."""
    file = folder / f"{part.name}.json"
    made_of = [sha256(model.read_bytes()).hexdigest() for model in part.models]
    found = read_note(file)
    if found is not None and found["made_of"] == made_of:
        say(f"{part.about}: there already")
        return found
    say(part.about)
    note = {"made_of": made_of, **part.make()}
    with replacing(file) as unfinished:
        unfinished.write_text(json.dumps(note, indent=2) + "\n")
    return note


def read_note(file: Path) -> Note | None:
    """None: the part is not there, or not whole."""
    if not file.is_file():
        return None
    try:
        note: Note = json.loads(file.read_text("utf-8"))
        whole = all((file.parent / name).is_file() for name in note["files"])
        return note if whole and "made_of" in note else None
    except (ValueError, KeyError, TypeError):
        return None


def followed(items: Iterable[T], count: int, unit: str) -> Iterable[T]:
    """With a bar, if a person looks on."""
    return tqdm(items, total=count, unit=unit, leave=False, disable=not sys.stderr.isatty())
