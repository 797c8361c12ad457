"""The table of what can be downloaded: official data sets, published generators and the features of FID.

The addresses are those of the download scripts of pytorch-CycleGAN-and-pix2pix and of pytorch-fid.
"""

import difflib
from dataclasses import dataclass
from typing import Literal

from coronet.errors import DownloadError

Kind = Literal["data", "model", "features"]
Form = Literal["tar.gz", "zip", "pth", "file"]  # "pth" goes into a folder of its own, "file" stays as it is

_SERVER = "http://efrosgans.eecs.berkeley.edu"
_FID = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"

# Bytes and SHA-256 of the .zip files: url_checksums/cycle_gan.txt of tensorflow/datasets, taken from the server that
# held them before; a wget log of the present server shows the same bytes for horse2zebra.zip.
# Bytes of facades.tar.gz, maps.tar.gz and sat2map.pth: wget logs of the present server (2022 and 2023).
# Bytes and SHA-256 of the Inception weights: the digits in the file's name, and projects that pin the whole of it.
# Where a number is missing, no source for it was found: the server's own Content-Length is then what is checked.
_PAIRS: dict[str, int | None] = {
    "edges2shoes": None,
    "edges2handbags": None,
    "facades": 30_168_306,
    "maps": 250_242_400,
    "night2day": None,
}
_UNPAIRED: dict[str, tuple[int | None, str | None]] = {
    "apple2orange": (78_456_409, "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8"),
    "summer2winter_yosemite": (132_640_856, "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"),
    "horse2zebra": (116_867_962, "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1"),
    "monet2photo": (305_231_073, "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04"),
    "cezanne2photo": (279_885_071, "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff"),
    "ukiyoe2photo": (292_946_532, "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08"),
    "vangogh2photo": (306_590_349, "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff"),
    "maps": (1_476_754_427, "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e"),
    "facades": (35_135_868, "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0"),
    "iphone2dslr_flower": (339_964_458, "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113"),
    "ae_photos": (None, None),
}
_PAIR_MODELS: dict[str, int | None] = {
    "edges2shoes": None,
    "facades_label2photo": None,
    "map2sat": None,
    "sat2map": 217_704_720,
    "day2night": None,
}
_UNPAIRED_MODELS = """
apple2orange orange2apple summer2winter_yosemite winter2summer_yosemite horse2zebra zebra2horse
monet2photo style_monet style_cezanne style_ukiyoe style_vangogh sat2map map2sat
cityscapes_photo2label cityscapes_label2photo facades_photo2label facades_label2photo iphone2dslr_flower
""".split()  # noqa: SIM905
_CITYSCAPES = (
    "cityscapes may not be passed on, so that no server offers it: get gtFine_trainvaltest.zip and "
    "leftImg8bit_trainvaltest.zip from https://www.cityscapes-dataset.com and make pairs of them with "
    "prepare_cityscapes_dataset.py of pytorch-CycleGAN-and-pix2pix."
)


@dataclass(frozen=True, slots=True)
class Item:
    """Something to download. The name is also that of the folder it becomes."""

    name: str
    kind: Kind
    address: str
    form: Form
    size: int | None = None  # bytes of the file at the address
    sha256: str | None = None  # of the same file
    by_hand: str = ""  # why it cannot be downloaded, and what to do

    @property
    def file_name(self) -> str:
        """Name of the file that arrives: NAME.zip, or for features the name other programs look for."""
        return self.address.rpartition("/")[2] if self.form == "file" else f"{self.name}.{self.form}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase ("download", "check" or "unpack") is, in bytes; total is None where no one knows."""

    phase: str
    done: int
    total: int | None


def find_item(name: str) -> Item:
    """Look a name up; DownloadError with the nearest names where there is none such."""
    if name in ITEMS:
        return ITEMS[name]
    near = difflib.get_close_matches(name, ITEMS, 3)
    advice = f"Did you mean {' or '.join(near)}?" if near else "See: coronet download --list"
    raise DownloadError(f"There is nothing named {name[:80]!a} to download. {advice}")


def _items() -> list[Item]:
    """List everything: as data sets and as models, what is in both collections has 'cyclegan_' before the second."""
    items = [
        Item(name, "data", f"{_SERVER}/pix2pix/datasets/{name}.tar.gz", "tar.gz", size) for name, size in _PAIRS.items()
    ]
    items += [Item("cityscapes", "data", "https://www.cityscapes-dataset.com", "zip", by_hand=_CITYSCAPES)]
    for name, (size, digest) in _UNPAIRED.items():
        ours = f"cyclegan_{name}" if name in _PAIRS else name
        items += [Item(ours, "data", f"{_SERVER}/cyclegan/datasets/{name}.zip", "zip", size, digest)]
    for name, size in _PAIR_MODELS.items():
        items += [Item(f"{name}_pretrained", "model", f"{_SERVER}/pix2pix/models-pytorch/{name}.pth", "pth", size)]
    for name in _UNPAIRED_MODELS:
        ours = f"cyclegan_{name}_pretrained" if name in _PAIR_MODELS else f"{name}_pretrained"
        items += [Item(ours, "model", f"{_SERVER}/cyclegan/pretrained_models/{name}.pth", "pth")]
    digest = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
    return [*items, Item("fid_inception", "features", _FID, "file", 95_628_359, digest)]


ITEMS: dict[str, Item] = {item.name: item for item in _items()}
