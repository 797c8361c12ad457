"""Data folders: which images belong together, which train and which test, and the batch of every step.

Knows the layouts and modes of pytorch-CycleGAN-and-pix2pix; how a file becomes pixels is told in images.py.
"""

from coronet.datasets.opening import Dataset, has_training_images, open_dataset, open_test
from coronet.datasets.settings import DataSettings
from coronet.datasets.split import Batch, Item, Split

__all__ = ["Batch", "DataSettings", "Dataset", "Item", "Split", "has_training_images", "open_dataset", "open_test"]
