"""The shape of a horse-like animal: a pose, its skeleton and outlines, with coordinates along body and limbs.

Places are (x, y) in the animal's own frame: x forward, y up, the ground at 0 and the withers at 1.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from coronet.scenes.canvas import Floats, Random, spline

Gait = Literal["stand", "walk", "trot", "graze"]

# Outlines, from the withers over the back and round; the head's own axis runs from the poll to the nose.
_TRUNK = (
    *((0.30, 1.00), (0.20, 0.985), (0.06, 0.945), (-0.10, 0.94), (-0.25, 0.965), (-0.38, 0.935), (-0.475, 0.85)),
    *((-0.52, 0.73), (-0.49, 0.60), (-0.36, 0.53), (-0.22, 0.545), (-0.06, 0.495), (0.12, 0.455), (0.27, 0.445)),
    *((0.38, 0.485), (0.475, 0.57), (0.515, 0.68), (0.49, 0.80), (0.42, 0.93)),
)
_HEAD = (
    *((-0.03, 0.055), (0.05, 0.088), (0.15, 0.084), (0.27, 0.056), (0.37, 0.050), (0.425, 0.034), (0.445, -0.010)),
    *((0.425, -0.055), (0.375, -0.062), (0.30, -0.056), (0.22, -0.088), (0.14, -0.135), (0.04, -0.138), (-0.04, -0.07)),
)
# Where a leg turns, the lengths of its segments, and its half width at (segment, part of it).
_FORE = (
    (0.345, 0.68),
    (0.36, 0.22, 0.105),
    ((0, 0.0, 0.135), (0, 0.3, 0.105), (0, 0.62, 0.066), (0, 0.86, 0.047), (1, 0.0, 0.044)),
)
_HIND = (
    (-0.315, 0.74),
    (0.18, 0.275, 0.245, 0.105),
    ((0, 0.0, 0.185), (0, 0.7, 0.165), (1, 0.15, 0.128), (1, 0.5, 0.078), (1, 0.8, 0.053), (2, 0.0, 0.048)),
)
_FOOT = ((-2, 0.3, 0.032), (-2, 0.78, 0.030), (-1, 0.0, 0.037), (-1, 0.3, 0.029), (-1, 0.62, 0.036))
_HOOF = (0.0, 0.038), (0.052, 0.060), (0.052, -0.054), (0.0, -0.038)


@dataclass(frozen=True, slots=True)
class Pose:
    """How the animal stands, angles in radians. `legs`: (swing, flex) of near fore, near hind, far fore, far hind."""

    gait: Gait
    neck: float  # of the neck above the horizon
    head: float  # of the head below the horizon
    arch: float  # how much the crest bulges
    legs: tuple[tuple[float, float], ...]
    stride: float  # where in its stride, [0, 1)
    tail: float  # how far the tail lifts, [0, 1]
    turn: float  # foreshortening, 0 seen from the side


@dataclass(frozen=True, slots=True)
class Limb:
    """A bent, tapering body part: (M, 2) centres and (M,) half widths."""

    centres: Floats
    halves: Floats

    def at(self, along: ArrayLike, across: ArrayLike) -> Floats:
        """Give the places (N, 2) at `along` in [0, 1] and `across`, 1 on the left edge looking along."""
        where = np.asarray(along, np.float32) * (len(self.centres) - 1)
        stations = np.arange(len(self.centres))
        ahead = np.gradient(self.centres, axis=0)
        normal = np.stack([-ahead[:, 1], ahead[:, 0]], 1) / (np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9)
        side = normal * self.halves[:, None]
        x, y = (np.interp(where, stations, self.centres[:, i]) for i in range(2))
        dx, dy = (np.interp(where, stations, side[:, i]) for i in range(2))
        return np.asarray(np.stack([x + across * dx, y + across * dy], -1), np.float32)

    def outline(self, start: float = 0.0, end: float = 1.0, bottom: float = -1.0, top: float = 1.0) -> Floats:
        """Give the polygon (N, 2) between two places along and two across."""
        along = np.linspace(start, end, 24)
        return np.concatenate([self.at(along, top), self.at(along[::-1], bottom)])


@dataclass(frozen=True, slots=True)
class Animal:
    """The parts of one animal; `legs` as in Pose, each with its hoof's outline."""

    trunk: Floats
    neck: Limb
    head: Floats
    skull: tuple[Floats, float]  # the poll and the head's angle
    legs: tuple[Limb, ...]
    hooves: tuple[Floats, ...]
    tail: Limb

    def on_head(self, points: ArrayLike) -> Floats:
        """Turn places on the head, (along, up) from the poll, into the animal's frame."""
        return _turned(self.skull[0], self.skull[1], points)

    def mane_edge(self, part: float) -> Floats:
        """Give the line (N, 2) from the withers to the poll along the crest: 0 at the skin, 1 at the hairs' ends."""
        along = np.linspace(0.2, 1.03, 33)
        hair = 0.52 * np.sin(np.pi * np.linspace(0, 0.93, 33)) ** 0.4 * np.linspace(0.4, 1, 33)
        return self.neck.at(along, 0.98 + part * hair)


