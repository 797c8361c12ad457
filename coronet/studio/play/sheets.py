"""The drawing itself in the browser: a list of what was done, and the two sheets that are drawn from it.

One sheet is as large as the screen can show it; the other has the model's own size and is what the nets get. Each has
a ground, a picture or white paper, and ink above it.
"""

# Strokes are points in pixels of the model. Over a picture the eraser takes strokes away; on paper, where the lines may
# have been part of the picture that was loaded, it paints white.
SHEETS = """
const sheets = [canvas, sent].map((out) => ({
  out, base: document.createElement("canvas"), ink: document.createElement("canvas")}));
const size = (sheet, pixels) => {
  for (const layer of [sheet.out, sheet.base, sheet.ink]) layer.width = layer.height = pixels;
};
const pen = (layer) => {
  const context = layer.getContext("2d");
  context.setTransform(layer.width / side, 0, 0, layer.width / side, 0, 0);
  context.lineCap = context.lineJoin = "round";
  context.imageSmoothingQuality = "high";
  return context;
};
const lay = (sheet, picture) => {
  const base = pen(sheet.base);
  base.fillStyle = "#fff";
  base.fillRect(0, 0, side, side);
  if (picture) base.drawImage(picture, 0, 0, side, side);
};
const ink = (sheet, line, from) => {
  const context = pen(sheet.ink), isRubber = line.tool === "eraser";
  context.globalCompositeOperation = isRubber && !line.isPaper ? "destination-out" : "source-over";
  context.strokeStyle = isRubber ? "#fff" : line.colour;
  for (let place = Math.max(1, from); place < line.points.length; place++) {
    const [x, y] = line.points[place - 1], [toX, toY, wide] = line.points[place];
    context.lineWidth = wide;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(toX, toY);
    context.stroke();
  }
};
const join = (sheet) => {
  const context = sheet.out.getContext("2d");
  context.drawImage(sheet.base, 0, 0);
  context.drawImage(sheet.ink, 0, 0);
};
const grounds = () => done.findLastIndex((step) => step.kind === "ground");
const redraw = (sheet) => {
  const ground = grounds();
  sheet.ink.getContext("2d").clearRect(0, 0, sheet.ink.width, sheet.ink.height);
  lay(sheet, done[ground]?.picture);
  for (const step of done.slice(ground + 1)) ink(sheet, step, 0);
  join(sheet);
};
const redrawAll = () => {
  sheets.forEach(redraw);
  // Not `disabled`, which would take the focus of the one that presses it, and with it the keys.
  find("[data-act=undo]").setAttribute("aria-disabled", done.length < 2);
  find("[data-act=redo]").setAttribute("aria-disabled", !undone.length);
};
const add = (step) => { done.push(step); undone = []; redrawAll(); };
const copy = (source) => {
  const kept = document.createElement("canvas");
  kept.width = kept.height = side;
  cover(kept, source);
  return kept;
};
const cover = (kept, source) => {
  const [wide, high] = [source.videoWidth || source.naturalWidth || source.width,
    source.videoHeight || source.naturalHeight || source.height];
  const factor = Math.max(side / wide, side / high), context = kept.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, side, side);
  context.drawImage(source, (side - wide * factor) / 2, (side - high * factor) / 2, wide * factor, high * factor);
};
const isPaper = (picture) => {
  const pixels = picture.getContext("2d").getImageData(0, 0, side, side).data;
  let white = 0;
  for (let place = 0; place < pixels.length; place += 4)
    if (Math.min(pixels[place], pixels[place + 1], pixels[place + 2]) > 235) white++;
  return white > pixels.length / 8;
};
const ground = (source) => {
  const picture = source && copy(source);
  add({kind: "ground", picture, isPaper: !picture || isPaper(picture)});
};
"""
