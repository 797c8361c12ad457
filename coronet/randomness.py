"""Random numbers that depend on a key alone: the same in every process, whatever was drawn before."""

import hashlib

import torch


def seed_of(*key: str | int) -> int:
    """Turn a key, for example ("order", seed, epoch), into a seed of 63 bits."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seeded(*key: str | int) -> torch.Generator:
    """Make a generator whose numbers depend on the key alone."""
    return torch.Generator().manual_seed(seed_of(*key))
