"""What teachers add to a student's loss, that it arrives, and that nothing of it stays."""

import copy

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.train.checkpoint import TrainError  # noqa: E402
from reid_ros.train.gait import alignment, losses  # noqa: E402
from reid_ros.train.gait.configs import GaitDistilConfig, GaitNetConfig  # noqa: E402
from reid_ros.train.gait.distillation import GaitDistillation  # noqa: E402
from reid_ros.train.gait.nets.cost import flops, parameters  # noqa: E402
from reid_ros.train.gait.nets.network import GaitAnswer, GaitNetwork  # noqa: E402
from reid_ros.world.seeds import generator  # noqa: E402

torch.set_num_threads(1)

LABELS = torch.tensor([0, 0, 1, 2])
SCALE = 16.0
ONLY = {'decision': 0.0, 'boundary': 0.0}


def network(encoder='base', people=3, seed=0, **settings):
    settings = {'width': 4, 'parts': 4, 'embed': 6, **settings}
    if settings['parts'] % 2:  # of 15 rows
        encoder, settings['width'] = 'transformer', 8
    torch.manual_seed(seed)
    return GaitNetwork(GaitNetConfig(encoder=encoder, **settings), people)


def walks():
    drawn = generator('train', 'gait distillation').integers(0, 256, (4, 2, 64, 44))
    return torch.from_numpy(drawn.astype('uint8'))


def answer(parts=4, embed=6, label='student', scale=1.0):
    def values(*shape):
        drawn = generator('train', 'gait told', label, *shape).normal(0, scale, shape)
        return torch.tensor(drawn, dtype=torch.float32)

    return GaitAnswer(values(4, embed, parts), values(4, 3, parts).tanh(), values(4, 8, 5, 3))


def taught(told, own=None, teachers=None, student=None, labels=LABELS, **config):
    student = student or network()
    teachers = teachers or [
        network(parts=one.embedding.shape[2], embed=one.embedding.shape[1], seed=k + 1)
        for k, one in enumerate(told)
    ]
    terms = GaitDistillation(GaitDistilConfig(**config), student, teachers, SCALE)
    return terms(own or answer(), told, labels)


TEACHERS = {
    'equal parts': {},
    'fewer parts': {'parts': 2},
    '15 parts of a transformer': {'parts': 15},
    'wider parts': {'embed': 9},
}


@pytest.mark.parametrize('align', ['overlap', 'first'])
@pytest.mark.parametrize('teacher', TEACHERS)
@pytest.mark.parametrize(
    'term', ['decision', 'boundary', 'logit', 'decoupled', 'feature', 'attention']
)
def test_every_term_sends_a_gradient_to_the_student_and_none_to_the_teacher(term, teacher, align):
    """A student whose slices were taken without gradients would learn nothing, and not say so."""
    student, other = network(), network(seed=1, **TEACHERS[teacher])
    config = GaitDistilConfig(**{**ONLY, term: 1.0}, align=align)
    terms = GaitDistillation(config, student, [other], SCALE)
    sequences = walks()
    found = terms(student(sequences), [other(sequences)], LABELS)
    assert list(found.parts) == [term]
    found.total.backward()
    first = student.encoder.stem.conv.weight.grad
    assert first.norm() > 0
    assert torch.isfinite(first).all()
    if term in ('decision', 'logit', 'decoupled'):
        assert student.classifier.directions.weight.grad.norm() > 0
    if term != 'attention':
        assert student.embed.weight.grad.norm() > 0
    assert all(p.grad is None for p in other.parameters())
    for parameter in terms.parameters():
        assert parameter.grad.norm() > 0


def test_the_loss_falls_when_the_student_follows_its_gradient():
    student, other = network(), network(seed=1, embed=9, parts=2)
    terms = GaitDistillation(GaitDistilConfig(), student, [other.eval()], SCALE)
    learnt = [*student.parameters(), *terms.parameters()]
    sequences = walks()
    with torch.no_grad():
        told = [other(sequences)]
    found = []
    for _ in range(12):
        loss = terms(student(sequences), told, LABELS)
        with torch.no_grad():
            for weight, slope in zip(learnt, torch.autograd.grad(loss.total, learnt)):
                weight -= 0.05 * slope
        found.append({name: float(value) for name, value in loss.parts.items()})
    assert found[-1]['decision'] < 0.7 * found[0]['decision']
    assert found[-1]['boundary'] < found[0]['boundary']


