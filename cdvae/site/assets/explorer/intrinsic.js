// Photo -> albedo and shading at 32 × 32, as cdvae/data/photos/intrinsic.py has it (Bell et al. 2014).

const SIDE = 32, P = SIDE * SIDE, DARKEST = 1e-4, JUMP = 1e-3;
const S = {
  labels: 20, intensityScale: 0.5, rounds: 6, updates: 3, absolute: 0.05, smooth: 1, pairwise: 1,
  sharpness: 100, thetaP: 0.2, thetaL: 0.4, thetaC: 0.01, blur: 0.1, steps: 5,
};
const DIAGONAL = Math.hypot(SIDE, SIDE);

/** The pairs of neighbours, [first, second] each. */
const EDGES = (() => {
  const made = [];
  for (let y = 0; y < SIDE; y++) for (let x = 0; x + 1 < SIDE; x++) made.push([y * SIDE + x, y * SIDE + x + 1]);
  for (let y = 0; y + 1 < SIDE; y++) for (let x = 0; x < SIDE; x++) made.push([y * SIDE + x, (y + 1) * SIDE + x]);
  return made;
})();

/** Albedo (3 × 1024) and shading (1024) of linear light (3 × 1024). draws: k-means' random numbers. */
export function decompose(light, draws) {
  const bright = Float64Array.from(light, (v) => Math.max(v, DARKEST));
  const logIntensity = new Float64Array(P), colours = new Float64Array(3 * P);
  for (let k = 0; k < P; k++) {
    const total = bright[k] + bright[P + k] + bright[2 * P + k];
    logIntensity[k] = Math.log(total / 3);
    colours.set([total / 3, bright[k] / total, bright[P + k] / total], 3 * k);
  }
  const kernel = kernelOf(colours), norm = new Float64Array(P);
  for (let i = 0; i < P; i++) {
    let sum = 0;
    for (let j = 0; j < P; j++) sum += kernel[i * P + j];
    norm[i] = 1 / Math.sqrt(sum);
  }
  for (let i = 0; i < P; i++) for (let j = 0; j < P; j++) kernel[i * P + j] *= norm[i] * norm[j];
  let labels = labelsAt(cluster(colours, draws)), label = null, target = null;
  for (let turn = 0; turn < S.rounds; turn++) {
    label = strongest(meanField(unary(logIntensity, labels, target), kernel, distances(labels)), labels.n);
    [labels, label] = keepUsed(labels, label);
    const levels = leastJumps(label, logIntensity, labels.intensity, S.steps);
    const shift = median(labels.intensity) - median(levels);
    labels.intensity = levels.map((v) => v + shift);
    const shading = logIntensity.map((v, k) => v - labels.intensity[label[k]]);
    target = blurred(shading, S.blur * DIAGONAL / (1 + turn));
  }
  const patch = patches(label), start = new Float64Array(Math.max(...patch) + 1);
  patch.forEach((p, k) => { start[p] = labels.intensity[label[k]]; });
  const levels = leastJumps(patch, logIntensity, start, 2 * S.steps);
  return anchored(Float64Array.from(logIntensity, (v, k) => Math.exp(v - levels[patch[k]])), light);
}

function kernelOf(colours) {
  const f = new Float64Array(5 * P), widths = [S.thetaL, S.thetaC, S.thetaC];
  for (let k = 0; k < P; k++) {
    for (let c = 0; c < 3; c++) f[5 * k + c] = colours[3 * k + c] / widths[c];
    f[5 * k + 3] = Math.floor(k / SIDE) / (S.thetaP * DIAGONAL);
    f[5 * k + 4] = (k % SIDE) / (S.thetaP * DIAGONAL);
  }
  const kernel = new Float32Array(P * P);
  for (let i = 0; i < P; i++) for (let j = 0; j <= i; j++) {
    let far = 0;
    for (let c = 0; c < 5; c++) far += (f[5 * i + c] - f[5 * j + c]) ** 2;
    kernel[i * P + j] = kernel[j * P + i] = Math.exp(-Math.min(30, far / 2));
  }
  return kernel;
}

