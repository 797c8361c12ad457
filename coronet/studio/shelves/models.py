"""The models a visitor may choose: those named at the start, the demos, and what was uploaded. Looked up by name."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from coronet.demos import demo_names
from coronet.errors import CheckpointError
from coronet.model_folders import resolve_model
from coronet.studio import text
from coronet.studio.shelves import text as text_visitors
from coronet.studio.shelves.owned import Limits, OwnedFiles, plain_name
from coronet.studio.translating import description_of, prepare_torch
from coronet.studio.visitors import NOBODY, Visitor

if TYPE_CHECKING:
    from coronet.networks import GeneratorConfig

LIMITS = Limits(files=20, bytes=1_500_000_000, files_of_all=200)
_RECOGNISED = "recognised"  # in the lineage of an upload: why its file was taken for what it is
_LARGEST_BYTES = 300_000_000  # the largest published generator has 218 MB


@dataclass(frozen=True, slots=True)
class ModelShelf:
    """The models of this studio; uploaded ones are kept as safetensors."""

    uploaded: OwnedFiles
    given: tuple[Path, ...]

    def models(self, visitor: Visitor = NOBODY) -> dict[str, Path]:
        """Give the models that are listed for a visitor, by name."""
        return {**self._public(), **self.uploaded.of(visitor)}

    def find(self, name: str | None) -> Path | None:
        """Look a model up, whoever uploaded it: its name is known to those who were given it only."""
        if not name:
            return None
        return self._public().get(name) or self.uploaded.find(name)

    def model(self, name: str | None) -> Path:
        """Look a model up; CheckpointError where there is none of that name."""
        if not name:
            raise CheckpointError(text.MISSING_MODEL)
        found = self.find(name)
        if found is None:
            raise CheckpointError(text.UNKNOWN_MODEL.format(name=name[:80]))
        return found

    def add(self, uploaded: Path, visitor: Visitor) -> str:
        """Check an uploaded file, keep it as safetensors and give its name; CheckpointError says what it is instead."""
        self.uploaded.refuse_full(visitor, LIMITS, text_visitors.FULL_MODELS)
        if uploaded.stat().st_size > _LARGEST_BYTES:
            raise CheckpointError(
                text_visitors.LARGE_MODEL.format(name=uploaded.name[:80], most=_LARGEST_BYTES // 10**6)
            )
        prepare_torch()
        from coronet import checkpoints

        checkpoint = checkpoints.load(uploaded)  # reads a pickle in a sandboxed child, never here
        target = self.uploaded.place(visitor, uploaded.stem, secrets.token_hex(8))
        lineage = {**checkpoint.lineage, _RECOGNISED: list(checkpoint.reasons)}
        checkpoints.save(replace(checkpoint, lineage=lineage), target)
        return f"uploaded/{target.stem}"

    def remove(self, name: str, visitor: Visitor) -> None:
        """Remove a visitor's own upload; RunError where it is not his."""
        self.uploaded.remove(visitor, name, text_visitors.NOT_YOUR_MODEL)

    def describe(self, name: str | None) -> tuple["GeneratorConfig", tuple[str, ...]]:
        """Give a model's architecture and the reasons why it was recognised as that."""
        checkpoint = description_of(self.model(name))
        recognised = checkpoint.lineage.get(_RECOGNISED) if self.uploaded.find(name or "") else None
        return checkpoint.config, tuple(recognised or checkpoint.reasons)

    def _public(self) -> dict[str, Path]:
        names = [path.name if path.is_file() else f"{path.name}/" for path in self.given]
        given = {  # published files all have the same few names
            f"{path.parent.name}/{name}" if names.count(name) > 1 else name: path
            for name, path in zip(names, self.given, strict=True)
        }
        return {**given, **{name: resolve_model(name) for name in demo_names()}}


def model_choices(models: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Give (words, name) of models for a list; of equal words the later ones are numbered."""
    choices: list[tuple[str, str]] = []
    for name in models:
        words = plain_name(name)
        same = sum(plain_name(other) == words for _, other in choices)
        choices.append((f"{words} ({same + 1})" if same else words, name))
    return choices
