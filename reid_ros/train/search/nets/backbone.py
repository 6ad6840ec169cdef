"""The encoders of appearance as backbones: maps of a cell of 8, 16 and 32 pixels."""

from __future__ import annotations

from torch import Tensor, nn

from reid_ros.config import nearest
from reid_ros.train.nets import mobile, resnet, weights
from reid_ros.train.nets.encoders import encoder
from reid_ros.train.nets.mobile import MobileSmall
from reid_ros.train.nets.resnet import ResNet
from reid_ros.train.search.configs import SearchNetConfig
from reid_ros.train.settings import NetConfig
from reid_ros.types import ReidError

STRIDES = (8, 16, 32)


class Backbone(nn.Module):
    """An encoder without its mean over the map.

    Attributes:
        low: pixels to cells of 8 pixels.
        middle: from there to cells of 16 pixels, block by block.
        high: from there to cells of 32 pixels, block by block.
        widths: channels of the three maps.
    """

    def __init__(self, settings: SearchNetConfig, size: tuple[int, int], pretrained: bool) -> None:
        """Of a recipe.

        Args:
            settings: which.
            size: height and width of the pictures, pixels.
            pretrained: whether to load the weights that the recipe names; else they are random.

        Raises:
            ReidError: no such encoder, one without maps, or weights that cannot be had.
        """
        super().__init__()
        names = *mobile.NETWORKS, *resnet.NETWORKS
        if settings.encoder not in names:
            near = nearest(settings.encoder, list(names))
            raise ReidError(f'net.encoder: {settings.encoder!r} is no backbone: {near}')
        own = NetConfig(encoder=settings.encoder, weights=settings.weights, stride=32)
        found = encoder(own, size)
        if pretrained:
            weights.load(found, own)
        if isinstance(found, MobileSmall):
            stem: list[nn.Module] = [found.conv_stem, found.bn1, found.act]
            first, second, middle, high, _ = (list(stage.children()) for stage in found.blocks)
            self.widths = found.widths[1], found.widths[2], found.widths[3]
        elif not isinstance(found, ResNet):
            raise ReidError(f'net.encoder: {settings.encoder} gives no maps')
        else:
            stem = [found.conv1, found.bn1, nn.ReLU(), found.maxpool]
            stages = (found.layer1, found.layer2, found.layer3, found.layer4)
            first, second, middle, high = (list(stage.children()) for stage in stages)
            self.widths = (found.width // 4, found.width // 2, found.width)
        self.low = nn.Sequential(*stem, *first, *second)
        self.middle, self.high = nn.Sequential(*middle), nn.Sequential(*high)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 3, h, w) normalised -> maps of cells of 8, 16 and 32 pixels."""
        low = self.low(pixels)
        middle = self.middle(low)
        return low, middle, self.high(middle)
