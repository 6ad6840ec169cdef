"""What every encoder has."""

from __future__ import annotations

from torch import Tensor, nn


class Encoder(nn.Module):
    """A frame to a feature.

    Attributes:
        width: length of the feature.
        sided: whether `forward` takes the frames' cameras, too.
    """

    width: int
    sided: bool = False

    def forward(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(n, 3, h, w) float32 RGB, normalised -> (n, width)."""
        raise NotImplementedError