def draw_pose(random: Random) -> Pose:
    """Draw a pose: standing, walking, trotting or grazing."""
    gait: Gait = ("stand", "walk", "trot", "graze")[int(random.choice(4, p=(0.3, 0.27, 0.18, 0.25)))]
    stride = float(random.random())
    lean, slope, arch, tail, turn, rest = random.random(6).tolist()
    reach, lift = {"stand": (0.05, 0.0), "graze": (0.16, 0.0), "walk": (0.34, 0.7), "trot": (0.46, 1.15)}[gait]
    offsets = (0.5, 0.0, 0.0, 0.5) if gait == "trot" else (0.25, 0.0, 0.75, 0.5)
    phases = 2 * np.pi * (stride + np.array(offsets))
    swings = -reach * np.cos(phases) + 0.03
    flexes = lift * np.clip(np.sin(phases), 0, 1)
    if gait == "stand" and rest < 0.35:
        flexes[3] = 0.45  # a hind leg at ease
    neck, head = {"stand": (52, 44), "walk": (40, 42), "trot": (55, 50), "graze": (-29, 68)}[gait]
    return Pose(
        gait=gait,
        neck=float(np.deg2rad(neck + (10 if gait == "graze" else 18) * (lean - 0.5))),
        head=float(np.deg2rad(head + 16 * (slope - 0.5))),
        arch=0.045 + 0.05 * arch,
        legs=tuple(zip(swings.tolist(), flexes.tolist(), strict=True)),
        stride=stride,
        tail=0.35 * tail + (0.5 if gait == "trot" else 0.0),
        turn=turn,
    )


def build(pose: Pose) -> Animal:
    """Put the parts of an animal together."""
    legs, hooves = zip(*(_leg(i % 2 == 0, swing, flex) for i, (swing, flex) in enumerate(pose.legs)), strict=True)
    neck, poll = _neck(pose)
    return Animal(
        trunk=spline(_TRUNK, closed=True, steps=6),
        neck=neck,
        head=_turned(poll, -pose.head, spline(_HEAD, closed=True, steps=6)),
        skull=(poll, -pose.head),
        legs=legs,
        hooves=hooves,
        tail=_tail(pose),
    )


def _turned(origin: ArrayLike, angle: float, points: ArrayLike) -> Floats:
    x, y = np.asarray(points, np.float32).reshape(-1, 2).T
    turned = np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], -1)
    return np.asarray(np.asarray(origin, np.float32) + turned, np.float32)


def _limb(centres: ArrayLike, halves: ArrayLike, steps: int = 6) -> Limb:
    width = np.asarray(halves, np.float32)
    return Limb(spline(centres, steps=steps), np.maximum(spline(np.stack([width, width], 1), steps=steps)[:, 0], 0.004))


def _neck(pose: Pose) -> tuple[Limb, Floats]:
    base = np.array([0.30, 0.735])
    towards = np.array([np.cos(pose.neck), np.sin(pose.neck)])
    poll = base + towards * (0.76 if pose.gait == "graze" else 0.73)
    upward = np.array([-towards[1], towards[0]])
    t = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])[:, None]
    bulge = pose.arch * np.sin(np.pi * t**0.8)
    head = np.array([np.cos(pose.head), -np.sin(pose.head)])
    end = poll + 0.03 * head + 0.03 * np.array([-head[1], head[0]]) * -1
    centres = base + (end - base) * t + upward * bulge
    deep = 0.275 if pose.gait == "graze" else 0.225  # what keeps the line from withers and chest unbroken
    return _limb(centres, (deep, 0.24, 0.190, 0.147, 0.121, 0.105)), np.asarray(poll, np.float32)


def _leg(fore: bool, swing: float, flex: float) -> tuple[Limb, Floats]:
    start, lengths, shape = _FORE if fore else _HIND
    if fore:
        angles = np.array([0.50 * flex - 0.02, -0.75 * flex, -1.5 * flex + 0.42]) + swing
    else:
        angles = np.array([0.30 + 0.45 * flex, -0.60 - 0.45 * flex, 0.03 - 0.2 * flex, 0.42 - 1.2 * flex]) + swing
    steps = np.asarray(lengths)[:, None] * np.stack([np.sin(angles), -np.cos(angles)], -1)
    joints = np.concatenate([[start], np.array(start) + np.cumsum(steps, 0)])
    if flex == 0:  # a leg that carries reaches the ground
        joints[:, 1] = start[1] * (joints[:, 1] - joints[-1, 1]) / (start[1] - joints[-1, 1])
    pieces = np.diff(joints, axis=0)
    table = (*shape, *_FOOT)
    knots = [joints[:-1][i] + pieces[i] * t for i, t, _ in table]
    toe = pieces[-1]
    hoof = _turned(joints[-2] + 0.5 * toe, float(np.arctan2(toe[1], toe[0])), _HOOF)
    return _limb(knots, [half for _, _, half in table]), hoof


def _tail(pose: Pose) -> Limb:
    lift = pose.tail
    centres = [
        (-0.45, 0.88),
        (-0.51 - 0.03 * lift, 0.87 + 0.05 * lift),
        (-0.555 - 0.09 * lift, 0.77 + 0.08 * lift),
        (-0.575 - 0.15 * lift, 0.62 + 0.08 * lift),
        (-0.585 - 0.20 * lift, 0.46 + 0.09 * lift),
        (-0.575 - 0.23 * lift, 0.30 + 0.10 * lift),
    ]
    return _limb(centres, (0.036, 0.035, 0.038, 0.050, 0.052, 0.008))
