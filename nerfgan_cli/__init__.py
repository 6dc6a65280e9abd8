"""nerfgan: volumetric 3D-aware GANs distilled into pose-conditioned convolutional generators."""

__version__ = "0.1.0"
