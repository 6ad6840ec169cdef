"""What all networks of person search have in common."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.nets.network import Pixels
from reid_ros.train.search.configs import SearchNetConfig
from reid_ros.train.search.nets.backbone import Backbone
from reid_ros.train.search.oim import Table


@dataclass(frozen=True, slots=True)
class Detected:
    """The answer to n pictures, the best first.

    Attributes:
        boxes: (n, k, 4) x0 y0 x1 y1 pixels of the picture; one person may come several times.
        scores: (n, k) 0 to 1; 0 where there is nobody.
        vectors: (n, k, d) of unit length; d is 0 for a detector alone.
    """

    boxes: Tensor
    scores: Tensor
    vectors: Tensor


class Searcher(nn.Module):
    """A picture to people: where, how sure, and who.

    Attributes:
        settings: what it was made of.
        size: height and width of a picture, pixels.
        table: of the training people; None for a detector alone. No robot needs it.
    """

    def __init__(
        self,
        settings: SearchNetConfig,
        size: tuple[int, int],
        table: Table | None,
        pretrained: bool = False,
    ) -> None:
        """Make what all have: pixels and backbone.

        Args:
            settings: which.
            size: height and width of a picture, pixels.
            table: of the training people; None where `settings.embed` is 0.
            pretrained: whether the backbone loads the weights that the recipe names.
        """
        super().__init__()
        self.settings, self.size = settings, size
        self.table = table
        self.pixels = Pixels()
        self.backbone = Backbone(settings, size, pretrained)

    @property
    def width(self) -> int:
        """Length of a vector; 0 of a detector alone."""
        return self.settings.embed

    def detect(self, images: Tensor) -> Detected:
        """(n, h, w, 3) uint8 BGR -> at most `settings.answers` boxes of each."""
        raise NotImplementedError

    def describe(self, images: Tensor, boxes: Tensor) -> Tensor:
        """Who stands in given boxes.

        Args:
            images: (n, h, w, 3) uint8 BGR.
            boxes: (n, k, 4) pixels.

        Returns:
            (n, k, d) of unit length.
        """
        raise NotImplementedError

    def hinted(self) -> tuple[int, ...]:
        """Channels of the maps that a student takes as a hint."""
        raise NotImplementedError


def unit(vectors: Tensor) -> Tensor:
    """(..., d) float32 of unit length."""
    return functional.normalize(vectors.float(), dim=-1)
