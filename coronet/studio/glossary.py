"""The technical words of the page: what each means, in one place, and the mark that explains a word where it stands.

A marked word is a button; pressed by mouse, finger or key it opens its meaning, which lies once at the end of the page.
"""

import re
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Term:
    """A word, the spellings by which a text is found to speak of it, and its meaning in a sentence or two."""

    name: str
    spellings: tuple[str, ...]
    meaning: str


TERMS = {
    "channel": Term(
        "Channel",
        ("channel", "channels"),
        "One grey picture inside a net: what one kernel of a layer makes of everything the layer reads.",
    ),
    "cycle-gan": Term(
        "CycleGAN",
        ("CycleGAN", "CycleGANs"),
        "A way to train two generators, there and back, on two heaps of pictures that do not belong in pairs.",
    ),
    "dense": Term(
        "Dense net", ("dense net", "dense nets"), "The net as it was given, before anything is taken out of it."
    ),
    "discriminator": Term(
        "Discriminator",
        ("discriminator", "discriminators"),
        "The net that learns to tell real pictures from made ones, so that the generator learns to deceive it. It is "
        "needed in training only.",
    ),
    "distillation": Term(
        "Distillation",
        ("distillation",),
        "Training a small net to imitate a large one, its teacher, instead of the truth alone.",
    ),
    "features": Term(
        "Features",
        ("features",),
        "The numbers by which a trained net describes a whole picture. Alike pictures have alike features.",
    ),
    "fid": Term(
        "FID",
        ("FID", "FIDs"),
        "Fréchet Inception distance: how far two heaps of pictures are apart, by mean and spread of the features that "
        "the Inception net gives them. Lower is better; few pictures make it too high.",
    ),
    "fine-tuning": Term(
        "Fine-tuning",
        ("fine-tuning",),
        "Training on from weights that are good already. After pruning it repairs what the cut has damaged.",
    ),
    "flops": Term(
        "FLOPs",
        ("FLOPs", "FLOP"),
        "Additions and multiplications of one translation, counted apart: two for every MAC. A count, no time.",
    ),
    "fp16": Term(
        "FP16", ("FP16", "fp16"), "Numbers of 16 bits instead of 32: half of the file, nearly the same picture."
    ),
    "generator": Term(
        "Generator",
        ("generator", "generators"),
        "The net that turns a picture into another one. It is what you take home.",
    ),
    "hypernetwork": Term(
        "Hypernetwork",
        ("hypernetwork", "hypernetworks"),
        "A net whose output is the weights of another net. Here it makes every kernel from latents, one for each "
        "channel.",
    ),
    "int8": Term(
        "INT8",
        ("INT8", "int8"),
        "Numbers of 8 bits instead of 32: a quarter of the file. Faster on some machines, and the picture may suffer.",
    ),
    "kernel": Term(
        "Kernel",
        ("kernel", "kernels"),
        "The small window of weights, 3 × 3 or 7 × 7, that a layer moves over what it reads.",
    ),
    "kid": Term(
        "KID",
        ("KID",),
        "Kernel Inception distance: compares the same features as FID, but few pictures do not make it too high on "
        "average, only uncertain.",
    ),
    "latency": Term(
        "Latency", ("latency",), "The time that one picture takes, measured on one machine, in milliseconds."
    ),
    "latent": Term(
        "Latent",
        ("latent", "latents", "latent vector", "latent vectors"),
        "One number for each channel, from which the hypernetwork makes the weights. At 0 the channel is missing.",
    ),
    "mac": Term(
        "MAC",
        ("MAC", "MACs", "MMACs", "GMACs"),
        "Multiply-accumulate: one multiplication whose result is added to a sum. Nets are measured in millions (MMACs) "
        "or billions (GMACs) of them for one picture.",
    ),
    "onnx": Term(
        "ONNX", ("ONNX",), "A file format for nets that many programs can run, without Python and without this project."
    ),
    "parameters": Term(
        "Parameters", ("parameters",), "All the learned numbers of a net: its kernels and what is added."
    ),
    "pareto": Term(
        "Pareto line",
        ("Pareto line",),
        "Joins the nets that no other one beats in both cost and quality. What lies off it is not worth choosing.",
    ),
    "pix2pix": Term(
        "Pix2Pix",
        ("Pix2Pix",),
        "A way to train a generator on pairs of pictures: what goes in, and what should come out.",
    ),
    "proximal": Term(
        "Proximal step",
        ("proximal step", "proximal"),
        "A step of training that moves numbers towards 0 by a fixed amount and leaves them at exactly 0 once there.",
    ),
    "proxy": Term(
        "Proxy",
        ("proxy",),
        "The distance on the features of a small net of this project. It stands in for FID where Inception is missing; "
        "its scale is another one.",
    ),
    "pruning": Term("Pruning", ("pruning", "prunes"), "Making a net smaller by taking out what matters least."),
    "psnr": Term(
        "PSNR", ("PSNR",), "How near a picture is to another one, pixel by pixel, in decibels. Higher is better."
    ),
    "safetensors": Term(
        "safetensors", ("safetensors",), "A file format that holds the weights of a net and cannot hold a program."
    ),
    "ssim": Term(
        "SSIM",
        ("SSIM",),
        "How alike two pictures are in light, contrast and structure of small windows; 1 is equal.",
    ),
    "step": Term(
        "Step and epoch",
        ("training step", "training steps", "epoch", "epochs"),
        "In a step the net sees a few pictures and its weights are moved once. An epoch is as many steps as it takes "
        "to see every picture once.",
    ),
    "student": Term("Student", ("student", "students"), "The small net that learns from the teacher."),
    "teacher": Term("Teacher", ("teacher", "teachers"), "The dense net while a slim one learns to imitate it."),
    "width": Term("Width", ("width", "widths"), "The number of channels of a layer."),
}


def _spelled() -> dict[str, str]:
    """Give the term of every spelling; a small word is also known with a capital letter."""
    found = {}
    for key, term in TERMS.items():
        for spelling in term.spellings:
            found[spelling] = found[spelling[0].upper() + spelling[1:]] = key
    return found


_KEYS = _spelled()
# The longest first, and no part of another word: FID-768 is no FID.
_PATTERN = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(_KEYS, key=len, reverse=True)))})(?![\w-])")


def marked(words: str) -> str:
    """Escape a text and make the first occurrence of each term in it a button that opens the term's meaning."""
    parts, seen, end = [], set[str](), 0
    for match in _PATTERN.finditer(words):
        key = _KEYS[match[0]]
        if key not in seen:
            seen.add(key)
            parts += [escape(words[end : match.start()]), _button(key, match[0])]
            end = match.end()
    return "".join([*parts, escape(words[end:])])


def meanings() -> str:
    """Give the meanings that marked words open; they are not seen before, and lie once on the page."""
    return "".join(
        f"<div popover id='term-{key}' class='meaning' role='note'><strong>{escape(term.name)}</strong>"
        f"<span>{escape(term.meaning)}</span></div>"
        for key, term in TERMS.items()
    )


def listed() -> str:
    """List every term with its meaning."""
    items = "".join(
        f"<div><dt>{escape(term.name)}</dt><dd>{escape(term.meaning)}</dd></div>"
        for term in sorted(TERMS.values(), key=lambda term: term.name.lower())
    )
    return f"<dl class='glossary'>{items}</dl>"


def _button(key: str, spelling: str) -> str:
    return (
        f"<button type='button' class='term' popovertarget='term-{key}' aria-describedby='term-{key}'>"
        f"{escape(spelling)}</button>"
    )
