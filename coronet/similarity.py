"""How alike two batches of images are: PSNR and SSIM as differentiable tensors, one value per image.

Losses and metrics share these; what counts as an image (rounding, range) is decided by the caller.
"""

import torch
from torch import Tensor


def psnr(first: Tensor, second: Tensor, *, data_range: float = 2.0) -> Tensor:
    """Give the peak signal-to-noise ratio in dB of every image of (N, C, H, W) as (N,); inf where they are equal.

    data_range: distance from the lowest to the highest possible value, 2 for images in [-1, 1].
    """
    return 10.0 * torch.log10(data_range**2 / (first - second).square().mean(dim=(1, 2, 3)))


def ssim(
    first: Tensor,
    second: Tensor,
    *,
    data_range: float = 2.0,
    lowest: float = -1.0,
    window_size: int = 11,
    sigma: float = 1.5,
) -> Tensor:
    """Give the structural similarity of every image of (N, C, H, W) as (N,), 1 where they are equal.

    Gaussian window, borders without a full window left out, mean over positions and channels, constants 0.01 and
    0.03 (Wang et al. 2004). `lowest` is the value of black: brightness is counted from there, or two nearly equal
    greys on either side of 0 would score -1. Raises ValueError for images smaller than the window.
    """
    height, width = first.shape[-2:]
    if min(height, width) < window_size:
        raise ValueError(f"SSIM needs at least {window_size} x {window_size} pixels, not {width} x {height}.")
    first, second = exact(first), exact(second)
    window = gaussian_window(window_size, sigma).to(first)
    rows, columns = _sliding(window, height), _sliding(window, width).T
    planes = torch.stack([first, second, first * first, second * second, first * second])
    with torch.autocast(first.device.type, enabled=False):  # E[x^2] - E[x]^2 cancels in half precision
        mean1, mean2, square1, square2, product = (rows @ planes @ columns).unbind()
    low, high = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    variances = square1 - mean1 * mean1 + square2 - mean2 * mean2
    covariance = product - mean1 * mean2
    light1, light2 = mean1 - lowest, mean2 - lowest
    luminance = (2.0 * light1 * light2 + low) / (light1 * light1 + light2 * light2 + low)
    return (luminance * (2.0 * covariance + high) / (variances + high)).mean(dim=(1, 2, 3))


def exact(values: Tensor) -> Tensor:
    """Give values in float32 at least: means of squares need it."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def gaussian_window(size: int, sigma: float) -> Tensor:
    """Give a normalised window (size,) in float64."""
    offsets = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    window = torch.exp(-offsets.square() / (2.0 * sigma**2))
    return window / window.sum()


def _sliding(window: Tensor, length: int) -> Tensor:
    """Give the matrix (length - size + 1, length) that filters along one side.

    Two products with such matrices took half the time of separable convolutions at 256 x 256, a quarter at 64 x 64.
    """
    size = len(window)
    matrix = window.new_zeros(length - size + 1, length)
    for offset, weight in enumerate(window):
        matrix.diagonal(offset)[: len(matrix)] = weight
    return matrix
