"""How well people are found and kept apart: HOTA, IDF1 and CLEAR at once."""

from __future__ import annotations

from dataclasses import dataclass

from reid_ros.evaluate.clear import Clear, clear
from reid_ros.evaluate.hota import Hota, hota
from reid_ros.evaluate.idf1 import Identity, idf1
from reid_ros.evaluate.overlaps import Overlaps, overlaps
from reid_ros.evaluate.values import Boxes, EvaluateError


@dataclass(frozen=True, slots=True)
class Tracking:
    """The scores of one run, over all its cameras.

    Attributes:
        seen: what was compared.
        hota, identity, clear: the three families.
    """

    seen: Overlaps
    hota: Hota
    identity: Identity
    clear: Clear

    def as_json(self) -> dict[str, float]:
        """Names of the papers; shares in percent, as tables of results show them."""
        h, c, identity = self.hota, self.clear, self.identity
        shares = {
            'HOTA': h.hota.mean(), 'DetA': h.det_a.mean(), 'AssA': h.ass_a.mean(),
            'LocA': h.loc_a.mean(), 'DetRe': h.det_re.mean(), 'DetPr': h.det_pr.mean(),
            'AssRe': h.ass_re.mean(), 'AssPr': h.ass_pr.mean(), 'IDF1': identity.idf1,
            'IDP': identity.idp, 'IDR': identity.idr, 'MOTA': c.mota, 'MOTP': c.motp,
        }  # fmt: skip
        counts = {
            'TP': c.tp, 'FP': c.fp, 'FN': c.fn, 'IDSW': c.idsw, 'Frag': c.frag, 'MT': c.mt,
            'PT': c.pt, 'ML': c.ml, 'IDTP': identity.idtp, 'IDFP': identity.idfp,
            'IDFN': identity.idfn,
        }  # fmt: skip
        return {name: 100.0 * float(share) for name, share in shares.items()} | counts


def tracking(truth: Boxes, results: Boxes, iou: float = 0.5) -> Tracking:
    """Score results against truth; numbers are those of people over all cameras.

    Every camera and frame is a step of its own. HOTA and IDF1 look at all steps together; CLEAR,
    for which the order counts, at each camera, and its counts are added.

    Args:
        iou: overlap from which on IDF1 and CLEAR call a box found; HOTA takes 0.05 to 0.95.

    Raises:
        EvaluateError: `iou` is no overlap, or one person twice in one image of the truth.
    """
    if not 0.0 < iou <= 1.0:
        raise EvaluateError(f'an overlap of {iou:g}: give one above 0 and at most 1')
    seen = overlaps(truth, results, iou)
    return Tracking(seen, hota(seen), idf1(seen, iou), clear(seen, iou))
