// Draws maps from their values, so that opacity and colors change without another picture being loaded; the report and the explorer share it.
export const short = (value) => Number(value.toPrecision(3));

// The gray levels of RGBA pixels, by the weights of red, green and blue; as pixels again.
export function grayOf(color, [red, green, blue]) {
  const gray = new Uint8ClampedArray(color.length);
  for (let i = 0; i < color.length; i += 4) gray[i] = red * color[i] + green * color[i + 1] + blue * color[i + 2];
  return gray;
}

// `map`: values, vmin, vmax, boxes, alone. `picture`: its gray and color pixels. `look`: mode (overlay, map, both), opacity, table of 256 colors.
export function drawMap(canvas, { width, height }, map, picture, look) {
  const { values, vmin, vmax, alone } = map, { table } = look;
  const both = look.mode === "both" && !alone, over = look.mode === "overlay" && !alone;
  [canvas.width, canvas.height] = [both ? 2 * width : width, height];
  const context = canvas.getContext("2d"), drawn = context.createImageData(canvas.width, height);
  const end = Math.max(Math.abs(vmin), Math.abs(vmax)) || 1, left = both ? width : 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const index = row * width + column, value = values[index];
      const place = 3 * Math.round(255 * Math.min(1, Math.max(0, (value - vmin) / (vmax - vmin || 1))));
      // Clear where it is zero, at full opacity from half of the scale on.
      const weight = over ? look.opacity * Math.min(1, (2 * Math.abs(value)) / end) : 1;
      const to = 4 * (row * canvas.width + column + left);
      for (let c = 0; c < 3; c++) {
        drawn.data[to + c] = (weight < 1 ? (1 - weight) * picture.gray[4 * index] : 0) + weight * table[place + c];
      }
      drawn.data[to + 3] = 255;
      if (both) drawn.data.set(picture.color.subarray(4 * index, 4 * index + 4), to - 4 * left);
    }
  }
  context.putImageData(drawn, 0, 0);
  for (const side of both ? [0, width] : [0]) outline(context, { width, height }, map.boxes ?? [], side);
}

function outline(context, { width, height }, boxes, side) {  // seen on dark and on bright; lines lie on whole pixels
  const line = Math.max(1, Math.round(Math.max(width, height) / 220));
  for (const box of boxes) {
    const [left, top, right, bottom] = box.map((share, at) => Math.round(share * (at % 2 ? height : width)) + (line % 2) / 2);
    for (const [wide, color] of [[3 * line, "black"], [line, "white"]]) {
      [context.lineWidth, context.strokeStyle] = [wide, color];
      context.strokeRect(side + left, top, right - left, bottom - top);
    }
  }
}

export function drawBar(canvas, table) {
  const context = canvas.getContext("2d"), { width, height } = canvas, drawn = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const place = 3 * Math.round((255 * (i % width)) / (width - 1));
    for (let c = 0; c < 3; c++) drawn.data[4 * i + c] = table[place + c];
    drawn.data[4 * i + 3] = 255;
  }
  context.putImageData(drawn, 0, 0);
}
