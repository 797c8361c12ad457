"""Online Multi-Granularity Distillation, re-implemented from its description (Ren et al., ICCV 2021).

A wide teacher, here the dense net itself, goes on learning in a game of its own: Pix2Pix or the whole CycleGAN. The
student, a net of uniform width (mobile blocks in a ResNet), meets neither a discriminator nor a ground-truth image: its
only targets are the teacher's images and features. Pix2Pix's teacher moves in every step. CycleGAN's moves in every
fourth, and in the others it shows what it can do: published are stretches of training with four steps of the student
for one of the teacher.

The perceptual terms need VGG-16's weights. Without them the L1 distance stands in their place, for SSIM hardly sees a
tint, and the method says so in its title.

Pix2Pix has a second teacher, as narrow as the student and deeper, which starts untrained and plays the same game with
the same discriminator; the student imitates its images, too. It takes time: it can be left out.

Departures: The wide teacher has been trained before; where its CycleGAN would have a fresh backward generator it
stands still. The teachers of a ResNet share a whole discriminator, not its first layers only. The student imitates the
latest teacher, not the best so far; total variation counts once, not for either teacher; the teachers' adversarial
loss is the run's (`gan_mode`), not hinge on pairs; the student learns at the run's rate (published: 2e-4), which is
better in minutes (`assets/levers.md`); of CycleGAN's two directions only the one asked for gets a student.
"""

from collections.abc import Generator as PythonGenerator
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coronet.channels import Kept, keep_all
from coronet.datasets import Batch
from coronet.methods import students
from coronet.methods.base import ROUND, Job, Method, Phase
from coronet.methods.deepening import deepened
from coronet.methods.distilling import Remembering, received, tapped_widths
from coronet.methods.parts import fine_tune, from_scratch, warm_up
from coronet.methods.vgg import Vgg, gram
from coronet.networks import Generator, GeneratorConfig, initialise
from coronet.objectives import ImagePool, Objective, PairedObjective, Translate, Translation, tapped
from coronet.randomness import seeded
from coronet.similarity import ssim
from coronet.training import PUBLISHED_RATE, Losses, Players

SSIM_WEIGHT = 10.0
L1_WEIGHT = 10.0  # in place of the next two, where there is no VGG-16
GRAM_WEIGHT = 1e4
CONTENT_WEIGHT = 10.0
CONTENT_LAYER = 1  # relu2_2
VARIATION_WEIGHT = 1e-5
UNET_CHANNELS = 10.0  # weight of the channel distillation in a U-Net, as published for edges -> shoes
UNPAIRED_CHANNELS = 500.0  # in a ResNet, as published for horse -> zebra
PAIRED_CHANNELS = (100.0, 1000.0)  # in a ResNet with pairs: wide and narrow students of edges -> shoes
NARROW = 0.22  # of the teacher's channels; published: 16 of 64 are wide, 12 and 8 are narrow


def phases(job: Job) -> list[Phase]:
    """Give the phases: warm up the teacher's fresh opponents, then train teacher and student together."""
    config = students.mobile(job.generator.config, job.plan)
    deep = job.deep_teacher and isinstance(job.objective, PairedObjective)
    objective = OnlineTeaching(job.objective, job.generator, config, job.seed, vgg=job.vgg, deep=deep)
    shares = {player: PUBLISHED_RATE / job.learning_rate for player in objective.networks if player != "maps"}
    return [warm_up(job), fine_tune(job, from_scratch(job, config), objective=objective, shares=shares)]


METHOD = Method(
    "OMGD without VGG, re-implemented",
    phases,
    student=students.mobile,
    teacher="learning",
    title_with_vgg="OMGD, re-implemented",
)


