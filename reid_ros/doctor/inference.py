"""What runs the networks: providers that really ran, the GPU, and the configured models."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from reid_ros.doctor.finding import Finding, Trial, tried, tried_all

if TYPE_CHECKING:
    from reid_ros.config import Config

SECTION = 'inference'
NATIVE = 'tensorrt'
BUILD_S = 300.0
"""Seconds that the engine of one convolution may take: TensorRT's start on a small Jetson."""
BACKENDS = {
    'ort_tensorrt': 'TensorrtExecutionProvider',
    'ort_cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
# Jetson Linux (L4T) by its major number: the JetPack that brings it.
_JETPACK = {32: '4', 34: '5', 35: '5', 36: '6', 38: '7', 39: '7'}
_INSTALL = "see 'Installation on a robot' in the README"


def findings(config: Config | None) -> list[Finding]:
    """Providers, GPU and models; config is None where the settings cannot be read."""
    found, has_gpu = gpu()
    loads = any(f.subject == NATIVE and f.level == 'ok' for f in found)
    native = tried('provider', NATIVE, timeout_s=BUILD_S) if loads else None
    runs = native is not None and not native.error and native.facts['ran'] == NATIVE
    if native is not None:
        found = [engines(f, native) if f.subject == NATIVE else f for f in found]
    found += _providers(config, has_gpu, runs)
    if config:
        found += models(config)
        found += unbuilt(config) if runs else ()
    return found


def engines(loads: Finding, trial: Trial) -> Finding:
    """What came of building an engine of a small network, proving it and running it.

    Args:
        loads: that TensorRT's package loads.
        trial: of the probe.
    """
    if not trial.error and trial.facts['ran'] == NATIVE and trial.facts['right']:
        text = f'{loads.found}; it built an engine and ran it as ONNX Runtime does'
        return Finding(SECTION, NATIVE, 'ok', text)
    why = trial.error or trial.facts['reason'] or 'the engine gives wrong numbers'
    return Finding(
        SECTION, NATIVE, 'problem', f'{loads.found}, but no engine runs: {why}',
        f'leave backend at auto; to use it: {_INSTALL}',
    )  # fmt: skip


def unbuilt(config: Config) -> Iterator[Finding]:
    """The configured networks without an engine: better build it before the robot drives."""
    from reid_ros.card import CardError, find
    from reid_ros.engine.native import is_kept

    wanted = config.model
    for name in (wanted.detector, wanted.appearance, wanted.gait, wanted.silhouette):
        try:
            path, card = find(name)
        except CardError:  # 'none', or missing, which its own line says
            continue
        if card.built_in or is_kept(path, config.engine_cache_dir):
            continue
        yield Finding(
            SECTION, 'engine', 'note', f'no TensorRT engine of {path.name} is built yet',
            f"'reid_ros bench engine {name}' builds, proves and times it beside the other "
            'backends; afterwards backend: auto uses it',
        )  # fmt: skip


def _providers(config: Config | None, has_gpu: bool, native: bool) -> Iterator[Finding]:
    listed = tried('providers')
    names = listed.facts.get('names', [])
    built = [backend for backend, provider in BACKENDS.items() if provider in names]
    demanded = config.backend if config else 'auto'
    strict = bool(config and config.backend_strict)
    trials = tried_all('provider', built)
    ran = {NATIVE} if native else set()
    for backend in built:
        trial = trials[backend]
        why = trial.error or trial.facts['reason']
        right = trial.facts.get('right', True)
        if not trial.error and right and trial.facts['ran'] == backend:
            ran.add(backend)
            yield Finding(SECTION, backend, 'ok', f'{BACKENDS[backend]} ran a real convolution')
        elif not right:
            yield Finding(
                SECTION, backend, 'problem', f'{trial.facts["ran"]} gives wrong numbers',
                f'install another onnxruntime ({_INSTALL}), or set backend: cpu',
                stops=trial.facts['ran'] == 'cpu',
            )  # fmt: skip
        else:
            yield _failed(backend, why, has_gpu)
    if has_gpu and 'ort_cuda' not in built:
        yield Finding(
            SECTION, 'ort_cuda', 'note',
            'this onnxruntime was built without CUDA: the GPU lies idle, networks run on the CPU',
            f'install an onnxruntime for this GPU: {_INSTALL}',
        )  # fmt: skip
    if demanded not in ('auto', *ran):
        yield Finding(
            SECTION, 'backend', 'problem' if strict else 'note',
            f'backend: {demanded} is set, but {demanded} does not run here'
            + ('' if strict else ': the node falls back to what does'),
            'install what is missing, or set backend: auto', stops=strict,
        )  # fmt: skip
    elif demanded == 'auto' and strict and ran == {'cpu'} and len(built) > 1:
        yield Finding(
            SECTION, 'backend', 'problem',
            'backend_strict is set, and of the providers in this onnxruntime only the CPU runs',
            'install what is missing, or set backend: cpu', stops=True,
        )  # fmt: skip


def _failed(backend: str, why: str, has_gpu: bool) -> Finding:
    library = missing_library(why)
    step = f'install {library}: {_INSTALL}' if library else _INSTALL
    if backend == 'cpu':
        return Finding(
            SECTION, backend, 'problem', f'a convolution does not run: {why}',
            f'install onnxruntime anew: {_INSTALL}', stops=True,
        )  # fmt: skip
    return Finding(
        SECTION,
        backend,
        'problem' if has_gpu else 'note',
        f'listed by onnxruntime but does not run: {why}',
        step if has_gpu else 'nothing to do without a GPU; with one: ' + step,
    )


def missing_library(error: str) -> str:
    """The shared library that an error of the loader misses, '' where it misses none."""
    match = re.search(r'(\S+\.so(?:\.\d+)*): cannot open shared object file', error)
    return match.group(1) if match else ''


def gpu(root: Path = Path('/')) -> tuple[list[Finding], bool]:
    """The GPU or Jetson under us and whether TensorRT's Python package loads; whether one is here.

    Args:
        root: where the system's files lie.
    """
    release = root / 'etc' / 'nv_tegra_release'
    if release.is_file():
        text = jetson(root, release.read_text(errors='replace'))
        return [
            Finding(SECTION, 'Jetson', 'ok', text),
            _tensorrt('apt install nvidia-jetpack'),
        ], True
    if shutil.which('nvidia-smi'):
        card = _nvidia_smi()
        if card.level == 'ok':
            return [card, _tensorrt('nothing to do unless you use it')], True
        return [card], False
    return [Finding(SECTION, 'GPU', 'ok', 'none of NVIDIA seen: networks run on the CPU')], False


def _tensorrt(step: str) -> Finding:
    trial = tried('imported', NATIVE)
    if not trial.error:
        version = trial.facts['version']
        return Finding(SECTION, NATIVE, 'ok', f'its Python package {version} loads')
    library = missing_library(trial.error)
    text = f'misses {library}' if library else trial.error
    return Finding(
        SECTION,
        NATIVE,
        'note',
        f'its Python package does not load: {text}; backend tensorrt needs it, ort_tensorrt does '
        'without it but may miss the same libraries',
        step,
    )


def jetson(root: Path, release: str) -> str:
    """A Jetson in words.

    Args:
        root: where the system's files lie.
        release: text of nv_tegra_release: '# R36 (release), REVISION: 4.3, GCID: ...'.
    """
    match = re.search(r'R(\d+) \(release\), REVISION: ([\d.]+)', release)
    model = root / 'proc' / 'device-tree' / 'model'
    name = model.read_bytes().decode(errors='replace').strip('\0 \n') if model.is_file() else ''
    text = name or 'of unknown model'
    if not match:
        return f'{text}, Jetson Linux of unknown version'
    major = int(match.group(1))
    jetpack = f' (JetPack {_JETPACK[major]})' if major in _JETPACK else ''
    return f'{text}, Jetson Linux {major}.{match.group(2)}{jetpack}'


def _nvidia_smi() -> Finding:
    command = [
        'nvidia-smi', '--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False, text=True)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(SECTION, 'GPU', 'note', f'nvidia-smi fails: {error}', 'mend the driver')
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode or not lines:
        said = (done.stderr or done.stdout).strip().splitlines() or ['it says nothing']
        return Finding(
            SECTION, 'GPU', 'note', f'nvidia-smi sees no GPU: {said[0]}',
            'mend the driver; in a container, start it with the GPU (docker run --gpus all)',
        )  # fmt: skip
    return Finding(SECTION, 'GPU', 'ok', f'{"; ".join(lines)} (name, driver, memory)')


def models(config: Config) -> Iterator[Finding]:
    """The configured networks and the calibration that goes with them."""
    for kind, name in (
        ('detector', config.model.detector),
        ('appearance', config.model.appearance),
    ):
        if name == 'none':
            cost = {
                'detector': 'every camera must bring its own detections',
                'appearance': 'people are tracked but nobody is recognised',
            }[kind]
            yield Finding(
                SECTION, kind, 'note', f'model.{kind} is "none": {cost}',
                f'nothing to do if that is meant; else set model.{kind}',
            )  # fmt: skip
            continue
        trial = tried('network', name, kind)
        wrong = trial.error or trial.facts.get('wrong', '')
        if wrong:
            yield _unusable(kind, name, wrong)
            continue
        facts = trial.facts
        yield Finding(
            SECTION, kind, 'ok', f'{facts["card"]}, {facts["size"]}, runs ({facts["path"]})'
        )
        if kind == 'appearance':
            yield from _calibration(config, bool(facts['calibrated']))


def _unusable(kind: str, name: str, wrong: str) -> Finding:
    """The errors of a missing card or file end in their own next step."""
    match = re.match(r"(model \S+: \S+ is not in [^:]+|no model '[^']*'): (.+)", wrong)
    step = f"'reid_ros models check {name}' says more; or set model.{kind} to another"
    text = wrong
    if match:
        text, step = match.groups()
    return Finding(SECTION, kind, 'problem', text, step, stops=True)


def _calibration(config: Config, on_card: bool) -> Iterator[Finding]:
    path = config.identity.calibration
    if path:
        from reid_ros.calibration import Calibration
        from reid_ros.types import ReidError

        try:
            Calibration.read(path)
        except ReidError as error:
            yield Finding(
                SECTION, 'calibration', 'problem', str(error),
                "make it with 'reid_ros calibrate', or unset identity.calibration", stops=True,
            )  # fmt: skip
            return
        yield Finding(SECTION, 'calibration', 'ok', f'of this site, {path}')
    elif on_card:
        yield Finding(SECTION, 'calibration', 'ok', "of the model's card")
    else:
        yield Finding(
            SECTION, 'calibration', 'note',
            'the card of the appearance model has none: a cautious one decides, and many people '
            'stay undecided',
            "fit one from your own footage: 'reid_ros calibrate'",
        )  # fmt: skip
