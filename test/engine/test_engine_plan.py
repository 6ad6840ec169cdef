import itertools
import json

import numpy as np
import pytest
from networks import search

from reid_ros.card import Card
from reid_ros.engine import plan, proof
from reid_ros.engine.progress import Phases
from reid_ros.engine.store import Store
from reid_ros.fit import Port

ORIN = plan.Machine('Orin (nvgpu)', '8.7', 8, '10.3.0')


def card(kind='appearance', **output):
    fields = {'height': 32, 'width': 16}
    output = output or {'vector': 8}
    content = {'name': 'toy', 'kind': kind, 'file': 'toy.onnx', 'input': fields, 'output': output}
    return Card.of(content)


def image(batch=None):
    return (Port('image', (batch, 3, 32, 16), 'float32'),)


@pytest.mark.parametrize(
    ('most', 'found'), [(1, (1,)), (2, (1, 2)), (16, (1, 2, 4, 8, 16)), (12, (1, 2, 4, 8, 12))]
)
def test_buckets_are_powers_of_two_and_the_largest(most, found):
    assert plan.buckets(most) == found


@pytest.mark.parametrize('most', [1, 3, 12, 16, 64])
def test_every_batch_falls_into_the_least_bucket_that_holds_it(most):
    found = plan.buckets(most)
    for n in range(1, most + 1):
        size = plan.bucket(n, found)
        assert size >= n
        assert not [other for other in found if n <= other < size]
        assert size < 2 * n or size == 1


@pytest.mark.parametrize(
    ('kind', 'typical', 'most', 'wanted'),
    [
        ('detector', 0, 16, 1), ('detector', 4, 16, 4), ('appearance', 0, 16, 4),
        ('appearance', 0, 2, 2), ('detector', 20, 16, 16), ('gait', 0, 16, 4),
    ],
)  # fmt: skip
def test_an_engine_is_tuned_for_the_typical_batch(kind, typical, most, wanted):
    assert plan.typical_batch(kind, typical, most) == wanted


def test_a_profile_reaches_from_one_image_to_the_most_with_the_typical_between():
    found = plan.profile(image(), card(), 0, 16)
    assert found.shapes == {'image': ((1, 3, 32, 16), (4, 3, 32, 16), (16, 3, 32, 16))}
    assert found.buckets == (1, 2, 4, 8, 16)


def test_a_fixed_batch_is_the_only_size():
    found = plan.profile(image(3), card(), 0, 16)
    assert found.shapes == {'image': ((3, 3, 32, 16),) * 3}
    assert found.buckets == (3,)


def test_the_key_changes_with_everything_that_an_engine_is_bound_to():
    """And with nothing else: the same facts give the same key in every process."""
    profile = plan.profile(image(), card(), 0, 16)
    base = (ORIN, 'a' * 64, profile, 'fp16')
    others = [
        (plan.Machine('Thor', '8.7', 8, '10.3.0'), *base[1:]),
        (plan.Machine('Orin (nvgpu)', '8.6', 8, '10.3.0'), *base[1:]),
        (plan.Machine('Orin (nvgpu)', '8.7', 16, '10.3.0'), *base[1:]),
        (plan.Machine('Orin (nvgpu)', '8.7', 8, '10.16.1.11'), *base[1:]),
        (ORIN, 'b' * 64, *base[2:]),
        (*base[:2], plan.profile(image(), card(), 0, 8), 'fp16'),
        (*base[:2], plan.profile(image(), card(), 2, 16), 'fp16'),
        (*base[:3], 'fp32'),
    ]
    keys = [plan.key(plan.facts(*one)) for one in (base, *others)]
    assert len(set(keys)) == len(keys)
    assert keys[0] == '780c4d7b0838cd823702'


@pytest.mark.parametrize(
    ('free', 'wanted'), [(64 << 30, 1 << 30), (2 << 30, 512 << 20), (4 << 20, 1 << 20)]
)
def test_scratch_is_a_share_of_what_is_free(free, wanted):
    assert plan.workspace(free) == wanted


@pytest.mark.parametrize('version', ['10.3.0', '10.16.1.11', '11.4.0.106', '10.13.3.9.post1'])
def test_known_versions_pass(version):
    assert plan.version_problem(version) == ''


@pytest.mark.parametrize('version', ['8.6.1', '10.2.0', '12.0.0', 'unknown'])
def test_other_versions_are_refused_in_words(version):
    assert version in plan.version_problem(version)


# Progress ---------------------------------------------------------------------------------------


