"""The compression methods: each turns a Job into phases of training that end with a slim student."""

from coronet.methods import coronet, gan_compression, narrow, omgd, one_shot
from coronet.methods.base import ROUND, Carry, Job, Lengths, Method, Phase

__all__ = ["METHODS", "ROUND", "Carry", "Job", "Lengths", "Method", "Phase"]

METHODS: dict[str, Method] = {
    "coronet": coronet.METHOD,
    "taylor": one_shot.TAYLOR,
    "magnitude": one_shot.MAGNITUDE,
    "magnitude_uniform": one_shot.MAGNITUDE_UNIFORM,
    "narrow": narrow.METHOD,
    "gan_compression": gan_compression.METHOD,
    "omgd": omgd.METHOD,
}
