"""Options from settings: every field of a settings dataclass becomes an option, and what is given becomes settings."""

import argparse
from pathlib import Path
from typing import Any

from coronet.errors import SettingsError
from coronet.settings import Setting, fields_of, from_json


def add_settings(
    parser: argparse.ArgumentParser,
    settings_class: type,
    required: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> None:
    """Add an option for every field of a settings dataclass, --image-size for image_size, but those in `without`."""
    for field in fields_of(settings_class):
        if field.name in without:
            continue
        flags = [f"--{field.name.replace('_', '-')}"]
        if "_" in field.name:
            flags.append(f"--{field.name}")  # the spelling of pytorch-CycleGAN-and-pix2pix
        help_text = _help(field).replace("%", "%%")
        if field.kind is bool:
            _add_switch(parser, field, flags, help_text)
        else:
            parser.add_argument(
                *flags, default=None, metavar=_metavar(field), help=help_text, required=field.name in required
            )


def add_features(parser: argparse.ArgumentParser) -> None:
    """Add --features and --inception: by what sets of images are compared."""
    parser.add_argument(
        "--features",
        choices=("auto", "inception-2048", "inception-768", "proxy"),
        default="auto",
        help="what sets are compared by: FID needs inception-2048; auto takes the best there is (default auto)",
    )
    parser.add_argument(
        "--inception", metavar="FILE", help="Inception's weights; default: where `download fid_inception` puts them"
    )


def inception_from(parsed: argparse.Namespace) -> Path | None:
    """Give the weights file that was named."""
    return None if parsed.inception is None else Path(parsed.inception)


def _add_switch(parser: argparse.ArgumentParser, field: Setting, flags: list[str], help_text: str) -> None:
    """Add --x and --no-x; only what changes the default is listed. Of a name that begins with no_ there is one form."""
    switches = {True: flags}
    if not field.name.startswith("no_"):
        switches[False] = [flag.replace("--", "--no-", 1) for flag in flags]
    for value, names in switches.items():
        listed = help_text if value != field.default else argparse.SUPPRESS
        parser.add_argument(*names, dest=field.name, action="store_const", const=value, default=None, help=listed)


def settings_from(parsed: argparse.Namespace, settings_class: type) -> Any:
    """Build checked settings from what was given on the command line; the rest keeps its default."""
    return from_json(settings_class, given(parsed, settings_class))


def given(parsed: argparse.Namespace, settings_class: type) -> dict[str, Any]:
    """Give the settings, as plain values by name, that the command line has; their ranges are not checked."""
    found = {}
    for field in fields_of(settings_class):
        value = getattr(parsed, field.name, None)
        if value is not None:
            found[field.name] = _convert(field, value)
    return found


def _help(field: Setting) -> str:
    form = ",.0f" if field.kind is int else "g"
    bounds = "" if field.low is None or field.high is None else f", {field.low:{form}} to {field.high:{form}}"
    default = "" if field.default in (None, "") or field.kind is bool else f"default {field.default}"
    note = f"{default}{bounds}".removeprefix(", ")
    return f"{field.label}. {field.help} {f'({note})' if note else ''}".replace("  ", " ").strip()


def _metavar(field: Setting) -> str:
    if field.choices:
        return "{" + ",".join(field.choices) + "}"
    return {int: "N", float: "X"}.get(field.kind, field.name.upper())


def _convert(field: Setting, value: Any) -> Any:
    if field.kind not in (int, float) or not isinstance(value, str):
        return value
    try:
        return field.kind(value)
    except ValueError as error:
        kind = "a whole number" if field.kind is int else "a number"
        raise SettingsError(f"'{field.name}' is '{value}', but must be {kind}.") from error


def number_from(text: str | float, name: str) -> float:
    """Read a number from an option that no settings field describes."""
    try:
        return float(text)
    except ValueError as error:
        raise SettingsError(f"'{name}' is '{text}', but must be a number.") from error


def whole_number_from(text: str | int, name: str, *, least: int) -> int:
    """Read a whole number from an option that no settings field describes."""
    try:
        number = int(text)
    except ValueError as error:
        raise SettingsError(f"'{name}' is '{text}', but must be a whole number.") from error
    if number < least:
        raise SettingsError(f"'{name}' is {number}, but must be at least {least}.")
    return number
