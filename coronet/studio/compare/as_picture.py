"""The trade-off as a PNG file: JavaScript that lays the figure and its table out on a canvas. No request leaves."""

from coronet.studio import text

# `Plotly` is there as soon as a figure has been drawn. What is drawn takes the page's own colours, light or dark.
SCRIPT = """
const savePicture = async () => {
  const width = 900, height = 460, line = 26, scale = 2, margin = 16;
  const said = (row) => [...row.cells].map((cell) => cell.innerText.replace(/\\s+/g, " ").trim());
  const rows = [...element.querySelectorAll("table tr")].map(said);
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  canvas.width = width * scale; canvas.height = (height + line * (rows.length + 2)) * scale;
  pen.scale(scale, scale);
  const page = getComputedStyle(document.body);
  pen.fillStyle = page.backgroundColor === "rgba(0, 0, 0, 0)" ? "#fff" : page.backgroundColor;
  pen.fillRect(0, 0, width, canvas.height);
  const drawing = document.querySelector("#trade-off .js-plotly-plot");
  if (drawing && window.Plotly) {
    const image = new Image();
    image.src = await window.Plotly.toImage(drawing, {format: "png", width, height, scale});
    await image.decode();
    pen.drawImage(image, 0, 0, width, height);
  }
  pen.fillStyle = getComputedStyle(element).color;
  pen.font = "14px system-ui, sans-serif";
  const caption = element.querySelector("caption")?.innerText ?? "";
  pen.fillText(caption, margin, height + line);
  const step = 0.57 / Math.max(1, ...rows.map((cells) => cells.length - 1));
  rows.forEach((cells, row) => cells.forEach((cell, column) => {
    const x = column ? margin + width * (0.42 + step * (column - 1)) : margin;
    pen.fillText(cell, x, height + line * (row + 2), width * (column ? step - 0.005 : 0.4));
  }));
  const link = document.createElement("a");
  link.href = canvas.toDataURL("image/png"); link.download = "coronet.png"; link.click();
};
element.addEventListener("click", (event) => { if (event.target.closest("button.png")) savePicture(); });
"""


def button() -> str:
    """Give the button that the script listens to."""
    return f"<button type='button' class='link png'>{text.PNG}</button>"
