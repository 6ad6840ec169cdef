"""Clips in, one vector each out: pixels, encoder, time, neck, classifier."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reid_ros.train.nets.encoders import encoder
from reid_ros.train.nets.parts import MEAN, STD
from reid_ros.train.settings import NetConfig

ATTENTION = 64
"""Hidden units of the temporal attention."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a network says of n clips.

    Attributes:
        embedding: (n, d) before the neck; distances between them are learnt.
        vector: (n, d) after it, not yet of unit length; what is exported and compared.
        logits: (n, people) of the classifier.
    """

    embedding: Tensor
    vector: Tensor
    logits: Tensor


class Pixels(nn.Module):
    """Pixels as a camera gives them to what an encoder sees; part of the exported graph."""

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        """ImageNet's mean and deviation, so that its weights fit."""
        super().__init__()
        self.register_buffer('scale', 1.0 / torch.tensor(STD).view(3, 1, 1), persistent=False)
        mean = torch.tensor(MEAN).view(3, 1, 1)
        self.register_buffer('shift', -mean / torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(n, h, w, 3) uint8 BGR -> (n, 3, h, w) float32 RGB, normalised, channels last."""
        planes = images.permute(0, 3, 1, 2).flip(1).to(torch.float32)
        return planes * self.scale + self.shift


class Mean(nn.Module):
    """The mean over a clip's frames."""

    def forward(self, features: Tensor) -> Tensor:
        """(n, t, d) -> (n, d)."""
        return features.mean(1)


class Attention(nn.Module):
    """A mean over a clip's frames, each weighted by what its own feature says of it.

    The score of a frame does not depend on the others, so a frame network can hand it out.
    """

    def __init__(self, width: int) -> None:
        """For features of this length; begins as the plain mean."""
        super().__init__()
        self.hidden = nn.Linear(width, ATTENTION)
        self.score = nn.Linear(ATTENTION, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(n, t, d) -> (n, d)."""
        weights = torch.softmax(self.score(torch.tanh(self.hidden(features))), 1)
        return (weights * features).sum(1)


class Network(nn.Module):
    """The whole network of a recipe.

    Attributes:
        settings: what it was made of.
        encoder: (m, 3, h, w) -> (m, width) of frames.
        embed: to the vector's length, or nothing.
        time: (n, t, d) -> (n, d).
        neck: batch normalisation without a shift (Luo et al., Bag of Tricks, CVPRW 2019).
        classifier: of the training people, without a bias.
    """

    def __init__(self, settings: NetConfig, people: int, size: tuple[int, int]) -> None:
        """Make it, with random weights.

        Args:
            settings: which.
            people: to tell apart in training.
            size: height and width of the crops, pixels.
        """
        super().__init__()
        self.settings, self.size = settings, size
        self.pixels = Pixels()
        self.encoder = encoder(settings, size)
        width = settings.embed or self.encoder.width
        self.embed = nn.Linear(self.encoder.width, width) if settings.embed else nn.Identity()
        self.time = Attention(width) if settings.temporal == 'attention' else Mean()
        self.neck = nn.BatchNorm1d(width)
        self.neck.bias.requires_grad_(False)
        self.classifier = nn.Linear(width, people, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    @property
    def width(self) -> int:
        """Length of the vector."""
        return int(self.neck.num_features)

    def features(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(m, h, w, 3) uint8 BGR frames -> (m, d).

        Args:
            images: the frames.
            cameras: (m,) numbers of their cameras, for encoders that look at them.
        """
        pixels = self.pixels(images)
        found: Tensor = self.embed(
            self.encoder(pixels, cameras) if self.encoder.sided else self.encoder(pixels)
        )
        return found

    def forward(self, clips: Tensor, cameras: Tensor | None = None) -> Answer:
        """(n, t, h, w, 3) uint8 BGR -> embedding, vector, logits of each clip."""
        n, t = clips.shape[:2]
        if cameras is not None:
            cameras = cameras.repeat_interleave(t)
        features = self.features(clips.flatten(0, 1), cameras)
        embedding = self.time(features.view(n, t, -1))
        vector = self.neck(embedding)
        return Answer(embedding, vector, self.classifier(vector))
