// Edge-preserving upsampling (Sec. 4.2), as cdvae/postprocess/upsample.py has it, for square photos.

const SIZE = 32, CELLS = SIZE * SIZE, REACH = 2, FARTHEST = 150;
const SETTINGS = {scale: 2000, smallest: 20, along: 0.8, across: 0.5, alike: 0.2, weight: 3e-4, level: 1e-4};
const BLUR = 0.8;

/** Index of a pixel beyond the border, mirrored about its edge. */
const mirrored = (k, n) => {
  while (k < 0 || k >= n) k = k < 0 ? -1 - k : 2 * n - 1 - k;
  return k;
};

function gaussian(sigma) {
  const radius = Math.floor(4 * sigma + 0.5), weights = [];
  for (let k = -radius; k <= radius; k++) weights.push(Math.exp(-0.5 * (k / sigma) ** 2));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((each) => each / sum);
}

/** A picture (side × side) blurred by a Gaussian, borders mirrored. */
function blurred(image, side, sigma) {
  const weights = gaussian(sigma), radius = (weights.length - 1) / 2;
  const between = new Float64Array(side * side), made = new Float64Array(side * side);
  const places = Int32Array.from({length: side + 2 * radius}, (_, k) => mirrored(k - radius, side));
  for (let y = 0; y < side; y++) for (let k = 0; k < weights.length; k++) {
    const from = places[y + k] * side, weight = weights[k];
    for (let x = 0; x < side; x++) between[y * side + x] += weight * image[from + x];
  }
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += weights[k] * between[y * side + places[x + k]];
    made[y * side + x] = sum;
  }
  return made;
}

/** The order that sorts non-negative numbers (Float32Array), by radix on their bits. */
function sorted(values) {
  const n = values.length, bits = new Uint32Array(values.buffer);
  let order = new Uint32Array(n), other = new Uint32Array(n);
  for (let k = 0; k < n; k++) order[k] = k;
  for (const shift of [0, 11, 22]) {
    const count = new Uint32Array(2049);
    for (let k = 0; k < n; k++) count[((bits[k] >>> shift) & 2047) + 1]++;
    for (let k = 0; k < 2048; k++) count[k + 1] += count[k];
    for (let k = 0; k < n; k++) other[count[(bits[order[k]] >>> shift) & 2047]++] = order[k];
    [order, other] = [other, order];
  }
  return order;
}

/** Felzenszwalb and Huttenlocher's segments of a grey picture: labels from 0, and how many. */
export function segments(grey, side, settings = SETTINGS) {
  const smallest = Math.max(1, Math.round(settings.smallest * side * side / CELLS));
  const scale = settings.scale / 255, image = blurred(grey, side, BLUR), n = side * side;
  const edges = 4 * n - 6 * side + 2; // to the right, down, and along both diagonals
  const first = new Int32Array(edges), second = new Int32Array(edges), costs = new Float32Array(edges);
  let e = 0;
  const pair = (y, x, v, u) => {
    first[e] = y * side + x;
    second[e] = v * side + u;
    costs[e++] = Math.abs(image[first[e - 1]] - image[second[e - 1]]);
  };
  for (let y = 0; y < side; y++) for (let x = 1; x < side; x++) pair(y, x, y, x - 1);
  for (let y = 1; y < side; y++) for (let x = 0; x < side; x++) pair(y, x, y - 1, x);
  for (let y = 1; y < side; y++) for (let x = 1; x < side; x++) pair(y, x, y - 1, x - 1);
  for (let y = 1; y < side; y++) for (let x = 1; x < side; x++) pair(y - 1, x, y, x - 1);
  const order = sorted(costs), parent = new Int32Array(n), size = new Int32Array(n).fill(1);
  const inner = new Float64Array(n);
  for (let k = 0; k < n; k++) parent[k] = k;
  const root = (k) => {
    while (parent[k] !== k) k = parent[k] = parent[parent[k]];
    return k;
  };
  const join = (a, b) => {
    const kept = Math.min(a, b), gone = Math.max(a, b);
    parent[gone] = kept;
    size[kept] += size[gone];
    return kept;
  };
  for (const e of order) {
    const a = root(first[e]), b = root(second[e]);
    if (a !== b && costs[e] < Math.min(inner[a] + scale / size[a], inner[b] + scale / size[b]))
      inner[join(a, b)] = costs[e];
  }
  for (const e of order) {
    const a = root(first[e]), b = root(second[e]);
    if (a !== b && (size[a] < smallest || size[b] < smallest)) join(a, b);
  }
  const number = new Int32Array(n).fill(-1), label = new Int32Array(n);
  let found = 0;
  for (let k = 0; k < n; k++) {
    const top = root(k);
    if (number[top] < 0) number[top] = found++;
    label[k] = number[top];
  }
  return {label, n: found};
}

