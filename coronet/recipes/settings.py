"""What a user may choose for each verb: the only place where these names, defaults and ranges are written."""

from dataclasses import dataclass
from typing import Literal, get_args

from coronet.clock import Counted
from coronet.demos import Direction
from coronet.settings import setting

Preprocess = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "resize", "none"]
GanMode = Literal["lsgan", "vanilla", "hinge"]
MethodName = Literal["coronet", "taylor", "magnitude", "magnitude_uniform", "narrow", "gan_compression", "omgd"]
METHOD_NAMES: tuple[MethodName, ...] = get_args(MethodName)
MAX_STEPS = 1_000_000


@dataclass(frozen=True)
class DataChoices:
    """How images are read; the names are those of pytorch-CycleGAN-and-pix2pix."""

    data: str = setting("", "Data folder", help="Paired, unpaired or one folder of images.")
    direction: Direction = setting("AtoB", "Direction", help="BtoA swaps input and target.", group="Data")
    image_size: int | None = setting(
        None, "Image size", low=32, high=2048, help="Side of the crop in pixels; empty: the model's own.", group="Data"
    )
    load_size: int | None = setting(
        None,
        "Load size",
        low=32,
        high=4096,
        help="Side before the random crop; empty: image size x 286/256.",
        group="Data",
    )
    preprocess: Preprocess = setting("resize_and_crop", "Preprocess", group="Data")
    no_flip: bool = setting(False, "No flip", help="Switch the random horizontal flip off.", group="Data")
    max_dataset_size: int | None = setting(
        None, "Most images", low=2, high=1_000_000, help="Per side, to train on; tests use all there are.", group="Data"
    )


@dataclass(frozen=True)
class OptimisationChoices(DataChoices):
    """How a network is trained."""

    batch_size: int = setting(1, "Batch size", low=1, high=64, group="Training")
    learning_rate: float | None = setting(
        None, "Learning rate", low=1e-7, high=0.1, help="Empty: 0.0002, as published.", group="Training"
    )
    gan_mode: GanMode = setting("lsgan", "Adversarial loss", group="Training")
    ndf: int = setting(64, "Discriminator width", low=4, high=256, help="Of a fresh discriminator.", group="Training")
    pool_size: int = setting(
        50, "Image pool", low=0, high=1000, help="Old fakes shown to the discriminator.", group="Training"
    )
    ema: float = setting(0.0, "Weight averaging", low=0.0, high=0.9999, help="0 switches it off.", group="Training")
    lambda_gan: float = setting(1.0, "Adversarial weight", low=0.0, high=100.0, group="Training")
    lambda_L1: float = setting(100.0, "L1 weight (paired)", low=0.0, high=1000.0, group="Training")
    lambda_A: float = setting(10.0, "Cycle weight", low=0.0, high=1000.0, help="Both directions.", group="Training")
    lambda_identity: float = setting(
        0.5, "Identity weight", low=0.0, high=10.0, help="Times the cycle weight.", group="Training"
    )
    soften: float = setting(
        0.0, "Soften the way back", low=0.0, high=8.0, help="CycleGAN: pixels of blur against dots.", group="Training"
    )
    soften_judges: float = setting(
        0.0, "Soften for judges", low=0.0, high=8.0, help="CycleGAN: pixels; less texture.", group="Training"
    )
    seed: int = setting(0, "Seed", low=0, high=2**31 - 1, group="Training")
    threads: int | None = setting(
        None, "Threads", low=1, high=256, help="Empty: processors minus one.", group="Training"
    )
    mixed_precision: bool = setting(
        True, "Mixed precision", help="Train in bfloat16 where the hardware computes in it.", group="Training"
    )
    save_seconds: float = setting(
        30.0, "Save every", low=0.0, high=3600.0, help="Seconds between saved states.", group="Training"
    )
    preview_steps: int = setting(
        100, "Preview every", low=1, high=100_000, help="Steps between previews.", group="Training"
    )


