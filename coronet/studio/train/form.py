"""A form made of a settings class: one component a field, labelled and explained by what the field says of itself."""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any

import gradio as gr
from gradio.components import Component

from coronet.errors import SettingsError
from coronet.settings import Setting, fields_of
from coronet.studio import text

Fields = dict[str, Component]


def settings_form(settings_class: type, *, leave_out: Collection[str] = ()) -> Fields:
    """Build the components of a settings class inside the current layout, one row a group, and give them by name."""
    fields = [field for field in fields_of(settings_class) if field.name not in leave_out]
    components: Fields = {}
    ordered = sorted(fields, key=lambda field: (field.group != "", _first_place(fields, field.group)))
    for group, members in groupby(ordered, key=lambda field: field.group):
        if group:
            gr.Markdown(f"### {group}")
        with gr.Row():
            components |= {field.name: component_for(field) for field in members}
    return components


def component_for(field: Setting) -> Component:
    """Build the component that fits a field's type; ranges are checked by the settings themselves."""
    common: dict[str, Any] = {"value": field.default, "label": field.label, "info": explain(field), "min_width": 200}
    if field.choices:
        choices: list[Any] = [(text.AUTOMATIC, None), *field.choices] if field.optional else list(field.choices)
        return gr.Dropdown(choices, **common)
    if field.kind is bool:
        return gr.Checkbox(**common)
    if field.optional:  # Gradio's number field shows nothing as 0
        return gr.Textbox(placeholder=text.AUTOMATIC, **{**common, "value": ""})
    if field.kind in (int, float):
        return gr.Number(precision=0 if field.kind is int else None, **common)
    return gr.Textbox(**common)


def explain(field: Setting) -> str | None:
    """Give a field's help and range in words; None where there is nothing to say."""
    bounds = [f"{bound:,.10g}" for bound in (field.low, field.high) if bound is not None]
    spread = " to ".join(bounds)
    return " ".join(part for part in (field.help, f"({spread})" if spread else "") if part) or None


def values_of(settings_class: type, names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Join names and what their components gave; SettingsError where text is no number."""
    fields = {field.name: field for field in fields_of(settings_class)}
    return {name: _value(fields[name], value) for name, value in zip(names, values, strict=True)}


def _value(field: Setting, value: Any) -> Any:
    if not isinstance(value, str) or field.kind is str:
        return value
    if not value.strip():
        return None
    try:
        return field.kind(value)
    except ValueError:
        raise SettingsError(f"{field.label} is {value[:40]!r}, but must be a number or empty.") from None


def _first_place(fields: Sequence[Setting], group: str) -> int:
    return next(place for place, field in enumerate(fields) if field.group == group)
