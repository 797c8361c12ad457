"""The sample for browsers: the preprocessing of `sample.py`, in JavaScript, for onnxruntime-web."""

_JAVASCRIPT = """\
// Needs onnxruntime-web, served from where this page comes from: an <img> goes in, a <canvas> shows the translation.
import * as ort from "./ort.wasm.bundle.min.mjs";

const session = await ort.InferenceSession.create("{file}", {{ executionProviders: ["wasm"] }});
const near = (side) => Math.max({least}, Math.round(side / {multiple}) * {multiple});

export async function translate(picture, shown) {{
  const width = near(picture.naturalWidth), height = near(picture.naturalHeight), area = width * height;
  [shown.width, shown.height] = [width, height];
  const drawing = shown.getContext("2d", {{ alpha: false }});
  drawing.imageSmoothingQuality = "high";
  drawing.drawImage(picture, 0, 0, width, height);
  const image = drawing.getImageData(0, 0, width, height), input = new Float32Array(3 * area);
  for (let at = 0; at < 3 * area; at++)  // RGBA, pixel by pixel -> RGB, plane by plane, from -1 to 1
    input[at] = image.data[4 * (at % area) + Math.floor(at / area)] / 127.5 - 1;
  const tensor = new ort.Tensor("float32", input, [1, 3, height, width]);
  const {{ output }} = await session.run({{ input: tensor }});
  for (let at = 0; at < 3 * area; at++)  // rounded and kept from 0 to 255 by the image itself
    image.data[4 * (at % area) + Math.floor(at / area)] = (output.data[at] + 1) * 127.5;
  drawing.putImageData(image, 0, 0);
}}
"""


def javascript(file: str, *, least_side: int, size_multiple: int) -> str:
    """Write the module that translates one picture in a browser with an ONNX file beside it."""
    return _JAVASCRIPT.format(file=file, least=least_side, multiple=size_multiple)
