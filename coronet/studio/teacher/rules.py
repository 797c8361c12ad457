"""What the teacher lets visitors choose for a run: presets, minutes, ratios. One JSON file beside the runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coronet.errors import RunError, SettingsError
from coronet.files import plain_os_errors, read_json, write_json_atomic
from coronet.recipes.settings import CompressSettings
from coronet.settings import fields_of
from coronet.studio.teacher import text

PRESETS: tuple[str, ...] = next(field.choices for field in fields_of(CompressSettings) if field.name == "preset")
_FILE = "rules.json"
# What stays free beside presets, minutes and ratio: none of it adds steps to a run.
_FREE = frozenset(
    {"model", "data", "method", "direction", "preprocess", "no_flip", "max_dataset_size", "seed", "budget", "vgg"}
    | {"soften_judges", "preset", "minutes", "ratio"}
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed where it is locked. minutes: the most a visitor may ask for, 0 for none; ratios: inclusive."""

    presets: tuple[str, ...] = PRESETS[:1]
    minutes: float = 0.0
    least_ratio: float = 1.0
    most_ratio: float = 40.0

    def check(self, settings: CompressSettings) -> None:
        """Raise SettingsError, which repeats the rules, where settings break one of them."""
        is_allowed = self.least_ratio <= settings.ratio <= self.most_ratio
        if settings.minutes is None:
            is_allowed = is_allowed and settings.preset in self.presets
        else:
            is_allowed = is_allowed and settings.minutes <= self.minutes
        if not is_allowed:
            raise SettingsError(self.sentence())
        for field in fields_of(CompressSettings):
            if field.name not in _FREE and getattr(settings, field.name) != field.default:
                raise SettingsError(f"{text.LOCKED_SETTING.format(label=field.label)} {self.sentence()}")

    def sentence(self) -> str:
        """Say what is allowed."""
        lengths = [text.ALLOWED_PRESETS.format(presets=", ".join(self.presets))] if self.presets else []
        lengths += [text.ALLOWED_MINUTES.format(minutes=f"{self.minutes:g}")] if self.minutes else []
        ratios = text.ALLOWED_RATIOS.format(least=f"{self.least_ratio:g}", most=f"{self.most_ratio:g}")
        return text.LOCKED.format(lengths=text.OR.join(lengths), ratios=ratios)


class RuleBook:
    """Keeps the rules, also over a restart of the server."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE

    def rules(self) -> Rules | None:
        """Give the rules; None where everything is free. A damaged file is a RunError: it opens nothing."""
        if not self._path.exists():
            return None
        try:
            return _checked(read_json(self._path))
        except (SettingsError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self._path} is damaged. The teacher has to write the rules anew.") from error

    def lock(self, presets: tuple[str, ...], minutes: float, least_ratio: float, most_ratio: float) -> Rules:
        """Write rules down; SettingsError where they allow nothing."""
        rules = _checked(asdict(Rules(presets, minutes, least_ratio, most_ratio)))
        write_json_atomic(self._path, asdict(rules))
        return rules

    def unlock(self) -> None:
        """Let everything be free."""
        with plain_os_errors(self._path, "remove"):
            self._path.unlink(missing_ok=True)


def _checked(values: Mapping[str, Any]) -> Rules:
    presets = tuple(preset for preset in PRESETS if preset in values["presets"])
    minutes, least, most = (float(values[name]) for name in ("minutes", "least_ratio", "most_ratio"))
    if not presets and not minutes > 0:
        raise SettingsError(text.NOTHING_ALLOWED)
    if not (1 <= least <= most <= 50 and 0 <= minutes <= 100_000):
        raise SettingsError(text.WRONG_RANGE)
    return Rules(presets, minutes, least, most)
