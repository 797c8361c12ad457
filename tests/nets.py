"""Tiny random nets of every architecture, for the laws that hold for all of them."""

import torch

from coronet.networks import Generator, build, resnet_config, unet_config

TINY = {
    "resnet": resnet_config(ngf=4, blocks=2, image_size=32),
    "resnet_batch": resnet_config(ngf=4, blocks=2, norm="batch", image_size=32),
    "mobile_resnet": resnet_config(ngf=4, blocks=2, mobile=True, image_size=32),
    "mobile_resnet_batch": resnet_config(ngf=4, blocks=1, mobile=True, norm="batch", image_size=32),
    "unet": unet_config(ngf=4, image_size=32),
    "unet_instance": unet_config(ngf=4, image_size=64, norm="instance"),
    "resnet_resize": resnet_config(ngf=4, blocks=1, image_size=32, upsample="resize"),
    "unet_resize": unet_config(ngf=4, image_size=32, upsample="resize"),
}


def random_net(name: str, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Generator, torch.Tensor]:
    """Give a net in evaluation mode whose every tensor is drawn, biases and running statistics too, and two images."""
    random = torch.Generator().manual_seed(seed)
    net = build(TINY[name]).to(dtype).eval()
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if not tensor.is_floating_point():
                continue
            tensor.copy_(torch.randn(tensor.shape, generator=random) * (0.2 if tensor.dim() == 4 else 0.3))
            if key.endswith(("running_var", "norm.weight")):
                tensor.abs_().add_(0.3)
    size = TINY[name].image_size
    return net, torch.rand(2, 3, size, size, generator=random).to(dtype) * 2 - 1


def random_kept(widths: dict[str, int], *, seed: int) -> dict[str, torch.Tensor]:
    """Keep a random, never empty part of every group."""
    random = torch.Generator().manual_seed(seed)
    return {
        group: torch.randperm(width, generator=random)[: int(torch.randint(1, width + 1, (), generator=random))].sort()[
            0
        ]
        for group, width in widths.items()
    }
