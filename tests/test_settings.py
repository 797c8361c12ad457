"""One field says everything: type, default, label, range and help; nothing outside its range gets in."""

import dataclasses
import json
from dataclasses import dataclass, replace
from typing import Literal

import pytest

from coronet.errors import CoronetError, SettingsError
from coronet.recipes.settings import CompressSettings, TrainSettings
from coronet.settings import check, fields_of, from_json, setting, to_json

RECIPES = [CompressSettings, TrainSettings]


@dataclass(frozen=True)
class Example:
    folder: str = setting(label="Folder")
    steps: int = setting(10, "Steps", low=1, high=100, help="How long.", group="Length")
    rate: float = setting(0.5, "Rate", low=0.0, high=1.0)
    size: int | None = setting(None, "Size", low=4)
    mode: Literal["fast", "slow"] = setting("fast", "Mode")
    way: Literal["up", "down"] | None = setting(None, "Way")
    loud: bool = setting(False, "Loud")


def test_a_field_is_described_completely():
    described = {field.name: field for field in fields_of(Example)}
    assert list(described) == ["folder", "steps", "rate", "size", "mode", "way", "loud"]
    assert [field.kind for field in described.values()] == [str, int, float, int, str, str, bool]
    assert [name for name, field in described.items() if field.required] == ["folder"]
    assert [name for name, field in described.items() if field.optional] == ["size", "way"]
    steps = described["steps"]
    assert (steps.default, steps.label, steps.low, steps.high) == (10, "Steps", 1, 100)
    assert (steps.help, steps.group, steps.choices) == ("How long.", "Length", ())
    assert described["mode"].choices == ("fast", "slow")
    assert described["way"].choices == ("up", "down")


def test_json_gives_the_same_settings_back():
    settings = Example(folder="a", steps=3, rate=0.25, size=None, mode="slow", way="up", loud=True)
    assert from_json(Example, json.loads(json.dumps(to_json(settings)))) == settings


@pytest.mark.parametrize("recipe", RECIPES)
def test_json_gives_the_recipes_back(recipe):
    assert from_json(recipe, json.loads(json.dumps(to_json(recipe())))) == recipe()


@pytest.mark.parametrize("name", ["folder", "steps", "rate", "mode", "loud", "size"])
def test_a_value_arrives(name):
    values = {"folder": "b", "steps": 7, "rate": 1.0, "mode": "slow", "loud": True, "size": 4}
    given = {"folder": "x"} | {name: values[name]}
    assert getattr(from_json(Example, given), name) == values[name]


@pytest.mark.parametrize(("name", "value"), [("steps", 1), ("steps", 100), ("rate", 0.0), ("rate", 1.0), ("rate", 1)])
def test_the_ends_of_a_range_are_allowed(name, value):
    check(dataclasses.replace(Example(folder="x"), **{name: value}))


REFUSED = {
    "below the range": ({"steps": 0}, "'steps' is 0, but must be at least 1"),
    "above the range": ({"steps": 101}, "'steps' is 101, but must be at most 100"),
    "beside the range of an optional": ({"size": 3}, "'size' is 3, but must be at least 4"),
    "another type": ({"steps": "10"}, "'steps' is '10', but must be of type int"),
    "a fraction for a count": ({"steps": 1.5}, "must be of type int"),
    "a truth value for a count": ({"steps": True}, "'steps' is True, but must be of type int"),
    "a truth value for a number": ({"rate": False}, "must be of type float"),
    "a count for a truth value": ({"loud": 1}, "must be of type bool"),
    "nothing where something is needed": ({"steps": None}, "'steps' is None"),
    "not a number": ({"rate": float("nan")}, "must be a finite number"),
    "infinity": ({"rate": float("inf")}, "must be a finite number"),
    "a list": ({"mode": ["fast"]}, "must be of type str"),
    "no choice": ({"mode": "medium"}, "'mode' is 'medium'. Choose one of: fast, slow"),
    "no choice of an optional": ({"way": "left"}, "Choose one of: up, down"),
    "an unknown name": ({"stepz": 3}, "There is no setting 'stepz'. Known settings: folder, loud"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_sentence(case):
    values, sentence = REFUSED[case]
    with pytest.raises(SettingsError, match=f".*{sentence.replace('.', '[.]')}") as caught:
        from_json(Example, {"folder": "x"} | values)
    assert isinstance(caught.value, CoronetError)
    assert "\n" not in str(caught.value)


def test_a_missing_setting_is_named():
    with pytest.raises(SettingsError, match=r"'folder' \(Folder\) is missing"):
        from_json(Example, {"steps": 3})


def test_whole_floats_count_as_counts():
    """A browser's number field sends 12.0 for 12."""
    settings = from_json(Example, {"folder": "x", "steps": 12.0, "size": 8.0})
    assert (settings.steps, settings.size) == (12, 8)
    assert type(settings.steps) is int


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_recipes_say_everything_a_form_needs(recipe):
    check(recipe())
    for field in fields_of(recipe):
        assert field.label != field.name, f"{field.name} has no label"
        assert field.kind in (bool, int, float, str), field.name
        assert not field.required, f"{field.name} has no default: the form could not start"
        if field.kind in (int, float):
            assert field.low is not None, f"{field.name} has no lower end"
            assert field.high is not None, f"{field.name} has no upper end"
            assert field.low < field.high, field.name


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_setting_holds_its_range(recipe):
    for field in fields_of(recipe):
        if field.high is not None:
            for value in (field.kind(field.low - 1), field.kind(field.high + 1)):
                with pytest.raises(SettingsError, match=f"'{field.name}'"):
                    from_json(recipe, {field.name: value})


def test_settings_with_the_same_name_mean_the_same():
    """What two verbs share differs in its default at most: imitating a teacher asks for another than training."""
    compress, train = ({field.name: field for field in fields_of(recipe)} for recipe in RECIPES)
    for name in (compress.keys() & train.keys()) - {"minutes"}:
        assert replace(compress[name], default=None, help="") == replace(train[name], default=None, help="")