/** θ along the edges at the centre of each cell, and its coherence (structure tensor). */
function orientations(grey, side) {
  const step = side / SIZE, at = (y, x) => grey[mirrored(y, side) * side + mirrored(x, side)];
  const weights = gaussian(step / 2), radius = (weights.length - 1) / 2;
  const products = [0, 1, 2].map(() => new Float64Array(side * side));
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const gx = at(y - 1, x + 1) + 2 * at(y, x + 1) + at(y + 1, x + 1) - at(y - 1, x - 1) - 2 * at(y, x - 1) - at(y + 1, x - 1);
    const gy = at(y + 1, x - 1) + 2 * at(y + 1, x) + at(y + 1, x + 1) - at(y - 1, x - 1) - 2 * at(y - 1, x) - at(y - 1, x + 1);
    const k = y * side + x;
    products[0][k] = gx * gx;
    products[1][k] = gy * gy;
    products[2][k] = gx * gy;
  }
  const centre = Array.from({length: SIZE}, (_, k) => Math.floor(step / 2) + k * step);
  const [xx, yy, xy] = products.map((image) => {
    const made = new Float64Array(CELLS), line = new Float64Array(side);
    centre.forEach((y, row) => {
      for (let x = 0; x < side; x++) {
        line[x] = 0;
        for (let k = -radius; k <= radius; k++) line[x] += weights[k + radius] * image[mirrored(y + k, side) * side + x];
      }
      centre.forEach((x, column) => {
        for (let k = -radius; k <= radius; k++) made[row * SIZE + column] += weights[k + radius] * line[mirrored(x + k, side)];
      });
    });
    return made;
  });
  const theta = new Float64Array(CELLS), coherence = new Float64Array(CELLS);
  for (let k = 0; k < CELLS; k++) {
    theta[k] = 0.5 * Math.atan2(2 * xy[k], xx[k] - yy[k]) + Math.PI / 2;
    coherence[k] = Math.hypot(xx[k] - yy[k], 2 * xy[k]) / (xx[k] + yy[k] + 1e-8);
  }
  return {theta, coherence};
}

/** Interp of one photo, prepared once: `upsample(fields)` then takes a few operations a pixel. */
export class Upsampler {
  /** grey: (side × side) in [0, 1]; side a multiple of 32. */
  constructor(grey, side, given = null, settings = SETTINGS) {
    const {label, n} = given || segments(grey, side, settings);
    Object.assign(this, {side, label, nSegments: n, settings});
    this.sample(grey);
    this.makeBasis(grey);
    this.factorise();
  }

