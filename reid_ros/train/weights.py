"""The network that a training begins with."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from reid_ros.train import saved
from reid_ros.train.nets import weights as pretrained
from reid_ros.train.nets.network import Network
from reid_ros.train.settings import Recipe


def started(recipe: Recipe, people: int) -> Network:
    """The recipe's network: with random or pretrained weights, or as another training left it.

    Args:
        recipe: names the network and its start.
        people: to tell apart; a classifier of other people is made anew.

    Raises:
        TrainError: the start is no finished training.
        ReidError: pretrained weights that are missing, or of another network.
    """
    if not recipe.start:
        made = Network(recipe.net, people, (recipe.data.height, recipe.data.width))
        pretrained.load(made.encoder, recipe.net)
        return made
    network = saved.load(Path(recipe.start).expanduser())
    network.classifier = nn.Linear(network.width, people, bias=False)
    nn.init.normal_(network.classifier.weight, std=0.001)
    return network.train()
