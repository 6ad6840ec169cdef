import sys

import gpu_stand_in
import pytest

from reid_ros.engine.cuda import Cuda


@pytest.fixture
def machine(monkeypatch, request):
    """A GPU and TensorRT 10.3 (or the version of a parameter) that stand in for real ones."""
    library = gpu_stand_in.Library()
    trt = gpu_stand_in.tensorrt(library, getattr(request, 'param', '10.3.0'))
    monkeypatch.setitem(sys.modules, 'tensorrt', trt)
    monkeypatch.setattr(Cuda, 'open', staticmethod(lambda: Cuda(library)))
    trt.library = library
    return trt
