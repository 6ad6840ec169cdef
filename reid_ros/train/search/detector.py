"""What a student learns of a detector, at levels that can be switched one by one.

Chen et al., Learning Efficient Object Detection Models with Knowledge Distillation, NIPS 2017,
eq. 2 to 7.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.optimiser import Precision, placed
from reid_ros.train.search import saved
from reid_ros.train.search.configs import DENSE, SearchDistilConfig
from reid_ros.train.search.nets.searcher import Searcher
from reid_ros.train.search.settings import SearchRecipe
from reid_ros.train.task import Place
from reid_ros.train.teacher import TeacherError


class Teacher:
    """A finished network in eval mode that looks at the student's pictures; nothing of it learns.

    Attributes:
        network: on the student's device.
        calls: how often it has run.
    """

    def __init__(self, recipe: SearchRecipe, student: Searcher, place: Place) -> None:
        """Load it for a student.

        Args:
            recipe: of the student; `distil.teacher` is the folder.
            student: must ask the same cells or anchors, for the teacher answers for them.
            place: where both run.

        Raises:
            TrainError: no finished training there.
            TeacherError: it has other cells or anchors.
        """
        folder = Path(recipe.distil.teacher).expanduser()
        network = saved.load(folder).requires_grad_(False)
        alike = (
            ('head', 'strides') if student.settings.head == DENSE else ('head', 'sizes', 'ratios')
        )
        for name in alike:
            theirs, own = getattr(network.settings, name), getattr(student.settings, name)
            if theirs != own:
                raise TeacherError(
                    f'distil.teacher: {folder} has net.{name} {theirs}, the student {own}; a '
                    'teacher answers for the proposals or cells of its student: make both alike'
                )
        if network.size != student.size:
            raise TeacherError(
                f'distil.teacher: {folder} learnt from pictures of {network.size} (height, '
                f'width), the student of {student.size}: make both alike'
            )
        self.network = placed(network, place.device)
        self.precision = Precision(recipe.run, place.device)
        self.calls = 0


class Adapters(nn.Module):
    """From the student's maps to what the teacher's show; kept even where the widths agree."""

    def __init__(self, student: Searcher, teacher: Searcher) -> None:
        """One 1 x 1 convolution of each map."""
        super().__init__()
        pairs = zip(student.hinted(), teacher.hinted())
        self.each = nn.ModuleList(nn.Conv2d(own, theirs, 1) for own, theirs in pairs)

    def forward(self, student: tuple[Tensor, ...], teacher: tuple[Tensor, ...]) -> Tensor:
        """Mean squared difference over all maps."""
        terms = [
            functional.mse_loss(adapt(own.float()), theirs.float())
            for adapt, own, theirs in zip(self.each, student, teacher)
        ]
        return torch.stack(terms).mean()


def soft_sigmoid(student: Tensor, teacher: Tensor, wanted: SearchDistilConfig) -> Tensor:
    """(...) weighted cross-entropy of logits of 'somebody' with the teacher's probabilities."""
    likely = torch.sigmoid(teacher)
    there = wanted.foreground * likely * functional.logsigmoid(student)
    nobody = wanted.background * (1 - likely) * functional.logsigmoid(-student)
    return -(there + nobody)


def soft_classes(student: Tensor, teacher: Tensor, wanted: SearchDistilConfig) -> Tensor:
    """(...) the same of (..., 2) logits of nobody and of a person."""
    weights = student.new_tensor([wanted.background, wanted.foreground])
    return -(weights * teacher.softmax(-1) * student.log_softmax(-1)).sum(-1)


def bounded(student: Tensor, teacher: Tensor, true: Tensor, margin: float) -> Tensor:
    """Mean squared distance of those that are not nearer to the truth than the teacher is.

    Args:
        student, teacher, true: (n, 4) of boxes, in any units.
        margin: by which a student must be nearer to be left alone.
    """
    own = (student - true).square().sum(-1)
    theirs = (teacher - true).square().sum(-1)
    return torch.where(own + margin > theirs, own, 0.0).sum() / max(len(own), 1)