def test_distillation_leaves_the_student_as_it_was():
    student = network()
    before = copy.deepcopy(student)
    cost, numbers = flops(student), parameters(student)
    terms = GaitDistillation(
        GaitDistilConfig(project='always', centre='both'), student, [network(embed=9)], SCALE
    )
    sequences = walks()
    terms(student.eval()(sequences), [network(embed=9).eval()(sequences)], LABELS)
    assert list(student.state_dict()) == list(before.state_dict())
    assert (flops(student), parameters(student)) == (cost, numbers)
    with torch.no_grad():
        assert torch.equal(student(sequences).embedding, before.eval()(sequences).embedding)
    own = {id(p) for p in student.parameters()}
    assert not own & {id(p) for p in terms.parameters()}


def test_making_projections_changes_no_random_number_of_the_training():
    torch.manual_seed(5)
    wanted = torch.randn(3)
    student, teacher = network(), network(embed=9)
    torch.manual_seed(5)
    made = GaitDistillation(GaitDistilConfig(), student, [teacher], SCALE)
    assert sum(p.numel() for p in made.parameters()) == 4 * 6 * 9
    assert torch.equal(torch.randn(3), wanted)


@pytest.mark.parametrize(
    ('config', 'embed', 'numbers'),
    [
        ({}, 6, 0),
        ({'project': 'always'}, 6, 4 * 6 * 6),
        ({'boundary': 0.0}, 9, 0),
        ({'boundary': 0.0, 'feature': 1.0}, 9, 4 * 6 * 9),
    ],
)
def test_a_projection_is_there_only_where_it_is_needed(config, embed, numbers):
    made = GaitDistillation(GaitDistilConfig(**config), network(), [network(embed=embed)], SCALE)
    assert sum(p.numel() for p in made.parameters()) == numbers


def test_the_total_is_the_weighted_sum_times_the_dose():
    told = answer(label='teacher')
    found = taught([told], dose=10.0, decision=2.0, boundary=0.5, logit=0.1, feature=3.0)
    assert sorted(found.parts) == ['boundary', 'decision', 'feature', 'logit']
    weights = {'decision': 2.0, 'boundary': 0.5, 'logit': 0.1, 'feature': 3.0}
    wanted = 10 * sum(weights[name] * float(value) for name, value in found.parts.items())
    assert float(found.total) == pytest.approx(wanted, rel=1e-6)


def test_the_paper_s_terms_are_those_of_the_loss_functions():
    own, told = answer(), answer(label='teacher')
    found = taught([told], own)
    wanted = losses.probabilities(told.logits, SCALE, 4.0)
    assert torch.equal(found.parts['decision'], losses.decision(own.logits, wanted, SCALE, 4.0))
    assert torch.equal(found.parts['boundary'], losses.boundary(own.embedding, told.embedding, 1))
    both = found.parts['decision'] + 0.003 * found.parts['boundary']
    assert float(found.total) == pytest.approx(float(both), rel=1e-6)


def test_unequal_parts_are_mixed_by_overlap():
    own, told = answer(), answer(3, label='teacher')
    found = taught([told], own)
    table = alignment.overlap(4, 3)
    shares = alignment.mixed(losses.probabilities(told.logits, SCALE, 4.0), table)
    wanted = losses.decision(own.logits, shares, SCALE, 4.0)
    assert float(found.parts['decision']) == pytest.approx(float(wanted), rel=1e-6)
    sides = alignment.mixed(told.embedding, table)
    assert float(found.parts['boundary']) == pytest.approx(
        float(losses.boundary(own.embedding, sides, 1.0)), rel=1e-6
    )


