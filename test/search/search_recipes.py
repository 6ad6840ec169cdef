"""Small recipes of person search on a folder laid out like PRW."""

RECIPE = """
task: search
data:
  sets:
    few: {layout: prw, path: ROOT}
    asked: {layout: prw, path: ROOT, split: test}
  train: [few]
  validation: [asked]
  test: [asked]
  height: 96
  width: 128
  batch: 2
  score: 0.05
  workers: 0
augment: {flip: 0.0, zoom: 0.1, shift: 0.05, colour: 0.0, channel: 0.0}
net: {head: dense, encoder: mobile_s, embed: 16, width: 16, depth: 1, answers: 20}
optim: {steps: 4, rate: 2.0e-3}
run: {device: cpu, log_steps: 1, score_steps: 2, save_s: 1000.0, threads: 1}
"""
TWO_STAGE = {
    'net.head': 'two_stage', 'net.pool': [4, 2], 'net.hidden': 16, 'net.sizes': [24.0],
    'net.ratios': [3.0], 'loss.regions': 8, 'loss.anchors': 16, 'net.answers': 8,
}  # fmt: skip
QUEUE = """
recipe: recipe.yaml
plain: alone
headline: both
rivals: [table]
seeds: 1
changes: {optim.steps: 2, table.teacher: TEACHER, distil.teacher: TEACHER}
arms:
  alone: {table.variant: none, distil.dose: 0.0}
  both: {}
  table: {distil.dose: 0.0}
"""
