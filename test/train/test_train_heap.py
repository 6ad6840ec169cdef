"""Training keeps the memory of its maps."""

import platform
import resource

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.train import heap  # noqa: E402


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='only glibc can be asked')
def test_maps_that_are_made_anew_need_no_new_pages():
    assert heap.keep()

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            [torch.zeros(1 << 24) for _ in range(4)]  # 64 MB each, 16,384 pages
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    assert faults() < 1000
