// A drawing as MNIST would have it: its box scaled to 20 pixels at the longer side, the centre of its ink in the middle
// of 28 × 28. Whoever draws small, or in a corner, is understood.

export const SIDE = 28;
const BOX = 20;

/** `ink`: numbers from 0 to 255, line by line, `width` to a line. Returns 784 whole numbers, all 0 for an empty paper. */
export function asDigit(ink, width) {
  const height = ink.length / width;
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let at = 0; at < ink.length; at += 1) {
    if (ink[at] < 16) continue;
    const column = at % width;
    const row = Math.floor(at / width);
    left = Math.min(left, column);
    right = Math.max(right, column);
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
  }
  const digit = new Array(SIDE * SIDE).fill(0);
  if (right < 0) return digit;
  const scale = Math.max(right - left + 1, bottom - top + 1) / BOX;
  const columns = Math.max(1, Math.round((right - left + 1) / scale));
  const rows = Math.max(1, Math.round((bottom - top + 1) / scale));
  const small = [];
  let [sum, sumX, sumY] = [0, 0, 0];
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      const value = mean(ink, width, left + x * scale, top + y * scale, scale);
      small.push(value);
      sum += value;
      sumX += value * x;
      sumY += value * y;
    }
  }
  const middle = (SIDE - 1) / 2;
  const place = (centre, size) => Math.max(0, Math.min(SIDE - size, Math.round(middle - centre)));
  const offsetX = place(sumX / sum, columns);
  const offsetY = place(sumY / sum, rows);
  for (let at = 0; at < small.length; at += 1) {
    const x = offsetX + (at % columns);
    const y = offsetY + Math.floor(at / columns);
    digit[y * SIDE + x] = Math.round(small[at]);
  }
  return digit;
}

/** The mean ink of a square of the paper. */
function mean(ink, width, x, y, size) {
  const height = ink.length / width;
  const until = (from, end) => Math.max(Math.floor(from) + 1, Math.min(end, Math.ceil(from + size)));
  let [sum, count] = [0, 0];
  for (let row = Math.floor(y); row < until(y, height); row += 1) {
    for (let column = Math.floor(x); column < until(x, width); column += 1) {
      sum += ink[row * width + column] ?? 0;
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}