def test_progress_follows_nested_phases_and_never_runs_back():
    told = []
    phases = Phases(lambda share, what: told.append(share))
    phases.start('build', None, 4)
    for k in range(4):
        phases.start('tactics', 'build', 10)
        for step in range(10):
            phases.step('tactics', step)
        phases.finish('tactics')
        phases.step('build', k)
        assert told[-1] == pytest.approx(0.9 * (k + 1) / 4)
    phases.finish('build')
    phases.start('another', None, 1)
    phases.finish('another')
    assert told == sorted(told)
    assert told[-1] == pytest.approx(0.95)


def test_progress_survives_what_tensorrt_should_not_say():
    phases = Phases(None)
    phases.step('never begun', 3)
    phases.finish('never begun')
    phases.start('self', 'self', 0)
    phases.step('self', 99)
    assert 0 <= phases.share() <= 1
    phases.finish('self')


# Proof ------------------------------------------------------------------------------------------


def told(right, found, kind='half', **output):
    names = [str(k) for k in range(len(right))]
    made = card('detector', **output) if output else card()
    return proof.differences(names, right, found, made, kind)


def answers(seed, *shape, offset=0.0):
    return np.random.default_rng(seed).normal(offset, 1, shape).astype(np.float32)


def test_rounding_passes_and_another_answer_does_not():
    right = answers(0, 4, 64)
    assert told([right], [right.astype(np.float16).astype(np.float32)])[0].passes
    assert not told([right], [answers(1, 4, 64)])[0].passes
    assert not told([right], [right * 1.1])[0].passes
    assert not told([right], [right[::-1]])[0].passes
    assert not told([right], [right[:, :32]])[0].passes


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_value_that_is_no_number_never_passes(bad):
    right = answers(0, 4, 64)
    found = right.copy()
    found[2, 3] = bad
    assert not told([right], [found], 'int8')[0].passes


def test_a_large_constant_part_does_not_hide_a_wrong_rest():
    """As of boxes in pixels, where what changes is small beside where the cells are."""
    right = answers(0, 8, 32) + 6.0
    found = np.broadcast_to(right.mean(axis=0), right.shape)
    assert proof._relative(right, found) < proof.LIMITS['int8'] * 1.2
    assert not told([right], [found])[0].passes


def test_zeros_are_right_only_where_zeros_are_asked_for():
    zeros = np.zeros((2, 5), np.float32)
    assert told([zeros], [zeros])[0].passes
    assert not told([zeros], [zeros + 0.1])[0].passes


def test_ties_that_change_places_pass_where_an_output_is_sorted_by_score():
    output = {'decoder': 'yolo_nms', 'classes': 3}
    right = answers(0, 1, 20, 6)
    right[..., 4] = np.linspace(0.9, 0.1, 20)
    swapped = right[:, np.r_[1, 0, 2:20]]
    assert told([right], [swapped], **output)[0].passes
    lower = right.copy()
    lower[..., 4] *= 0.5
    assert not told([right], [lower], **output)[0].passes


def test_people_in_another_order_pass_with_their_own_vectors_only():
    """A search network sorts by score: near ties change places, boxes and vectors with them."""
    draw = np.random.default_rng(2)
    corner = draw.uniform(0, 300, (2, 40, 2))
    boxes = np.concatenate([corner, corner + np.array([20, 60])], axis=2).astype(np.float32)
    scores = np.tile(np.linspace(0.9, 0.1, 40), (2, 1)).astype(np.float32)
    right = [boxes, scores, answers(3, 2, 40, 16)]
    made = Card.of(search(output={'vector': 16}))

    def passes(*found):
        return [d.passes for d in proof.differences('bsv', right, found, made, 'half')]

    order = np.r_[1, 0, 3, 2, 4:40]
    swapped = [part[:, order] for part in right]
    assert passes(*swapped) == [True, True]
    assert passes(swapped[0] + 0.5, swapped[1], swapped[2] * 1.01) == [True, True]
    assert passes(boxes, scores, right[2][:, order]) == [True, False], "others' vectors"
    assert passes(boxes + 30, scores, right[2]) == [True, False], 'other boxes'
    assert passes(boxes, scores * 0.5, right[2]) == [False, True]