class ChannelMaps(nn.Module):
    """Per tapped layer 1x1 convolution, batch norm and ReLU, from a student's channels to the teacher's."""

    def __init__(self, student: Mapping[str, int], teacher: Mapping[str, int], random: torch.Generator) -> None:
        super().__init__()
        self.layers = tuple(teacher)
        self.maps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(student[layer], teacher[layer], 1, bias=False), nn.BatchNorm2d(teacher[layer]))
            for layer in self.layers
        )
        initialise(self, random)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map (N, student's channels, H, W) to (N, teacher's channels, H, W) for every layer."""
        return {layer: F.relu(mapped(features[layer])) for layer, mapped in zip(self.layers, self.maps, strict=True)}


class OnlineTeaching(Objective):
    """A game played by one teacher or two, and a student who imitates what they do."""

    def __init__(
        self,
        game: Objective,
        dense: Generator,
        student: GeneratorConfig,
        seed: int,
        *,
        vgg: Vgg | None = None,
        deep: bool = False,
    ) -> None:
        """Take the teachers' game and the dense net, of which a copy goes on learning; deep: add the second teacher.

        In a game that has a teacher already, that one is imitated: it stands still, and nobody plays.
        """
        self._learns = game.teacher is None
        self._teacher = dense if game.teacher is not None else deepcopy(dense).requires_grad_(True)
        ours, theirs, device = tapped_widths(student), tapped_widths(dense.config), next(dense.parameters()).device
        maps = ChannelMaps(ours, theirs, seeded(seed, "maps")).to(device)
        players = game.networks | {"teacher": self._teacher} if self._learns else {}
        self._deep = deepened(student) if deep and self._learns else None
        if self._deep is not None:
            initialise(self._deep, seeded(seed, "deep teacher"))  # on the CPU, where the random numbers come from
            players = players | {"deep_teacher": self._deep.to(device)}
        super().__init__(game.weights, None, players | {"maps": maps})
        self._game = game
        self._vgg = None if vgg is None else vgg.to(device)
        self._layers = maps.layers
        self._everything = keep_all(dense.config.widths)
        self._share = sum(ours.values()) / sum(theirs.values())
        self._steps = 0

    def pools(self) -> dict[str, ImagePool]:
        """Those of the teacher's game."""
        return self._game.pools()

    def state(self) -> dict[str, Any]:
        """Give everything that changes, the number of steps too: the teacher's turn depends on it."""
        return super().state() | {"steps": self._steps}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        super().load_state(state)
        self._steps = state["steps"]

    def play(
        self, translate: Translate, kept: Kept, batch: Batch, random: torch.Generator
    ) -> Iterator[tuple[Players, Losses]]:
        """Yield the moves of the teacher and its opponents, where it is their turn, then the student's."""
        if self._learns and (batch.paired or self._steps % ROUND == 0):
            taught = yield from self._taught("teacher", self._teacher, batch, random)
        else:
            taught = self._shown(batch.source)
        translation = translate(batch.source)
        losses = self._imitated(translation, taught, batch)
        if self._deep is not None:
            deep = yield from self._taught("deep_teacher", self._deep, batch, random)
            further = self._images_alike(translation.images, deep.images.detach())
            losses |= {f"{name}_deep": loss for name, loss in further.items()}
        yield ("generator", "maps"), losses
        self._steps += 1

    def _taught(
        self, name: str, teacher: Generator, batch: Batch, random: torch.Generator
    ) -> PythonGenerator[tuple[Players, Losses], None, Translation]:
        """Let a teacher play its game and give its translation of the batch."""
        teacher.train()
        remembering = Remembering(lambda images: tapped(teacher, images), batch.source)
        for players, losses in self._game.play(remembering, self._everything, batch, random):
            yield tuple(name if player == "generator" else player for player in players), losses
        return remembering.translation

    @torch.no_grad()
    def _shown(self, images: Tensor) -> Translation:
        """Translate as the teacher is used: nothing in it changes, a norm's statistics neither."""
        return tapped(self._teacher.eval(), images)

    def _imitated(self, translation: Translation, taught: Translation, batch: Batch) -> Losses:
        images, wanted = translation.images, taught.images.detach()
        target = received(taught, self._layers)
        mapped: dict[str, Tensor] = self.networks["maps"](received(translation, self._layers))
        terms = [
            F.mse_loss(features.mean(dim=(2, 3)), target[layer].detach().mean(dim=(2, 3)))
            for layer, features in mapped.items()
        ]
        weight = channels_weight(self._teacher.config, self._share, paired=batch.paired)
        return {
            "channels": weight * torch.stack(terms).sum(),
            "variation": VARIATION_WEIGHT * total_variation(images),
            **self._images_alike(images, wanted),
        }

    def _images_alike(self, images: Tensor, wanted: Tensor) -> Losses:
        """Compare structure, and style and content as VGG-16 sees them or, without one, pixels."""
        structure = {"ssim": SSIM_WEIGHT * (1.0 - ssim(images, wanted).mean())}
        if self._vgg is None:
            return structure | {"L1_to_teacher": L1_WEIGHT * F.l1_loss(images, wanted)}
        ours, theirs = self._vgg(images), self._vgg(wanted)
        styles = [F.l1_loss(gram(one), gram(other)) for one, other in zip(ours, theirs, strict=True)]
        return structure | {
            "style": GRAM_WEIGHT * torch.stack(styles).sum(),
            "content": CONTENT_WEIGHT * F.l1_loss(ours[CONTENT_LAYER], theirs[CONTENT_LAYER]),
        }


def channels_weight(teacher: GeneratorConfig, share: float, *, paired: bool) -> float:
    """Give the weight of the channel distillation for a student with this share of the teacher's channels.

    Published for edges -> shoes with a ResNet: 1e2 for 16 channels beside the teacher's 64, 1e3 for 12 and 8.
    """
    if teacher.architecture == "unet":
        return UNET_CHANNELS
    if not paired:
        return UNPAIRED_CHANNELS
    wide, narrow = PAIRED_CHANNELS
    return narrow if share < NARROW else wide


def total_variation(images: Tensor) -> Tensor:
    """Sum the absolute differences of neighbouring pixels of (N, C, H, W), averaged over the images."""
    rows = (images[:, :, 1:] - images[:, :, :-1]).abs().sum()
    columns = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().sum()
    return (rows + columns) / len(images)
