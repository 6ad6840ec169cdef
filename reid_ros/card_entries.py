"""The entries of a model card: what a network wants to see, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from reid_ros.config import setting

KINDS = ('detector', 'appearance', 'gait', 'search', 'silhouette')
DECODERS = (
    'yolox_raw',
    'yolox',
    'yolov5',
    'yolov8',
    'yolo_nms',
    'efficient_nms',
    'detr',
    'rtdetr_deploy',
    'paddle_nms',
    'nanodet',
    'fastestdet',
    'search',
)

BUILT_IN = ('colour-1',)
"""What `reid_ros.colour` computes; another number makes vectors that cannot be compared."""

EXTRAS = ('size_wh', 'size_hw', 'ones')


@dataclass(frozen=True)
class Input:
    """What the network wants to see.

    A pixel value v of channel c enters the network as (v - mean[c]) / std[c], v from 0 to 255,
    c in the network's own colour order. Layout NHW is for masks, 0 to 255, of a gait network.
    """

    name: str = setting('', 'name of the image input; "" means the first one')
    layout: str = setting('NCHW', 'order of the axes', choices=('NCHW', 'NHWC', 'NHW'))
    height: int = setting(0, 'pixels', 1, 8192)
    width: int = setting(0, 'pixels', 1, 8192)
    order: str = setting('rgb', 'order of the colour channels', choices=('rgb', 'bgr'))
    mean: tuple[float, ...] = setting((0.0, 0.0, 0.0), 'subtracted from pixel values 0 to 255')
    std: tuple[float, ...] = setting((1.0, 1.0, 1.0), 'what the difference is divided by')
    fit: str = setting(
        'stretch',
        'how an image is brought to the size',
        choices=('letterbox_topleft', 'letterbox_centre', 'stretch'),
    )
    pad: int = setting(114, 'grey value around a letterboxed image', 0, 255)
    resize: str = setting('linear', 'interpolation', choices=('linear', 'area', 'cubic'))
    dtype: str = setting('float32', 'number type', choices=('float32', 'float16', 'uint8'))
    channels: int = setting(3, 'colours; of a head, the channels of its features', 1, 65536)
    frames: int = setting(0, 'of a clip, the axis after the batch; 0 = single images', 0, 64)
    extra: tuple[str, ...] = setting(
        (), 'further inputs: "NAME size_wh", "NAME size_hw" (of the input) or "NAME ones"'
    )


@dataclass(frozen=True)
class Output:
    """What the network answers."""

    names: tuple[str, ...] = setting(
        (), "the decoder's outputs by name, in its order; none means the network's own order"
    )
    vector: int = setting(0, 'length of the vector of one crop or person', 0, 65536)
    decoder: str = setting(
        '', 'how boxes are read; "" where there are none', choices=('', *DECODERS)
    )
    classes: int = setting(80, 'number of classes', 1, 100000)
    person: int = setting(0, 'class number of a person', 0, 99999)
    strides: tuple[int, ...] = setting((8, 16, 32), 'pixels between cells, level by level')
    scores: str = setting(
        '', 'what scores are; "" = as usual for the decoder',
        choices=('', 'probability', 'sigmoid', 'softmax'),
    )  # fmt: skip
    boxes: str = setting(
        '', 'box format; "" = as usual for the decoder', choices=('', 'xyxy', 'cxcywh')
    )
    units: str = setting(
        '', 'pixels or fractions of the input; "" = as usual for the decoder',
        choices=('', 'pixels', 'fraction'),
    )  # fmt: skip
    reg_max: int = setting(7, 'nanodet: largest distance in strides', 1, 64)
    cell_offset: float = setting(0.0, 'nanodet: centre of a cell in strides', 0.0, 1.0)
    objectness_power: float = setting(1.0, 'score = objectness^this * class^class_power', 0.0, 4.0)
    class_power: float = setting(1.0, 'see objectness_power', 0.0, 4.0)
