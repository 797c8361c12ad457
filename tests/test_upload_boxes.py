"""Each upload box gets fifty bad files: a plain sentence each, nothing stays behind, and the next good one works."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from coronet import sandbox
from coronet.containers import Refusal, sniff
from coronet.jobs import JobTable
from coronet.studio.choosing import Handlers as ChoosingHandlers
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.model.data_box import Handlers as DataHandlers
from coronet.studio.model.tab import Handlers as ModelHandlers
from coronet.studio.shelves import data as data_shelf
from coronet.studio.visitors import OWNER_HEADER, visitor_of
from coronet.uploads import add_upload
from tests.hostile_files import write_all
from tests.sandbox import convert_batch
from tests.studios import TINY, NoLauncher, save_tiny_model
from tests.test_bad_images import encodings, other_contents, write_images
from tests.test_owners import near  # noqa: F401
from tests.test_uploads import BAD, SIDES, SMALL, zipped

_LEAST = 50
VISITOR = SimpleNamespace(headers={OWNER_HEADER: "0" * 64}, session_hash="s")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(JobTable(tmp_path / "runs", NoLauncher()), tmp_path / "imported", is_personal=False)


def refused(handler: Callable[..., Any], path: Path) -> bool:
    """Give a file to a box: whether it is refused, which must be in one plain sentence."""
    try:
        edge(handler)(str(path), VISITOR)
    except gr.Error as error:
        said = error.message
        assert said.isprintable(), path.name
        assert 20 < len(said) < 600
        assert said[-1] in ".?!"
        assert "went wrong that should not" not in said, path.name
        assert str(path.parent) not in said
        return True
    return False


def left_behind(desk: Desk) -> list[str]:
    return sorted(path.name for path in desk.imported.rglob("*") if path.is_file())


def test_the_box_for_models(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    files = write_all(tmp_path / "files", tmp_path / "marker", seed=7)
    names = [file for file in files if file.suffix in (".pth", ".safetensors")][::4]
    pickles = [file for file in names if _is_pickle(file)]
    outcomes, _ = convert_batch([(file, "generator") for file in pickles])  # in one child, as torch is slow to import
    found = {str(file.resolve()): outcome for file, outcome in zip(pickles, outcomes, strict=True)}
    monkeypatch.setattr(sandbox, "run", lambda module, arguments, **_: found[arguments[0]])
    bad = [file for file in names if refused(ModelHandlers(desk).add_model, file)]
    assert len(bad) >= _LEAST
    assert not (tmp_path / "marker").exists()
    kept = left_behind(desk)
    assert len(kept) == len(names) - len(bad), "only what was taken is there"
    monkeypatch.undo()
    chosen, _ = ModelHandlers(desk).add_model(str(save_tiny_model(tmp_path / TINY)), VISITOR)
    assert chosen.value in desk.models(visitor_of(VISITOR))
    assert len(left_behind(desk)) == len(kept) + 1


def _is_pickle(file: Path) -> bool:
    try:
        return sniff(file) in ("zip", "pickle")
    except Refusal:
        return False


def test_the_box_for_pictures(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    write_images(tmp_path / "files")
    names = sorted(path for path in (tmp_path / "files").glob("*.png") if "good" not in path.name)
    chosen = [path for path in names if path.stem in other_contents()] + names[::9]
    before = [path for path in chosen if not path.stem.endswith("whole")]
    bad = [path for path in before if refused(ChoosingHandlers(desk).upload_picture, path)]
    assert len(bad) >= _LEAST
    assert len(left_behind(desk)) <= len(before) - len(bad), "only pictures that opened are there"
    (tmp_path / "good.png").write_bytes(encodings()["png"])
    picture, chosen_name = ChoosingHandlers(desk).upload_picture(str(tmp_path / "good.png"), VISITOR)
    assert picture.size == (40, 24)
    assert chosen_name.value in desk.pictures(visitor_of(VISITOR))


@pytest.mark.usefixtures("near")
def test_the_box_for_zips(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_shelf, "add_upload", partial(add_upload, limits=SMALL))
    path = tmp_path / "My horses.zip"
    for name, (body, _) in BAD.items():
        path.write_bytes(body)
        assert refused(DataHandlers(desk).add_data, path), name
    assert len(BAD) >= _LEAST
    assert left_behind(desk) == []
    path.write_bytes(zipped(SIDES))
    said, data, own, pictures = DataHandlers(desk).add_data(str(path), VISITOR)
    assert "My horses was added: two unpaired sides" in said
    assert data.value == own.value
    assert data.value in [name for _, name in data.choices]
    assert any(words.startswith("My horses/testA/") for words, _ in pictures.choices)
    assert refused(DataHandlers(desk).add_data, tmp_path / "missing.zip")
    removed = own.value
    said, data, own, _ = DataHandlers(desk).remove_data(removed, "demo/horse2zebra", removed, VISITOR)
    assert "My horses was removed" in said
    assert data.value == "scenes/horses"
    assert own.choices == []
    assert left_behind(desk) == []


def test_an_empty_box_changes_nothing(desk: Desk) -> None:
    assert ModelHandlers(desk).add_model(None, VISITOR) == (gr.skip(),) * 2
    assert DataHandlers(desk).add_data(None, VISITOR) == (gr.skip(),) * 4
