"""The checkpoints of a run: a model that `--model RUN` opens, and the state to continue from.

Both are named by the images seen, so that names sort by training time. The state is written last:
it makes a checkpoint.
"""

from pathlib import Path

from nerfgan_cli.checkpoints.format import save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import InputError
from nerfgan_cli.training.state import Facts, read_state, refuse_infinite, save_state
from nerfgan_cli.training.task import Say, Task

CHECKPOINTS = "checkpoints"
MODEL, STATE = ".safetensors", ".state"


def stem(images: int) -> str:
    """The name of what belongs to a moment of a run."""
    return f"{images:09d}"


def newest_state(folder: Path) -> Path | None:
    """Of a run folder."""
    states = sorted((folder / CHECKPOINTS).glob(f"*{STATE}"))
    return states[-1] if states else None


def find_newest(folder: Path, say: Say) -> Path | None:
    """The newest state of a run that can be read; None: there is no run, or no checkpoint yet."""
    states = sorted((folder / CHECKPOINTS).glob(f"*{STATE}"), reverse=True)
    for path in states:
        try:
            read_state(path)
        except InputError as error:  # noqa: PERF203
            say(f"{error} Trying the one before.")
        else:
            return path
    if states:
        raise InputError(
            f"none of the {len(states)} checkpoints in {folder} can be read: "
            "name another run, or begin one in a new folder."
        )
    return None


def write(folder: Path, images: int, task: Task, facts: Facts, provenance: Provenance) -> None:
    """Writes a checkpoint; removes all but the newest few, and those of an abandoned future."""
    refuse_infinite(task)
    place = folder / CHECKPOINTS / stem(images)
    save_model(place.with_suffix(MODEL), task.result, provenance)
    save_state(place.with_suffix(STATE), task, facts)
    for suffix in (STATE, MODEL):
        files = sorted((folder / CHECKPOINTS).glob(f"*{suffix}"))
        past = [file for file in files if file.stem <= place.name]
        for file in (*past[: -task.recipe.train.keep], *files[len(past) :]):
            file.unlink()
