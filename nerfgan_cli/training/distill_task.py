"""Distillation of a volumetric teacher into a convolutional student (NeRF-GAN Distillation, 3.3).

    (z, camera) → teacher → lesson: w, features, pictures ─┐
                        w, camera → student → drawn ───────┴→ reconstruction        stage 1
                                                drawn, reals → discriminator        stage 2

One step: lessons, the student, in stage 2 the discriminator; then the average follows. At the
beginning of stage 2 the discriminator learns alone for a while. What the losses are is in
`distill.py`, which lessons there are in `lessons.py`, when stage 2 begins in `curriculum.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import cache

import torch
from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DrawOptions, Generator, Rendering, Subject
from nerfgan_cli.media import Picture
from nerfgan_cli.nn.discriminators import SingleDiscriminator
from nerfgan_cli.training.adversary import Adversary
from nerfgan_cli.training.comparison import compare
from nerfgan_cli.training.curriculum import Curriculum
from nerfgan_cli.training.distill import (
    Lesson,
    adversarial_loss,
    consistency_loss,
    reconstruction_losses,
    weigh,
)
from nerfgan_cli.training.distill_networks import (
    build_critic,
    build_optimizer,
    build_perceptual,
    build_student,
    first_strength,
    refuse_changed,
    refuse_foreign,
)
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d import Exhibit, Moment, Reals, Views, penalize, real_views
from nerfgan_cli.training.eg3d_task import GROUP, refuse_odd_groups
from nerfgan_cli.training.feed import reals
from nerfgan_cli.training.heldout import HeldOut
from nerfgan_cli.training.lessons import (
    blank_lesson,
    lesson_number,
    open_lessons,
    open_pictures,
)
from nerfgan_cli.training.precision import set_training_precision
from nerfgan_cli.training.randomness import key
from nerfgan_cli.training.schedules import ema_beta, learning_rate
from nerfgan_cli.training.task import Numbers, Say, Task
from nerfgan_cli.training.teacher import Signature, open_discriminator, open_teacher
from nerfgan_cli.training.transfer import read_start, take_over
from nerfgan_cli.training.update import descend, follow, following_magnitudes

STARTED = ("generator", "average", "discriminator")  # what `train.init` can give weights to


class DistillTask(Task):
    """See the module."""

    adversary: Adversary | None = None  # None: there is no stage 2
    reals: Iterator[Reals] | None = None  # None: stage 2 has not begun

    def __init__(self, recipe: DistillRecipe, world: World) -> None:
        self.recipe: DistillRecipe = recipe
        self.world = world
        self.slices = world.slices(recipe.train.batch, recipe.train.batch_gpu)
        opened = open_teacher(recipe.teacher, world.device)
        self.teacher, self.licence = opened.network, opened.licence
        self.data = open_pictures(recipe, self.teacher.img_resolution)
        self.lessons = open_lessons(recipe, self.teacher, self.data, self.slices.size)
        count = recipe.train.heldout
        self.heldout = HeldOut(self.lessons, count, world) if count else None
        self.distinct = recipe.teacher.cache_targets // self.slices.size
        self._build()
        perceptual = recipe.loss.perceptual if recipe.loss.is_perceptual else "none"
        self.card = {"teacher": opened.source, "perceptual": perceptual}
        if self.lessons.wanted.branch is not None:
            self.card["branch"] = self.lessons.wanted.branch

    def _build(self) -> None:
        """The networks, new ones with weights of the recipe's seed."""
        recipe, device = self.recipe, self.world.device

        @cache
        def given() -> SingleDiscriminator:
            return open_discriminator(recipe.teacher, self.teacher)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(recipe.train.seed, "weights"))
            self.generator = build_student(recipe, self.teacher).to(device)
            self.perceptual = build_perceptual(recipe, given, device)
            if recipe.is_adversarial:
                critic = build_critic(recipe, self.teacher.img_resolution, given)
                self._oppose(critic)
        self.average = deepcopy(self.generator).requires_grad_(False).eval()
        self.curriculum = Curriculum(recipe.train, device)
        self.teachers = [self.teacher, *([self.perceptual] if self.perceptual else [])]
        self.signature = Signature(*self.teachers)
        modules: dict[str, nn.Module] = {
            "generator": self.generator,
            "average": self.average,
            "curriculum": self.curriculum,
            "signature": self.signature,
        }
        self.optimizers = {"generator": build_optimizer(self.generator, self.teacher, recipe.optim)}
        if self.adversary is not None:
            modules |= {"discriminator": self.adversary.network, "ada": self.adversary.ada}
            self.optimizers["discriminator"] = self.adversary.optimizer
        self.modules = modules
        for module in modules.values():
            set_training_precision(module, recipe.train.precision, device)

    def _oppose(self, critic: SingleDiscriminator) -> None:
        size, loss = self.slices.size, self.recipe.loss
        anew = loss.discriminator_start == "scratch"
        name = GROUP if anew else "the groups of the teacher's discriminator"
        refuse_odd_groups(size, critic.config.mbstd_group_size, name)
        if loss.reals == "half" and size % 2:
            raise UsageError(
                f'loss.reals = "half" cannot halve slices of {size} images: make train.batch_gpu '
                "even, or set loss.reals to data or teacher."
            )
        resolution = self.generator.raw_resolution
        p = first_strength(self.recipe)
        self.adversary = Adversary(critic, p, self.recipe, resolution, self.world, self.slices)

    def initialize(self, say: Say) -> None:
        self.generator.start_from_teacher(self.teacher)
        if self.recipe.model.predictor_start == "planes":
            self.generator.start_predictor_from(self.teacher)
        init = self.recipe.train.init
        if init is None:
            if self.recipe.train.stage == 2:
                say(
                    "the student starts from random weights: to go on from a run of stage 1, "
                    "name it with train.init."
                )
            self.generator.set_statistics(*self.lessons.survey())
            self.average.load_state_dict(self.generator.state_dict())
            return
        start = read_start(init, say)
        refuse_changed(self.generator, start.model, init)
        self.licence = self.licence or start.licence
        take_over(self.modules, STARTED, start, init)
        refuse_foreign(self.generator, self.teacher, init)

    def begin(self, step: int) -> None:
        self.signature.verify()
        if self.adversary is not None:
            self.adversary.ada.leave_to_first(self.world)

    def gather(self) -> None:
        if self.adversary is not None:
            self.adversary.ada.gather(self.world)

    def step(self, step: int) -> Numbers:
        batch = self.recipe.train.batch
        images = step * batch
        since = self.curriculum.since(images)
        stage = 1 if since is None else 2
        lessons = {index: self._lesson(step, index) for index in self.slices.own}
        numbers: Numbers = {"schedule/stage": float(stage)}
        if since is not None and since < self.recipe.loss.discriminator_alone_kimg * 1000:
            with torch.no_grad():
                drawn = {
                    index: seen(self._draw(lesson, stage)) for index, lesson in lessons.items()
                }
        else:
            drawn, losses = self._imitate(step, lessons, stage)
            numbers |= losses
            optim = self.recipe.optim
            beta = ema_beta(images, batch, optim.ema_rampup, optim.ema_kimg)
            follow(self.average, self.generator, beta)
        if stage == 2 and self.adversary is not None:
            fakes = {index: Exhibit(drawn[index], lessons[index].camera) for index in drawn}
            numbers |= self.adversary.learn(step, fakes, self._reals(step, lessons))
        return numbers | self._compare(images + batch)

    def _lesson(self, step: int, index: int) -> Lesson:
        place = step * self.slices.count + index
        return self.lessons(lesson_number(place, self.distinct, self.recipe.train.seed))

    def _draw(self, lesson: Lesson, stage: int) -> Rendering:
        student = self.generator
        subject = Subject(lesson.w[:, None].expand(-1, student.num_ws, -1))
        is_raw = not self.recipe.draws_images_in(stage)
        options = DrawOptions(raw_only=is_raw, official_raw=self.recipe.loss.official_raw)
        return student.draw(subject, lesson.camera, options)

    def _imitate(
        self, step: int, lessons: Mapping[int, Lesson], stage: int
    ) -> tuple[dict[int, Views], Numbers]:
        """One step of the student: what it drew, and its losses."""
        drawn: dict[int, Views] = {}
        found: list[dict[str, Tensor]] = []

        def loss_of(index: int) -> Tensor:
            rendering = self._draw(lessons[index], stage)
            critic = None if stage == 1 else self.adversary
            moment = None if critic is None else critic.moment("student", step, index)
            losses = self.losses(rendering, lessons[index], moment)
            drawn[index] = seen(rendering)
            found.append({name: value.detach() for name, value in losses.items()})
            return weigh(losses, self.recipe.loss)

        self._set_rates(step * self.recipe.train.batch, stage)
        with following_magnitudes(self.generator, self.world, self.slices):
            descend(self.optimizers["generator"], self.world, self.slices, loss_of)
        means = {name: torch.stack([each[name] for each in found]).mean() for name in found[0]}
        imitation = {name: value for name, value in means.items() if name != "adversarial"}
        after = (step + 1) * self.recipe.train.batch
        self.curriculum.observe(weigh(imitation, self.recipe.loss), after, self.world)
        return drawn, {f"loss/{name}": value for name, value in means.items()}

    def losses(
        self,
        drawn: Rendering,
        lesson: Lesson,
        moment: Moment | None,  # how the discriminator is shown pictures; None: it is not asked
    ) -> dict[str, Tensor]:
        """Of one slice, [] each."""
        table = self.recipe.loss
        losses = reconstruction_losses(drawn, lesson, table, self.perceptual)
        if table.consistency:
            views, tolerance = self.recipe.teacher.views_per_latent, table.consistency_tolerance
            losses["consistency"] = consistency_loss(drawn, lesson, views, tolerance)
        if moment is not None and self.adversary is not None:
            critic, pictures = self.adversary.network, Views(drawn.image, drawn.image_raw)
            losses["adversarial"] = adversarial_loss(critic, pictures, lesson.camera, moment)
        return losses

    def _set_rates(self, images: int, stage: int) -> None:
        optim = self.recipe.optim.at(stage)
        rate = learning_rate(images, optim.warmup_kimg, optim.decay_kimg, optim.last_lr)
        for group in self.optimizers["generator"].param_groups:
            group["lr"], group["betas"] = getattr(optim, group["rate"]) * rate, optim.betas

    def _reals(self, step: int, lessons: Mapping[int, Lesson]) -> dict[int, Exhibit]:
        """What the discriminator takes for real: pictures of the data, of the teacher, or both."""
        kind = self.recipe.loss.reals
        taught = {index: Exhibit(lesson.views, lesson.camera) for index, lesson in lessons.items()}
        if kind == "teacher":
            return taught
        assert self.data is not None
        assert self.adversary is not None
        if self.reals is None:
            seed, workers = self.recipe.train.seed, self.recipe.data.workers
            self.reals = reals(self.data, self.world, self.slices, seed, workers, step)
        found: dict[int, Exhibit] = {}
        for index in self.slices.own:
            real = next(self.reals)
            moment = self.adversary.moment("reals", step, index)
            found[index] = Exhibit(real_views(real.image, moment), real.camera)
            if kind == "half":
                found[index] = half_and_half(found[index], taught[index])
        return found

    def _compare(self, images: int) -> Numbers:
        """How near the student is to the teacher, now and then and at the end."""
        plan = self.recipe.train
        interval = (plan.heldout_kimg or plan.snapshot_kimg) * 1000
        due = int(images / interval) > int((images - plan.batch) / interval)
        if self.heldout is None or not (due or images == plan.steps * plan.batch):
            return {}
        return {**self.heldout.compare(self.average)}

    @property
    def result(self) -> Generator:
        return self.average

    def pictures(self) -> Mapping[str, Picture]:
        branch = self.lessons.wanted.image_branch
        return {"beside-teacher": compare(self.teacher, self.average, branch)}

    def rehearsals(self) -> Mapping[str, Callable[[], object]]:
        """The student's pass, with the discriminator if there is one, and R1."""
        wanted = self.lessons.wanted
        lesson = blank_lesson(self.generator, self.slices.size, wanted, self.world.device)
        resolution = self.generator.raw_resolution
        moment = None if self.adversary is None else Moment(0.0, 0.0, resolution, DrawOptions())
        stage = 1 if self.adversary is None else 2
        passes: dict[str, Callable[[], object]] = {
            "generator": lambda: self.losses(self._draw(lesson, stage), lesson, moment)
        }
        if self.adversary is not None and moment is not None:
            critic, exhibit = self.adversary.network, Exhibit(lesson.views, lesson.camera)
            passes["r1"] = lambda: penalize(critic, exhibit, 1.0, moment)
        return passes


def seen(drawn: Rendering) -> Views:
    """What the discriminator learns from."""
    return Views(drawn.image.detach(), drawn.image_raw.detach())


def half_and_half(first: Exhibit, second: Exhibit) -> Exhibit:
    """The first half of one and the second half of the other."""
    half = len(first.camera) // 2
    pairs = zip(first.views, second.views, strict=True)
    views = Views(*(torch.cat([a[:half], b[half:]]) for a, b in pairs))
    return Exhibit(views, Camera.cat([first.camera[:half], second.camera[half:]]))
