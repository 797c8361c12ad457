"""The compression methods: each turns a Job into phases of training that end with a slim student."""

from coronet.methods import coronet
from coronet.methods.base import Carry, Job, Lengths, Method, Phase

__all__ = ["METHODS", "Carry", "Job", "Lengths", "Method", "Phase"]

METHODS: dict[str, Method] = {"coronet": coronet.phases}
