"""Networks of timm, the collection of image networks, as encoders."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from reid_ros.config import nearest
from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.parts import Inputs
from reid_ros.train.settings import NetConfig
from reid_ros.types import ReidError

PREFIX = 'timm:'
SCHEMAS = (
    'nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
    'qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
)
"""What torchvision describes to torch at import, and only its compiled part declares."""
_declared: list[torch.library.Library] = []


def timm() -> ModuleType:
    """The package, imported when it is first needed.

    It imports torchvision, whose compiled part fits one build of torch only; beside another (a
    torch for the CPU, say) that import ends with 'operator torchvision::nms does not exist'. None
    of its operators is needed here, so then they are declared without being there, and the import
    is repeated.

    Raises:
        ReidError: not installed.
    """
    try:
        return importlib.import_module('timm')
    except ImportError as error:
        raise ReidError(f"{error}: 'pip install timm', or choose another net.encoder") from error
    except RuntimeError as error:
        if 'torchvision::' not in str(error) or _declared:
            raise
    for name in [*sys.modules]:
        if name.split('.')[0] in ('timm', 'torchvision'):
            del sys.modules[name]
    library = torch.library.Library('torchvision', 'FRAGMENT')  # type: ignore[no-untyped-call]
    for schema in SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    _declared.append(library)  # what it defines is gone when it is
    return importlib.import_module('timm')


class Public(Encoder):
    """Any image network of timm without its classifier.

    Attributes:
        name: in timm.
        how: what else it was made with.
    """

    def __init__(self, settings: NetConfig, size: tuple[int, int]) -> None:
        """Make it with random weights, for crops of this height and width.

        The stride is set where the network lets it be set; then its last stages are dilated.

        Raises:
            ReidError: timm is missing or has no such network, or the settings do not fit it.
        """
        super().__init__()
        self.name = settings.encoder[len(PREFIX) :]
        library = timm()
        if not library.is_model(self.name):
            raise ReidError(
                f'net.encoder: timm has no {self.name!r}; '
                f'{nearest(self.name.split(".")[0], library.list_models())}'
            )
        described = library.get_pretrained_cfg(self.name)
        self.how = arguments(library, self.name, settings, size)
        self.inputs = Inputs(described.mean, described.std)
        self.net = library.create_model(self.name, **self.how)
        was = self.net.training
        with torch.no_grad():
            self.width = int(self.net.eval()(torch.zeros(1, 3, *size)).shape[1])
        self.net.train(was)

    def forward(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(n, 3, h, w) -> (n, width)."""
        found: Tensor = self.net(self.inputs(images))
        return found


def arguments(
    library: ModuleType, name: str, settings: NetConfig, size: tuple[int, int]
) -> dict[str, Any]:
    """What to make a network of timm with.

    Raises:
        ReidError: it has no stochastic depth, but settings ask for it.
    """
    how: dict[str, Any] = {'num_classes': 0}
    if library.get_pretrained_cfg(name).fixed_input_size:
        how['img_size'] = size
    elif settings.stride < 32 and _takes(library, name, how | {'output_stride': settings.stride}):
        how['output_stride'] = settings.stride
    if settings.drop:
        how['drop_path_rate'] = settings.drop
        if not _takes(library, name, how):
            raise ReidError(f'net.drop: {name} has no stochastic depth; set it to 0')
    return how


def _takes(library: ModuleType, name: str, how: dict[str, Any]) -> bool:
    """Whether a network can be made so, tried without memory for its weights."""
    try:
        with torch.device('meta'):
            library.create_model(name, **how)
    except (TypeError, AssertionError, NotImplementedError, KeyError):
        return False
    return True
