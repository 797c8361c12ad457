"""VGG-16's features from a file of torchvision's names, and OMGD's perceptual terms made of them."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from coronet.errors import CheckpointError
from coronet.methods.omgd import OnlineTeaching
from coronet.methods.vgg import gram, load_vgg
from coronet.objectives import tapped
from coronet.recipes.execute import execute
from coronet.recipes.settings import CompressSettings
from coronet.recipes.table_rows import as_row, summary
from coronet.recipes.trade_off import as_markdown
from coronet.runs import Run
from coronet.settings import to_json
from tests.games import RESNET, UNET, compression_job, net
from tests.worlds import SIDE, make_model, make_world

CONFIGURATION = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]
TAPPED = (3, 8, 15, 22)  # relu1_2, relu2_2, relu3_3 and relu4_3 among torchvision's layers


def reference():
    """Give VGG-16's layers one after the other, as torchvision numbers them."""
    layers, channels = [], 3
    torch.manual_seed(0)
    for width in CONFIGURATION:
        if width == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def layers():
    return reference()


@pytest.fixture(scope="module")
def weights(layers, tmp_path_factory):
    """Give a file of the weights, with some of the classifier's, which are not needed."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    tensors = {f"features.{name}": tensor for name, tensor in layers.state_dict().items()}
    save_file(tensors | {"classifier.6.bias": torch.zeros(10)}, path)
    return path


def images(seed=0, side=16):
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def features(layers, pictures):
    found, value = [], (pictures + 1) / 2
    for place, layer in enumerate(layers[: TAPPED[-1] + 1]):
        value = layer(value)
        if place in TAPPED:
            found.append(value)
    return found


@torch.no_grad()
def test_the_features_are_those_of_torchvisions_layers(layers, weights):
    pictures = images()
    for ours, theirs in zip(load_vgg(weights)(pictures), features(layers, pictures), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_pickled_file_gives_the_same_network(layers, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    few = {f"features.{name}": tensor for name, tensor in layers.state_dict().items() if int(name.split(".")[0]) < 22}
    torch.save(few, tmp_path / "vgg16-397923af.pth")
    one, other = load_vgg(tmp_path / "vgg16-397923af.pth"), load_vgg(weights)
    assert all(torch.equal(one.state_dict()[name], tensor) for name, tensor in other.state_dict().items())
    assert not any(parameter.requires_grad for parameter in one.parameters())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"features.7.weight": None}, "no VGG-16: it has no tensor 'features.7.weight'"),
        ({"features.7.weight": torch.zeros(128, 64, 3, 3)}, r"as \(128, 64, 3, 3\), not as \(128, 128, 3, 3\)"),
    ],
)
def test_another_network_is_refused_in_plain_words(changed, said, layers, tmp_path):
    tensors = {f"features.{name}": tensor for name, tensor in layers.state_dict().items()} | changed
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=rf"other.safetensors .*{said}.* Choose torchvision's vgg16"):
        load_vgg(tmp_path / "other.safetensors")


def test_gram_by_hand():
    picture = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    assert gram(picture).tolist() == [[[5 / 4, 1 / 4], [1 / 4, 10 / 4]]]


@pytest.mark.parametrize(("kind", "config"), [("paired", UNET), ("unpaired", RESNET)])
def test_the_perceptual_terms_by_hand(kind, config, layers, weights):
    job = compression_job(config, kind, teacher=False)
    game, student = OnlineTeaching(job.objective, job.generator, config, 0, vgg=load_vgg(weights)), net(config, 8)
    batch, random = job.batch_at(0), torch.Generator().manual_seed(0)
    torch.manual_seed(0)  # dropout of the teacher
    losses = list(game.play(lambda images: tapped(student.eval(), images), {}, batch, random))[-1][1]
    assert losses.keys() == {"ssim", "channels", "variation", "style", "content"}
    torch.manual_seed(0)
    with torch.no_grad():
        pairs = [*zip(*(features(layers, net(batch.source)) for net in (student, teacher_of(game))), strict=True)]
        styles = [(gram(one) - gram(other)).abs().mean() for one, other in pairs]
        content = (pairs[1][0] - pairs[1][1]).abs().mean()
    assert float(losses["style"].detach()) == pytest.approx(1e4 * float(sum(styles)), rel=1e-3)
    assert float(losses["content"].detach()) == pytest.approx(10 * float(content), rel=1e-4)
    gradients = torch.autograd.grad(losses["style"] + losses["content"], list(student.parameters()), allow_unused=True)
    assert sum(gradient is not None and bool(gradient.any()) for gradient in gradients) > len(gradients) / 2
    assert {id(parameter) for parameter in game._vgg.parameters()}.isdisjoint(
        id(tensor) for tensors in game.parameters().values() for tensor in tensors.values()
    )


def teacher_of(game):
    return game.networks["teacher"].train()


@pytest.mark.parametrize(
    ("given", "title"), [(True, "OMGD, re-implemented"), (False, "OMGD without VGG, re-implemented")]
)
def test_the_report_and_the_table_say_whether_vgg_taught(given, title, weights, tmp_path):
    make_world("paired", tmp_path / "data")
    model = make_model("unet", tmp_path / "unet.safetensors")
    settings = CompressSettings(
        model=str(model), data=str(tmp_path / "data"), method="omgd", vgg=str(weights) if given else "",
        image_size=SIDE, ndf=4, threads=1, search_steps=0, finetune_steps=1, warmup_steps=0, onnx=False,
    )  # fmt: skip
    run = Run.create(tmp_path / "run", "compress", to_json(settings))
    losses = [step.losses for step in execute(run)][-1]
    assert ("style" in losses) is given
    assert run.report()["title"] == title
    assert f"| {title} |" in as_markdown(summary([as_row(run.report())]))
