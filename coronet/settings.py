"""A setting is written once: a dataclass field that carries type, default, label, range and help.

JSON, the command line and the studio's forms are derived from it here; no other module repeats a default or a range.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from coronet.errors import SettingsError

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of one field: everything a form or a command line needs."""

    name: str
    kind: type  # bool, int, float or str
    optional: bool  # None is allowed
    default: Any
    required: bool
    label: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    help: str
    group: str


def setting(
    default: Any = dataclasses.MISSING,
    label: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    help: str = "",
    group: str = "",
) -> Any:
    """Declare a settings field; without a default the field is required. `group` gathers fields in a form."""
    metadata = {"label": label, "low": low, "high": high, "help": help, "group": group}
    return dataclasses.field(default=default, metadata=metadata)


def fields_of(settings_class: type) -> tuple[Setting, ...]:
    """Describe every field of a settings dataclass, in the order of its declaration."""
    hints = typing.get_type_hints(settings_class)
    return tuple(_describe(field, hints[field.name]) for field in dataclasses.fields(settings_class))


def check(settings: Any) -> None:
    """Raise SettingsError at the first field whose value has the wrong type or lies outside its range."""
    for field in fields_of(type(settings)):
        _check_value(field, getattr(settings, field.name))


def to_json(settings: Any) -> dict[str, Any]:
    """Turn settings into plain JSON values."""
    return dataclasses.asdict(settings)


def from_json(settings_class: type[SettingsT], values: Mapping[str, Any]) -> SettingsT:
    """Build checked settings from plain values; an unknown or missing name raises SettingsError."""
    known = {field.name: field for field in fields_of(settings_class)}
    for name in values:
        if name not in known:
            raise SettingsError(f"There is no setting '{name}'. Known settings: {', '.join(sorted(known))}.")
    for name, field in known.items():
        if field.required and name not in values:
            raise SettingsError(f"The setting '{name}' ({field.label}) is missing. Give it a value.")
    integral = {
        name: int(value)
        for name, value in values.items()
        if known[name].kind is int and isinstance(value, float) and value.is_integer()
    }
    settings = settings_class(**{**values, **integral})
    check(settings)
    return settings


def _describe(field: "dataclasses.Field[Any]", hint: Any) -> Setting:
    optional, hint = _strip_optional(hint)
    choices: tuple[str, ...] = ()
    if typing.get_origin(hint) is Literal:
        choices, hint = typing.get_args(hint), str
    return Setting(
        name=field.name,
        kind=hint,
        optional=optional,
        default=None if field.default is dataclasses.MISSING else field.default,
        required=field.default is dataclasses.MISSING,
        label=field.metadata.get("label") or field.name,
        low=field.metadata.get("low"),
        high=field.metadata.get("high"),
        choices=choices,
        help=field.metadata.get("help", ""),
        group=field.metadata.get("group", ""),
    )


def _strip_optional(hint: Any) -> tuple[bool, Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [argument for argument in typing.get_args(hint) if argument is not type(None)]
        return True, rest[0]
    return False, hint


def _check_value(field: Setting, value: Any) -> None:
    if value is None and field.optional:
        return
    _check_type(field, value)
    if field.choices and value not in field.choices:
        raise SettingsError(f"'{field.name}' is {value!r}. Choose one of: {', '.join(field.choices)}.")
    if field.low is not None and value < field.low:
        raise SettingsError(f"'{field.name}' is {value}, but must be at least {field.low}.")
    if field.high is not None and value > field.high:
        raise SettingsError(f"'{field.name}' is {value}, but must be at most {field.high}.")


def _check_type(field: Setting, value: Any) -> None:
    accepted: tuple[type, ...] = (int, float) if field.kind is float else (field.kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and field.kind is not bool):
        raise SettingsError(f"'{field.name}' is {value!r}, but must be of type {field.kind.__name__}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"'{field.name}' is {value}, but must be a finite number.")