@dataclass(frozen=True)
class CompressSettings(OptimisationChoices):
    """Compress a trained generator: search, slim, fine-tune, evaluate, export."""

    model: str = setting("", "Model", help="A .pth or safetensors file, a checkpoint folder, or demo/NAME.")
    ratio: float = setting(4.0, "Compression ratio", low=1.0, high=50.0, help="Dense cost divided by slim cost.")
    method: MethodName = setting("coronet", "Method", help="CoroNetGAN, or a baseline to compare it with.")
    budget: Literal["macs", "params"] = setting("macs", "Budget", help="What the ratio counts.")
    multiple_of: int = setting(1, "Channels in multiples of", low=1, high=64)
    preset: Literal["quick", "standard", "full"] = setting("quick", "Preset", help="How long to train.")
    search_steps: int | None = setting(None, "Search steps", low=0, high=MAX_STEPS, group="Length")
    finetune_steps: int | None = setting(None, "Fine-tuning steps", low=0, high=MAX_STEPS, group="Length")
    minutes: float | None = setting(
        None, "Minutes", low=0.05, high=100_000.0, help="Wall-clock budget; fixes both lengths.", group="Length"
    )
    counted: Counted = setting(
        "clock", "Minutes of", help="processor: runs beside other work stay comparable; one thread.", group="Length"
    )
    search_share: float | None = setting(
        None, "Share of the search", low=0.0, high=1.0, help="Of the minutes; empty: the method's own.", group="Length"
    )
    hypernetwork: Literal["factored", "paper"] = setting("factored", "Hypernetwork", group="Search")
    embedding: int = setting(8, "Embedding", low=1, high=64, help="Of the paper's hypernetwork.", group="Search")
    floor: float | None = setting(
        None,
        "Floor per group",
        low=0.0,
        high=1.0,
        help="Of an even cut; empty: 0.75.",
        group="Search",
    )
    importance: Literal["taylor", "consumer_norm"] = setting(
        "taylor",
        "Importance",
        help="Of the one-shot cut and at the search's start: measured on images, or norms alone, which rank worse.",
        group="Search",
    )
    importance_images: int = setting(20, "Images for importance", low=1, high=1000, group="Search")
    latent_rate: float = setting(0.005, "Latent learning rate", low=0.0, high=1.0, group="Search")
    learning_rate: float | None = setting(
        None,
        "Learning rate",
        low=1e-7,
        high=0.1,
        help="Of fine-tuning; empty: 0.0005 times the square root of the ratio; without a teacher 0.0002.",
        group="Training",
    )
    lambda_gan: float = setting(
        1.0, "Adversarial weight", low=0.0, high=100.0, help="A tenth of it beside a teacher.", group="Training"
    )
    # Imitating a teacher needs less of a discriminator than training from scratch.
    ndf: int = setting(32, "Discriminator width", low=4, high=256, help="Of a fresh discriminator.", group="Training")
    search_learning_rate: float | None = setting(
        None,
        "Search learning rate",
        low=1e-7,
        high=0.1,
        help="Of the hypernetwork; empty: 0.001; without a teacher 0.0002.",
        group="Search",
    )
    teacher: bool = setting(
        True, "Teacher", help="Imitate the dense net; off: as the paper, ground truth only.", group="Losses"
    )
    lambda_distill: float = setting(10.0, "Imitation weight", low=0.0, high=1000.0, group="Losses")
    lambda_feature: float = setting(20.0, "Feature imitation weight", low=0.0, high=1000.0, group="Losses")
    vgg: str = setting(
        "", "VGG-16 weights", help="torchvision's vgg16-*.pth, for OMGD's perceptual losses.", group="Losses"
    )
    deep_teacher: bool = setting(
        True, "Deep teacher", help="OMGD on pairs: the second, deeper teacher; it takes time.", group="Losses"
    )
    warmup_steps: int = setting(50, "Warm-up", low=0, high=MAX_STEPS, help="Of fresh discriminators.", group="Losses")
    onnx: bool = setting(True, "Write ONNX", help="At the end, and check it; off: sooner done.", group="Result")


@dataclass(frozen=True)
class TrainSettings(OptimisationChoices):
    """Train a dense generator from scratch: Pix2Pix on paired, CycleGAN on unpaired data."""

    kind: Literal["pix2pix", "cycle_gan"] = setting("pix2pix", "Kind")
    netG: Literal["resnet", "mobile_resnet", "unet"] | None = setting(
        None, "Generator", help="Empty: U-Net for pix2pix, ResNet for cycle_gan.", group="Network"
    )
    start: str = setting(
        "",
        "Start from",
        help="A model to train further, with what lies beside it; its network stays. Empty: fresh networks.",
        group="Network",
    )
    ngf: int = setting(64, "Generator width", low=4, high=256, group="Network")
    blocks: int = setting(9, "Residual blocks", low=1, high=64, group="Network")
    levels: int | None = setting(
        None,
        "Levels",
        low=5,
        high=9,
        help="U-Net: how often it halves the image; empty: to one pixel.",
        group="Network",
    )
    norm: Literal["instance", "batch"] | None = setting(None, "Norm", help="Empty: as published.", group="Network")
    upsample: Literal["transposed", "resize"] = setting(
        "transposed", "Enlarge by", help="resize: no checkerboard, more MACs, not as published.", group="Network"
    )
    no_dropout: bool = setting(False, "No dropout", help="U-Net only.", group="Network")
    discriminator_rate: float = setting(
        1.0, "Discriminators' rate", low=0.01, high=10.0, help="Times the learning rate.", group="Training"
    )
    steps: int | None = setting(None, "Steps", low=1, high=MAX_STEPS, group="Length")
    minutes: float | None = setting(None, "Minutes", low=0.05, high=100_000.0, group="Length")