/** Centres (K × 3) of k-means++ and 15 updates, intensities scaled. */
function cluster(colours, draws) {
  const scale = [S.intensityScale, 1, 1], points = colours.map((v, k) => v * scale[k % 3]);
  const far = (k, c, centres) => {
    let sum = 0;
    for (let d = 0; d < 3; d++) sum += (points[3 * k + d] - centres[3 * c + d]) ** 2;
    return sum;
  };
  const centres = new Float64Array(3 * S.labels), nearest = new Float64Array(P).fill(1);
  draws.forEach((draw, c) => {
    const totals = new Float64Array(P);
    let sum = 0;
    for (let k = 0; k < P; k++) totals[k] = sum += nearest[k];
    const goal = Math.max(draw * sum, 1.1754944e-38);
    let chosen = totals.findIndex((v) => v >= goal);
    if (chosen < 0) chosen = P - 1;
    centres.set(points.subarray(3 * chosen, 3 * chosen + 3), 3 * c);
    for (let k = 0; k < P; k++) nearest[k] = c ? Math.min(nearest[k], far(k, c, centres)) : far(k, c, centres);
  });
  for (let turn = 0; turn < 15; turn++) {
    const sums = new Float64Array(3 * S.labels), count = new Float64Array(S.labels);
    for (let k = 0; k < P; k++) {
      let best = 0, least = Infinity;
      for (let c = 0; c < S.labels; c++) {
        const d = far(k, c, centres);
        if (d < least) [least, best] = [d, c];
      }
      count[best]++;
      for (let d = 0; d < 3; d++) sums[3 * best + d] += points[3 * k + d];
    }
    for (let c = 0; c < S.labels; c++) if (count[c]) for (let d = 0; d < 3; d++) centres[3 * c + d] = sums[3 * c + d] / count[c];
  }
  return centres.map((v, k) => v / scale[k % 3]);
}

/** Labels at intensities and chromaticities of red and green. */
function labelsAt(centres) {
  const n = centres.length / 3, intensity = new Float64Array(n), colour = new Float64Array(3 * n);
  for (let c = 0; c < n; c++) {
    const [v, r, g] = centres.subarray(3 * c, 3 * c + 3);
    intensity[c] = Math.log(Math.max(v, DARKEST));
    [r, g, 1 - (r + g)].forEach((each, d) => { colour[3 * c + d] = Math.log(Math.max(3 * each, 1e-3)); });
  }
  return {n, intensity, colour};
}

/** L1 distance of log reflectance between labels (K × K). */
function distances({n, intensity, colour}) {
  const made = new Float64Array(n * n);
  for (let a = 0; a < n; a++) for (let b = 0; b < n; b++) for (let d = 0; d < 3; d++)
    made[a * n + b] += Math.abs(colour[3 * a + d] + intensity[a] - colour[3 * b + d] - intensity[b]);
  return made;
}

/** Cost of each label at each pixel (P × K). */
function unary(logIntensity, labels, target) {
  const n = labels.n, cost = new Float64Array(P * n);
  for (let k = 0; k < P; k++) for (let c = 0; c < n; c++) {
    const shading = logIntensity[k] - labels.intensity[c];
    cost[k * n + c] = S.absolute * Math.abs(shading - Math.log(0.5));
    if (target) cost[k * n + c] += S.smooth * (shading - target[k]) ** 2;
  }
  return {cost, n};
}

function softmax(values, n) {
  for (let k = 0; k < values.length; k += n) {
    let most = -Infinity, sum = 0;
    for (let c = k; c < k + n; c++) most = Math.max(most, values[c]);
    for (let c = k; c < k + n; c++) sum += values[c] = Math.exp(Math.max(-40, values[c] - most));
    for (let c = k; c < k + n; c++) values[c] /= sum;
  }
  return values;
}

/** Beliefs (P × K) of the fully connected CRF; the kernel is normalised. */
function meanField({cost, n}, kernel, distance) {
  let belief = softmax(Float32Array.from(cost, (v) => -S.sharpness * v), n);
  const heard = new Float64Array(n);
  for (let turn = 0; turn < S.updates; turn++) {
    const next = new Float32Array(P * n);
    for (let i = 0; i < P; i++) {
      heard.fill(0);
      for (let j = 0, row = i * P; j < P; j++) {
        const w = kernel[row + j];
        if (w < 1e-12) continue; // of a thousand such pixels none is heard
        for (let c = 0, at = j * n; c < n; c++) heard[c] += w * belief[at + c];
      }
      for (let c = 0; c < n; c++) {
        let sum = cost[i * n + c];
        for (let d = 0; d < n; d++) sum += S.pairwise * heard[d] * distance[d * n + c];
        next[i * n + c] = -S.sharpness * sum;
      }
    }
    belief = softmax(next, n);
  }
  return belief;
}

function strongest(belief, n) {
  return Int32Array.from({length: P}, (_, k) => {
    let best = 0;
    for (let c = 1; c < n; c++) if (belief[k * n + c] > belief[k * n + best]) best = c;
    return best;
  });
}

/** The labels that some pixel has, and each pixel's among them. */
function keepUsed(labels, label) {
  const kept = [...new Set(label)].sort((a, b) => a - b), place = new Map(kept.map((c, k) => [c, k]));
  const colour = Float64Array.from(kept.flatMap((c) => [...labels.colour.subarray(3 * c, 3 * c + 3)]));
  const intensity = Float64Array.from(kept, (c) => labels.intensity[c]);
  return [{n: kept.length, intensity, colour}, label.map((c) => place.get(c))];
}

/** Levels that make Σ |jump of log shading| over the edges least: IRLS, each step by conjugate
 * gradients on the graph's Laplacian. */
