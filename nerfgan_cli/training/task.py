"""What a kind of recipe plugs into the loop (`loop.py`): its state, its step, its result.

    task = kind.task(recipe, world)          # networks of the recipe's seed
    task.initialize(say) | restore(task, …)  # weights to start from, or those of the checkpoint
    task.begin(step)
    loop:  losses = task.step(step)          # → log; now and then snapshot(task.result)

A task draws every random number from `randomness.keyed(device, seed, purpose, step, slice)`, and
its data from a position that follows from the step. So it has no state but `modules` and
`optimizers`; a number that changes as it goes is a buffer of a module.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor, nn
from torch.optim import Optimizer

from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.media import Picture
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.recipe import Recipe

Numbers: TypeAlias = dict[str, Tensor | float]  # by name; a tensor is []
Say: TypeAlias = Callable[[str], None]  # tells people how the run goes


class Task(ABC):
    """One kind of training. Subclasses set the attributes and implement the methods."""

    recipe: Recipe
    world: World
    data: ImageSet | None = None  # whose pictures a run learns from
    licence: str | None = None  # terms of the weights that the run started from
    card: Mapping[str, str] = {}  # facts that only this kind has, for the model's file
    modules: Mapping[str, nn.Module]  # all that learns, is averaged or counts: the saved state
    teachers: Sequence[nn.Module] = ()  # networks that it learns from, which stay as they are
    optimizers: Mapping[str, Optimizer]

    @abstractmethod
    def initialize(self, say: Say) -> None:
        """Takes over the weights that `train.init` names; called once in a new run."""

    @abstractmethod
    def begin(self, step: int) -> None:
        """Opens the data where `step` needs them; called once, after a checkpoint is restored."""

    def gather(self) -> None:
        """Before a checkpoint, in all processes: what each counts for itself goes to the first."""
        return

    @abstractmethod
    def step(self, step: int) -> Numbers:
        """One iteration over `train.batch` images.

        Returns numbers for the log, each of this process's share of the batch; one whose name
        starts with "loss/" ends the run when it diverges (`log.LARGEST_LOSS`). Not every step must
        give all.
        """

    @property
    @abstractmethod
    def result(self) -> Generator:
        """What a snapshot saves and draws, in evaluation mode."""

    def pictures(self) -> Mapping[str, Picture]:
        """Pictures of its own for `samples/`, by name; drawn with each snapshot."""
        return {}

    @abstractmethod
    def rehearsals(self) -> Mapping[str, Callable[[], object]]:
        """Forward passes over one slice without data, for `--dry-run`; each returns its graph."""