def test_the_first_parts_are_kept_where_asked():
    own, told = answer(), answer(3, label='teacher')
    found = taught([told], own, align='first')
    wanted = losses.probabilities(told.logits, SCALE, 4.0)
    assert float(found.parts['decision']) == pytest.approx(
        float(losses.decision(own.logits[..., :3], wanted, SCALE, 4.0)), rel=1e-6
    )
    assert float(found.parts['boundary']) == pytest.approx(
        float(losses.boundary(own.embedding[..., :3], told.embedding, 1.0)), rel=1e-6
    )


def test_two_teachers_are_summed_or_share_the_dose():
    one, two = answer(label='one'), answer(3, label='two')
    alone = [float(taught([t]).total) for t in (one, two)]
    assert float(taught([one, two]).total) == pytest.approx(sum(alone), rel=1e-5)
    assert float(taught([one, two], combine='halved').total) == pytest.approx(
        sum(alone) / 2, rel=1e-5
    )


def test_averaged_teachers_speak_with_one_distribution():
    own, one, two = answer(), answer(label='one'), answer(label='two')
    found = taught([one, two], own, combine='averaged')
    shares = [losses.probabilities(t.logits, SCALE, 4.0) for t in (one, two)]
    wanted = losses.decision(own.logits, (shares[0] + shares[1]) / 2, SCALE, 4.0)
    assert float(found.parts['decision']) == pytest.approx(float(wanted), rel=1e-5)
    halves = [float(taught([t], own).parts['boundary']) for t in (one, two)]
    assert float(found.parts['boundary']) == pytest.approx(sum(halves) / 2, rel=1e-5)
    assert float(found.total) == pytest.approx(float(wanted) + 0.003 * sum(halves) / 2, rel=1e-5)


@pytest.mark.parametrize('combine', ['summed', 'halved', 'averaged'])
def test_the_same_teacher_twice_weighs_as_often_as_it_is_summed(combine):
    told = answer(label='one')
    alone, twice = taught([told]), taught([told, told], combine=combine)
    factor = 2 if combine == 'summed' else 1
    assert float(twice.total) == pytest.approx(factor * float(alone.total), rel=1e-5)
    assert float(twice.parts['decision']) == pytest.approx(
        float(alone.parts['decision']), rel=1e-5
    )


@pytest.mark.parametrize('centre', ['none', 'teacher', 'both'])
def test_the_boundary_can_lie_at_the_mean_of_the_neck(centre):
    own, told, student, teacher = answer(), answer(label='teacher'), network(), network(seed=1)
    student.neck.norm.running_mean.normal_(generator=torch.Generator().manual_seed(3))
    teacher.neck.norm.running_mean.normal_(generator=torch.Generator().manual_seed(4))
    found = taught([told], own, [teacher], student, centre=centre)
    wanted = told.embedding - (teacher.neck.mean if centre != 'none' else 0)
    values = own.embedding - (student.neck.mean if centre == 'both' else 0)
    assert float(found.parts['boundary']) == pytest.approx(
        float(losses.boundary(values, wanted, 1.0)), rel=1e-6
    )


def test_it_tells_how_often_a_teacher_is_above_the_boundary():
    student, teacher = network(), network()
    terms = GaitDistillation(GaitDistilConfig(), student, [teacher], SCALE)
    assert terms.positive() == []
    embedding = torch.ones(4, 6, 4)
    embedding[:, :3] = -1.0
    embedding[:2, 5] = -1.0
    told = GaitAnswer(embedding, answer().logits, answer().maps)
    for _ in range(3):
        terms(answer(), [told], LABELS)
    terms.eval()(answer(), [GaitAnswer(-embedding, told.logits, told.maps)], LABELS)
    wanted = {'mean': round(2.5 / 6, 4), 'least': 0.0, 'most': 1.0, 'stuck': round(5 / 6, 4)}
    assert terms.positive() == [wanted]
    again = GaitDistillation(GaitDistilConfig(), student, [teacher], SCALE)
    again.load_state_dict(terms.state_dict())
    assert again.positive() == [wanted]


def test_a_teacher_of_other_people_is_refused():
    with pytest.raises(TrainError, match='tells 5 people apart, the student 3'):
        GaitDistillation(GaitDistilConfig(), network(), [network(people=5)], SCALE)
    with pytest.raises(TrainError, match='none is named'):
        GaitDistillation(GaitDistilConfig(), network(), [], SCALE)
