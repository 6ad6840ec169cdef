"""Silhouettes of a walk in, one vector of the body's parts out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.gait.configs import GaitNetConfig
from reid_ros.train.gait.nets.convolutions import Base, DeepP3D, Mobile
from reid_ros.train.gait.nets.parts import (
    Cosines,
    Encoder,
    Framewise,
    Neck,
    SeparateLinear,
    Strips,
)
from reid_ros.train.gait.nets.transformer import PartTransformer
from reid_ros.types import ReidError

SIZE = (64, 44)
"""Rows and columns of a silhouette."""
STAGES = 4
ENCODERS: dict[str, Callable[[GaitNetConfig], Encoder]] = {
    'base': Base,
    'p3d': DeepP3D,
    'transformer': PartTransformer,
    'mobile': Mobile,
}


@dataclass(frozen=True, slots=True)
class GaitAnswer:
    """What a network says of n walks.

    Attributes:
        embedding: (n, d, p) of p parts, before the neck; what triplets and teachers shape.
        logits: (n, people, p) cosines of the classifier, -1 to 1.
        maps: (n, c, h, w) the maximum over time of what the encoder sees.
    """

    embedding: Tensor
    logits: Tensor
    maps: Tensor


class GaitNetwork(nn.Module):
    """The whole network of a recipe.

    Attributes:
        settings: what it was made of.
        encoder: (n, t, h, w) -> (n, t, c, *grid).
        strips: (n, c, h, w) -> (n, c, p).
        embed: a linear layer per part, (n, c, p) -> (n, d, p).
        neck: batch normalisation over all parts.
        classifier: of the training people, by angle; for training alone.
    """

    def __init__(self, settings: GaitNetConfig, people: int) -> None:
        """Make it, with random weights.

        Args:
            settings: which.
            people: to tell apart in training.

        Raises:
            ReidError: depths or parts that the encoder cannot have.
        """
        super().__init__()
        if len(settings.depths) != STAGES or min(settings.depths) < 1:
            raise ReidError(f'net.depths: {list(settings.depths)} must be {STAGES} numbers from 1')
        self.settings = settings
        self.encoder = ENCODERS[settings.encoder](settings)
        self.strips = Strips(settings.parts, self.encoder.grid)
        self.embed = SeparateLinear(settings.parts, self.encoder.width, settings.embed)
        self.neck = Neck(settings.parts, settings.embed)
        self.classifier = Cosines(settings.parts, settings.embed, people)

    @property
    def width(self) -> int:
        """Length of the vector of a part."""
        return self.settings.embed

    @property
    def parts(self) -> int:
        """How many there are."""
        return self.settings.parts

    @property
    def length(self) -> int:
        """Of the whole vector."""
        return self.width * self.parts

    @property
    def people(self) -> int:
        """How many the classifier tells apart."""
        return self.classifier.people

    @property
    def framewise(self) -> bool:
        """Whether a frame's features depend on that frame alone."""
        return isinstance(self.encoder, Framewise)

    def frames(self, masks: Tensor) -> Tensor:
        """(m, 64, 44) uint8 silhouettes -> (m, c, h, w) features, each of its frame alone.

        Raises:
            ReidError: the encoder looks at neighbouring frames, too.
        """
        if not isinstance(self.encoder, Framewise):
            raise ReidError(
                f'{self.settings.encoder} looks at whole walks, so frames have no features of '
                "their own: take 'base' or 'mobile'"
            )
        return self.encoder.frames(shares(masks))

    def head(self, features: Tensor) -> Tensor:
        """(n, c, h, w) maximum over the frames of a walk -> (n, p d) vectors of unit length."""
        return self.vector(self.embed(self.strips(features)))

    def vector(self, embedding: Tensor) -> Tensor:
        """(n, d, p) -> (n, p d), part after part: each of one length, the whole of length 1.

        The cosine of two is the mean of those of their parts, after the neck as it stands. GaitKD
        compares embeddings before it, by distance. Their angles say nothing: all walks share one
        direction (a student of 800 steps: one person 1.9 degrees, strangers 3.0; after the neck
        58 and 83, at the same rank-1).
        """
        scale, shift = self.neck.affine()
        parts = functional.normalize(embedding.float() * scale + shift, dim=1).transpose(1, 2)
        return functional.normalize(parts.flatten(1))

    def forward(self, walks: Tensor) -> GaitAnswer:
        """(n, t, 64, 44) uint8 -> embedding, logits and maps of each walk."""
        maps = self.encoder(shares(walks)).amax(1)
        embedding = self.embed(self.strips(maps))
        return GaitAnswer(embedding, self.classifier(self.neck(embedding)), maps)


def shares(masks: Tensor) -> Tensor:
    """Silhouettes 0 to 255 as float32 from 0 to 1."""
    return masks.to(torch.float32) * (1.0 / 255.0)
