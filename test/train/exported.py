"""A network that exports in a moment, and people whom even random weights tell apart."""

import numpy as np
import torch
from torch import nn

from reid_ros.evaluate.retrieval import Protocol
from reid_ros.train.clips import Trial
from reid_ros.train.nets import encoders
from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.network import Network
from reid_ros.train.settings import NetConfig

SIZE = (32, 16)
RULES = Protocol('toy')


class Tiny(Encoder):
    """Two convolutions, a residual block and a mean over the map."""

    def __init__(self, settings=None, size=SIZE, kernel=3, stride=2, padding=1):
        super().__init__()
        self.width = 96
        self.first = nn.Conv2d(3, 64, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(64)
        self.inner = nn.Conv2d(64, 64, 3, 1, 1, bias=False)
        self.inner_norm = nn.BatchNorm2d(64)
        self.last = nn.Conv2d(64, 96, 3, 2, 1)

    def forward(self, images, cameras=None):
        """(n, 3, h, w) -> (n, 96)."""
        maps = torch.relu(self.norm(self.first(images)))
        maps = torch.relu(maps + self.inner_norm(self.inner(maps)))
        return torch.relu(self.last(maps)).mean((2, 3))


def lived(network):
    """The network with normalisation as after training, so that nothing of it is a no-op."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            if module.bias.requires_grad:
                nn.init.normal_(module.bias, std=0.2)
    for layer in getattr(network.time, 'score', None), getattr(network.time, 'hidden', None):
        if layer is not None:
            nn.init.normal_(layer.weight)
    return network


def network(name='tiny', size=SIZE, people=5, seed=0, **settings):
    """A network with random weights; 'tiny' is ours."""
    torch.manual_seed(seed)
    before = dict(encoders.ENCODERS)
    encoders.ENCODERS['tiny'] = Tiny
    try:
        return lived(Network(NetConfig(encoder=name, **{'embed': 48, **settings}), people, size))
    finally:
        encoders.ENCODERS.clear()
        encoders.ENCODERS.update(before)


def thinned(network):
    """The network with one of each run of equal blocks: the same operators, traced much faster."""
    for parent in list(network.encoder.modules()):
        if isinstance(parent, (nn.Sequential, nn.ModuleList)):
            names, seen = [], set()
            for name, child in parent.named_children():
                if isinstance(child, nn.Module) and len(list(child.modules())) > 4:
                    if str(child) in seen:
                        names.append(name)
                    seen.add(str(child))
            for name in reversed(names):
                del parent[list(parent._modules).index(name)]
    return network


class Coloured:
    """People in clothes of two colours, before cameras of different light.

    Attributes:
        people, cameras, lengths: (n,) int64.
        quality: (n, t) of the crops.
    """

    def __init__(self, people=12, cameras=3, walks=1, frames=4, size=SIZE, seed=0, light=0.04):
        draw = np.random.default_rng(seed)
        clothes = draw.integers(30, 220, (people, 2, 3))
        lamps = draw.uniform(1 - light, 1 + light, (cameras, 1, 1, 3))
        rows = [(p, c) for p in range(people) for c in range(cameras) for _ in range(walks)]
        self.people = np.array([p for p, _ in rows])
        self.cameras = np.array([c for _, c in rows])
        self.lengths = np.full(len(rows), frames)
        self.quality = draw.uniform(0.2, 1.0, (len(rows), frames))
        height, width = size
        plain = np.repeat(clothes, height // 2, axis=1)[:, :, None]
        pictures = plain[self.people] * lamps[self.cameras]
        noise = draw.normal(0, 12, (len(rows), frames, height, width, 3))
        self._crops = np.clip(pictures[:, None] + noise, 0, 255).astype(np.uint8)

    def frames(self, row, which):
        """(t, h, w, 3) BGR."""
        return self._crops[row][which]


def trial(**how):
    """Everybody is searched among the other cameras."""
    source = Coloured(**how)
    return Trial(source, source, RULES)
