"""Online Multi-Granularity Distillation, re-implemented from its description (Ren et al., ICCV 2021), without VGG.

A wide teacher, here the dense net itself, goes on learning in a game of its own: Pix2Pix or the whole CycleGAN. The
student, a net of uniform width (mobile blocks in a ResNet), meets neither a discriminator nor a ground-truth image: its
only targets are the teacher's images and features of the same step.

Departures: the perceptual terms are left out, for they need VGG-16's weights, and so is Pix2Pix's second, deeper
teacher; of the image terms 10 (1 - SSIM) and the total variation stay. The teacher has been trained before and never
waits for the student; of CycleGAN's two directions only the one asked for gets a student.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coronet.channels import Kept, keep_all
from coronet.datasets import Batch
from coronet.methods import students
from coronet.methods.base import Job, Method, Phase
from coronet.methods.distilling import Remembering, received, tapped_widths
from coronet.methods.parts import fine_tune, from_scratch, warm_up
from coronet.networks import Generator, GeneratorConfig, initialise
from coronet.objectives import ImagePool, Objective, Translate, Translation, tapped
from coronet.randomness import seeded
from coronet.similarity import ssim
from coronet.training import Losses, Players

SSIM_WEIGHT = 10.0
VARIATION_WEIGHT = 1e-5
UNET_CHANNELS = 10.0  # weight of the channel distillation in a U-Net, as published for edges -> shoes
CHANNELS = {True: 100.0, False: 500.0}  # in a ResNet, by whether the data are paired
TEACHER_RATE = 0.4  # times the learning rate: 2e-4, as published, where the student's is 5e-4


def phases(job: Job) -> list[Phase]:
    """Give the phases: warm up the teacher's fresh opponents, then train teacher and student together."""
    config = students.mobile(job.generator.config, job.plan)
    objective = OnlineTeaching(job.objective, job.generator, config, job.seed)
    shares = dict.fromkeys((*job.objective.networks, "teacher"), TEACHER_RATE)
    return [warm_up(job), fine_tune(job, from_scratch(job, config), objective=objective, shares=shares)]


METHOD = Method("OMGD without VGG, re-implemented", phases, student=students.mobile, teacher="learning")


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
    """A game played by the teacher, and a student who imitates what the teacher did in it."""

    def __init__(self, game: Objective, dense: Generator, student: GeneratorConfig, seed: int) -> None:
        """Take the teacher's game and the dense net, of which a copy goes on learning."""
        self._teacher = deepcopy(dense).requires_grad_(True).train()
        device = next(dense.parameters()).device
        maps = ChannelMaps(tapped_widths(student), tapped_widths(dense.config), seeded(seed, "maps")).to(device)
        super().__init__(game.weights, None, game.networks | {"teacher": self._teacher, "maps": maps})
        self._game = game
        self._layers = maps.layers
        self._everything = keep_all(dense.config.widths)

    def pools(self) -> dict[str, ImagePool]:
        """Those of the teacher's game."""
        return self._game.pools()

    def play(
        self, translate: Translate, kept: Kept, batch: Batch, random: torch.Generator
    ) -> Iterator[tuple[Players, Losses]]:
        """Yield the moves of the teacher and its opponents, then the student's."""
        remembering = Remembering(lambda images: tapped(self._teacher, images), batch.source)
        for players, losses in self._game.play(remembering, self._everything, batch, random):
            yield tuple("teacher" if player == "generator" else player for player in players), losses
        yield ("generator", "maps"), self._imitated(translate(batch.source), remembering.translation, batch)

    def _imitated(self, translation: Translation, taught: Translation, batch: Batch) -> Losses:
        images, wanted = translation.images, taught.images.detach()
        target = received(taught, self._layers)
        mapped: dict[str, Tensor] = self.networks["maps"](received(translation, self._layers))
        terms = [
            F.mse_loss(features.mean(dim=(2, 3)), target[layer].detach().mean(dim=(2, 3)))
            for layer, features in mapped.items()
        ]
        unet = self._teacher.config.architecture == "unet"
        return {
            "ssim": SSIM_WEIGHT * (1.0 - ssim(images, wanted).mean()),
            "channels": (UNET_CHANNELS if unet else CHANNELS[batch.paired]) * torch.stack(terms).sum(),
            "variation": VARIATION_WEIGHT * total_variation(images),
        }


def total_variation(images: Tensor) -> Tensor:
    """Sum the absolute differences of neighbouring pixels of (N, C, H, W), averaged over the images."""
    rows = (images[:, :, 1:] - images[:, :, :-1]).abs().sum()
    columns = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().sum()
    return (rows + columns) / len(images)