  /** One sample for each cell and each segment that meets it, at their common centroid. */
  sample(grey) {
    const {side, label, nSegments} = this, step = side / SIZE, n = nSegments;
    const number = this.number = new Int32Array(CELLS * n).fill(-1);
    const cellOf = [], area = [], y0 = [], x0 = [], g0 = [];
    const cell = this.cell = new Int32Array(side * side);
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
      const k = y * side + x, c = cell[k] = Math.floor(y / step) * SIZE + Math.floor(x / step);
      let j = number[c * n + label[k]];
      if (j < 0) {
        j = number[c * n + label[k]] = cellOf.length;
        cellOf.push(c);
        for (const each of [area, y0, x0, g0]) each.push(0);
      }
      area[j]++;
      y0[j] += (y + 0.5) / step;
      x0[j] += (x + 0.5) / step;
      g0[j] += grey[k];
    }
    const {theta, coherence} = orientations(grey, side), {along, across} = this.settings;
    const count = this.nSamples = cellOf.length;
    const part = () => new Float32Array(count);
    Object.assign(this, {sy: part(), sx: part(), sg: part(), pxx: part(), pxy: part(), pyy: part()});
    this.share = []; // of each segment: its cells and the part of each that it covers
    for (let s = 0; s < n; s++) this.share.push([]);
    for (let j = 0; j < count; j++) {
      const c = cellOf[j], width = along + (across - along) * coherence[c];
      const cos = Math.cos(theta[c]), sin = Math.sin(theta[c]), a = along ** -2, b = width ** -2;
      this.sy[j] = y0[j] / area[j];
      this.sx[j] = x0[j] / area[j];
      this.sg[j] = g0[j] / area[j];
      this.pxx[j] = a * cos * cos + b * sin * sin;
      this.pxy[j] = (a - b) * cos * sin;
      this.pyy[j] = a * sin * sin + b * cos * cos;
    }
    for (let c = 0; c < CELLS; c++) for (let s = 0; s < n; s++) {
      const j = number[c * n + s];
      if (j >= 0) this.share[s].push([c, area[j] * CELLS / (side * side)]);
    }
  }

  /** Φ: for each pixel the samples that it hears and how much; A = ↓G∗Φ by samples. */
  makeBasis(grey) {
    const {side, label, number, nSegments: n, settings, sy, sx, sg, pxx, pxy, pyy} = this, step = side / SIZE;
    const offsets = [];
    for (let dy = -REACH; dy <= REACH; dy++) for (let dx = -REACH; dx <= REACH; dx++)
      if (Math.abs(dy) + Math.abs(dx) < 2 * REACH) offsets.push([dy, dx]);
    const pixels = side * side, starts = this.starts = new Int32Array(pixels + 1);
    let heard = new Int32Array(pixels * 8), values = new Float32Array(pixels * 8), used = 0;
    const share = step ** -2, byCell = Array.from({length: CELLS}, () => new Map());
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
      const k = y * side + x, fy = (y + 0.5) / step, fx = (x + 0.5) / step;
      const row = Math.floor(fy), column = Math.floor(fx), start = used;
      let sum = 0;
      if (used + offsets.length > heard.length) {
        const wider = new Int32Array(heard.length * 1.5 | 0), more = new Float32Array(heard.length * 1.5 | 0);
        wider.set(heard);
        more.set(values);
        [heard, values] = [wider, more];
      }
      for (const [dy, dx] of offsets) {
        const r = row + dy, c = column + dx;
        if (r < 0 || c < 0 || r >= SIZE || c >= SIZE) continue;
        const j = number[(r * SIZE + c) * n + label[k]];
        if (j < 0) continue;
        const right = fx - sx[j], down = fy - sy[j], other = (grey[k] - sg[j]) / settings.alike;
        const far = pxx[j] * right * right + 2 * pxy[j] * right * down + pyy[j] * down * down + other * other;
        const value = Math.exp(-0.5 * Math.min(far, FARTHEST));
        heard[used] = j;
        values[used++] = value;
        sum += value;
      }
      const mine = byCell[this.cell[k]];
      for (let i = start; i < used; i++) {
        values[i] /= sum;
        mine.set(heard[i], (mine.get(heard[i]) || 0) + values[i] * share);
      }
      starts[k + 1] = used;
    }
    Object.assign(this, {heard, values});
    this.a = Array.from({length: this.nSamples}, () => []); // of each sample: cells and entries of A
    byCell.forEach((mine, c) => mine.forEach((value, j) => this.a[j].push([c, value])));
  }

  /** Cholesky's factor of A Aᵀ / λ + C Cᵀ / μ + I, one equation a cell. */
  factorise() {
    const n = CELLS, m = this.factor = new Float64Array(n * n), {weight, level} = this.settings;
    const add = (column, scale) => {
      for (const [i, u] of column) for (const [j, v] of column) if (j <= i) m[i * n + j] += u * v * scale;
    };
    for (const column of this.a) add(column, 1 / weight);
    for (const column of this.share) add(column, 1 / level);
    for (let i = 0; i < n; i++) {
      m[i * n + i] += 1;
      const row = m.subarray(i * n, i * n + i + 1);
      for (let j = 0; j <= i; j++) {
        const other = m.subarray(j * n, j * n + j + 1);
        let sum = row[j], k = 0;
        for (; k + 3 < j; k += 4)
          sum -= row[k] * other[k] + row[k + 1] * other[k + 1] + row[k + 2] * other[k + 2] + row[k + 3] * other[k + 3];
        for (; k < j; k++) sum -= row[k] * other[k];
        row[j] = j === i ? Math.sqrt(sum) : sum / other[j];
      }
    }
  }

  /** A field (32 × 32) -> (side × side); linear in the field. */
  upsample(field) {
    const n = CELLS, m = this.factor, {weight, level} = this.settings;
    const mean = this.share.map((column) => {
      let sum = 0, all = 0;
      for (const [c, part] of column) {
        sum += part * field[c];
        all += part;
      }
      return sum / all;
    });
    const dual = Float64Array.from(field);
    this.share.forEach((column, s) => column.forEach(([c, part]) => { dual[c] -= part * mean[s]; }));
    for (let i = 0; i < n; i++) {
      let sum = dual[i];
      for (let k = 0, row = i * n; k < i; k++) sum -= m[row + k] * dual[k];
      dual[i] = sum / m[i * n + i];
    }
    for (let i = n - 1; i >= 0; i--) {
      const value = dual[i] /= m[i * n + i];
      for (let k = 0, row = i * n; k < i; k++) dual[k] -= m[row + k] * value;
    }
    const dot = (column) => column.reduce((sum, [c, part]) => sum + part * dual[c], 0);
    const w = Float32Array.from(this.a, (column) => dot(column) / weight);
    const levels = Float32Array.from(this.share, (column, s) => mean[s] + dot(column) / level);
    const {starts, heard, values, label} = this, made = new Float32Array(label.length);
    for (let k = 0; k < made.length; k++) {
      let sum = levels[label[k]];
      for (let i = starts[k]; i < starts[k + 1]; i++) sum += values[i] * w[heard[i]];
      made[k] = sum;
    }
    return made;
  }
}
