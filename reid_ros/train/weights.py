"""The network that a training begins with."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from reid_ros.train import saved
from reid_ros.train.checkpoint import TrainError
from reid_ros.train.nets import weights as pretrained
from reid_ros.train.nets.network import Attention, Mean, Network
from reid_ros.train.settings import Recipe


def started(recipe: Recipe, people: int) -> Network:
    """The recipe's network: with random or pretrained weights, or as another training left it.

    Over the frames of a clip it pools as the recipe says, whatever the start did: attention begins
    as the mean.

    Args:
        recipe: names the network and its start.
        people: to tell apart; a classifier of other people is made anew.

    Raises:
        TrainError: the start is no finished training, or one of another network.
        ReidError: pretrained weights that are missing, or of another network.
    """
    if not recipe.start:
        made = Network(recipe.net, people, (recipe.data.height, recipe.data.width))
        pretrained.load(made.encoder, recipe.net)
        return made
    network = saved.load(Path(recipe.start).expanduser())
    own = network.settings
    for name in ('encoder', 'embed', 'stride'):
        if getattr(own, name) != getattr(recipe.net, name):
            raise TrainError(
                f'net.{name}: {getattr(recipe.net, name)}, but {recipe.start} (start) has '
                f'{getattr(own, name)}: say the same, or begin without a start'
            )
    if own.temporal != recipe.net.temporal:
        attends = recipe.net.temporal == 'attention'
        network.time = Attention(network.width) if attends else Mean()
        network.settings = recipe.net
    network.classifier = nn.Linear(network.width, people, bias=False)
    nn.init.normal_(network.classifier.weight, std=0.001)
    return network.train()