function leastJumps(label, logIntensity, start, steps) {
  const edges = EDGES.filter(([i, j]) => label[i] !== label[j]);
  const jumps = edges.map(([i, j]) => logIntensity[i] - logIntensity[j]);
  const a = edges.map(([i]) => label[i]), b = edges.map(([, j]) => label[j]), n = start.length;
  let level = Float64Array.from(start);
  for (let step = 0; step < steps; step++) {
    const weight = jumps.map((jump, e) => 1 / (Math.abs(jump - (level[a[e]] - level[b[e]])) + JUMP));
    const right = Float64Array.from(start, (v) => 1e-6 * v), degree = new Float64Array(n).fill(1e-6);
    weight.forEach((w, e) => {
      right[a[e]] += w * jumps[e];
      right[b[e]] -= w * jumps[e];
      degree[a[e]] += w;
      degree[b[e]] += w;
    });
    const times = (x) => {
      const y = x.map((v, k) => degree[k] * v);
      weight.forEach((w, e) => {
        y[a[e]] -= w * x[b[e]];
        y[b[e]] -= w * x[a[e]];
      });
      return y;
    };
    level = conjugate(times, right, level, degree);
  }
  return level;
}

function conjugate(times, right, guess, degree) {
  const x = Float64Array.from(guess), dot = (u, v) => u.reduce((sum, each, k) => sum + each * v[k], 0);
  const r = times(x).map((v, k) => right[k] - v);
  let z = r.map((v, k) => v / degree[k]), p = Float64Array.from(z), rz = dot(r, z);
  const enough = 1e-22 * Math.max(dot(right, right), 1e-30);
  for (let turn = 0; turn < 6 * x.length + 20 && dot(r, r) > enough; turn++) {
    const q = times(p), step = rz / dot(p, q);
    for (let k = 0; k < x.length; k++) {
      x[k] += step * p[k];
      r[k] -= step * q[k];
    }
    z = r.map((v, k) => v / degree[k]);
    const next = dot(r, z), ratio = next / rz;
    for (let k = 0; k < x.length; k++) p[k] = z[k] + ratio * p[k];
    rz = next;
  }
  return x;
}

/** The lower of the two middle values of an even number, as torch.median. */
function median(values) {
  return Float64Array.from(values).sort()[(values.length - 1) >> 1];
}

/** Mean under a Gaussian around each pixel. */
function blurred(field, sigma) {
  const w = Array.from({length: SIDE}, (_, k) => Math.exp(-0.5 * (k / sigma) ** 2));
  const along = (image, stride, step) => {
    const made = new Float64Array(P);
    for (let line = 0; line < SIDE; line++) for (let i = 0; i < SIDE; i++) {
      let sum = 0, all = 0;
      for (let j = 0; j < SIDE; j++) {
        const weight = w[Math.abs(i - j)];
        sum += weight * image[line * stride + j * step];
        all += weight;
      }
      made[line * stride + i * step] = sum / all;
    }
    return made;
  };
  return along(along(field, SIDE, 1), 1, SIDE);
}

/** 4-connected patches of equal label, numbered from 0. */
function patches(label) {
  const patch = new Int32Array(P).fill(-1);
  let found = 0;
  for (let first = 0; first < P; first++) {
    if (patch[first] >= 0) continue;
    const open = [first];
    patch[first] = found;
    while (open.length) {
      const k = open.pop(), y = Math.floor(k / SIDE), x = k % SIDE;
      const next = [];
      if (y > 0) next.push(k - SIDE);
      if (y + 1 < SIDE) next.push(k + SIDE);
      if (x > 0) next.push(k - 1);
      if (x + 1 < SIDE) next.push(k + 1);
      for (const j of next) {
        if (patch[j] < 0 && label[j] === label[first]) {
          patch[j] = found;
          open.push(j);
        }
      }
    }
    found++;
  }
  return patch;
}

/** The 98th percentile, between neighbours as torch.nanquantile. */
function high(values) {
  const order = Float64Array.from(values).sort(), at = 0.98 * (order.length - 1), k = Math.floor(at);
  return Math.max(order[k] + (at - k) * (order[Math.min(k + 1, order.length - 1)] - order[k]), DARKEST);
}

/** Albedo and shading in the scale that `decompose` of intrinsic.py documents. */
function anchored(shading, light) {
  const brightest = shading.map((_, k) => Math.max(light[k], light[P + k], light[2 * P + k]));
  const albedoHigh = high(brightest.map((v, k) => v / shading[k]));
  const scale = albedoHigh / Math.sqrt(Math.max(albedoHigh * high(shading), 1));
  const made = Float32Array.from(shading, (v, k) => Math.max(Math.min(Math.max(v * scale, DARKEST), 1), brightest[k]));
  return {shading: made, albedo: Float32Array.from(light, (v, k) => v / made[k % P])};
}