# What TensorRT 8.6, 10 and 11 said of real engines, cut to one layer each: NVIDIA/TensorRT#4020
# and #3737, and the migration guide from 10 to 11 (IEngineInspector).
RESNET = {
    'Name': 'conv0 + relu0 + pool0', 'LayerType': 'CaskConvActPool',
    'Inputs': [{'Name': 'x', 'Location': 'Device', 'Dimensions': [1, 3, 224, 224],
                'Format/Datatype': 'Row major Int8 format'}],
}  # fmt: skip
YOLO = {
    'Name': '/model.22/cv2.1/conv/Conv', 'LayerType': 'CaskConvolution',
    'Inputs': [{'Name': 'y', 'Format/Datatype':
                'Thirty-two wide channel vectorized row major Int8 format'}],
    'Weights': {'Type': 'Int8', 'Count': 165888}, 'TacticName': 'sm80_xmma_fprop_implicit_gemm',
}  # fmt: skip
POOL = {
    'Name': 'GlobalAveragePool_5', 'LayerType': 'CaskPooling',
    'Inputs': [{'Format/Datatype': 'Channel major FP16 format where channel % 8 == 0'}],
}  # fmt: skip
HALVES = [
    {'LayerType': 'gemm', 'Inputs': [{'Format/Datatype': 'Half'}]},
    {'LayerType': 'CaskConvolution', 'Inputs': [{'Format/Datatype':
        'Channel major FP16 format where channel % 8 == 0'}]},
    {'LayerType': 'correlation', 'Inputs': [
        {'Format': 'Row major linear FP16 format (kLINEAR)', 'DataType': 'Half'}]},
]  # fmt: skip
REFORMAT = {'Name': 'Reformatting CopyNode', 'LayerType': 'Reformat',
            'Inputs': [{'Format/Datatype': 'Row major linear FP32'}]}  # fmt: skip


def counted(*rows):
    return proof.layers(json.dumps({'Layers': rows}))


def test_layers_of_every_version_are_read():
    assert counted(RESNET, YOLO) == {'int8': 2}
    assert counted(*HALVES) == {'half': 3}
    assert counted(POOL, REFORMAT) == {'other': 2}
    assert counted({'LayerType': 'CaskConvolution', 'Inputs': [{'Format/Datatype': 'Float'}]}) == {
        'float': 1
    }


@pytest.mark.parametrize('text', ['', 'null', '[]', '{"Layers": [', '{"Layers": ["a", "b"]}'])
def test_what_the_inspector_does_not_tell_proves_nothing(text):
    assert proof.audit(proof.layers(text), 'half') == ''


def test_an_engine_must_be_mostly_in_the_precision_of_its_graph():
    assert proof.audit({'half': 8, 'float': 2, 'other': 50}, 'half') == ''
    assert 'only 7 compute in half (7 half, 3 float)' in proof.audit(
        {'half': 7, 'float': 3}, 'half'
    )
    assert proof.audit({'half': 10}, 'float')
    assert proof.audit({'int8': 9, 'float': 1}, 'int8') == ''


# Store ------------------------------------------------------------------------------------------


def test_an_engine_is_found_by_its_key_alone(tmp_path):
    store = Store(tmp_path / 'deep' / 'engines')
    assert store.find('toy', 'k1') is None
    store.keep('toy', 'k1', b'plan', {'model': 'm1', 'kind': 'half'})
    kept = store.find('toy', 'k1')
    assert (kept.plan, kept.facts['kind']) == (b'plan', 'half')
    assert store.find('toy', 'k2') is None
    assert store.any_of('toy', 'm1')
    assert not store.any_of('toy', 'm2')
    assert not store.any_of('to', 'm1')
    store.drop('toy', 'k1')
    store.drop('toy', 'k1')
    assert store.find('toy', 'k1') is None
    assert not store.any_of('toy', 'm1')


def test_a_build_that_was_cut_off_leaves_nothing_that_is_found(tmp_path):
    """Facts are written last, so an engine without them is unfinished."""
    store = Store(tmp_path)
    store.path('toy', 'k').write_bytes(b'plan')
    assert store.find('toy', 'k') is None
    store.keep('toy', 'k', b'plan', {})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ['toy-k.engine', 'toy-k.json']


def test_timings_belong_to_a_machine(tmp_path):
    store = Store(tmp_path / 'new')
    assert store.timings('orin') == b''
    store.keep_timings('orin', b'123')
    assert (store.timings('orin'), store.timings('thor')) == (b'123', b'')


def test_buckets_never_waste_more_than_half():
    for n, most in itertools.product(range(1, 33), (16, 32)):
        if n <= most:
            assert plan.bucket(n, plan.buckets(most)) <= max(1, 2 * n - 1)
