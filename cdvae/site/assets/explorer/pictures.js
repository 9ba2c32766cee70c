// Colours, and from generated layers to pictures: cdvae/postprocess/details.py for a browser.

const DIMMEST = 0.05, HUELESS = 8 / 255, FULL_FLOW = 6, NEWLY_WHITE = 0.02, SHOULDER = 0.1;
const STEPS = 65535;

const toLinear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const toScreen = (v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);
const WHITE = toLinear(254.5 / 255);
const LINEAR = Float32Array.from({length: 256}, (_, k) => toLinear(k / 255));
const SCREEN = Float32Array.from({length: STEPS + 1}, (_, k) => 255 * toScreen(k / STEPS));
const clamp = (v) => (v < 0 ? 0 : v > 1 ? 1 : v);

export {toLinear};

/** Luma of 8-bit sRGB with alpha, by BT.601, in [0, 1]. */
export function grey(rgba) {
  const made = new Float64Array(rgba.length / 4);
  for (let k = 0; k < made.length; k++)
    made[k] = (0.299 * rgba[4 * k] + 0.587 * rgba[4 * k + 1] + 0.114 * rgba[4 * k + 2]) / 255;
  return made;
}

/** HSV value and saturation of planes (3 × n) in [0, 1]. */
export function valueSaturation(planes) {
  const n = planes.length / 3, value = new Float32Array(n), saturation = new Float32Array(n);
  for (let k = 0; k < n; k++) {
    const most = Math.max(planes[k], planes[n + k], planes[2 * n + k]);
    const least = Math.min(planes[k], planes[n + k], planes[2 * n + k]);
    value[k] = most;
    saturation[k] = most > 0 ? (most - least) / Math.max(most, 1e-12) : 0;
  }
  return {value, saturation};
}

const logShading = (v) => Math.log(Math.max(v, DIMMEST));

/** A picture under each generated shading, its details kept (Eq. 10 in log shading). */
export function relit(rgba, generated, reproduced, upsample) {
  const change = upsample(Float32Array.from(generated, (v, k) => logShading(v) - logShading(reproduced[k])));
  const factors = change.map(Math.exp), steps = STEPS * exposure(rgba, factors);
  const made = new Uint8ClampedArray(rgba.length);
  for (let k = 0; k < change.length; k++) {
    const factor = factors[k] * steps;
    for (let c = 4 * k; c < 4 * k + 3; c++) {
      const light = LINEAR[rgba[c]] * factor;
      made[c] = SCREEN[light > STEPS ? STEPS : (light + 0.5) | 0];
    }
    made[4 * k + 3] = 255;
  }
  return made;
}

/** The largest factor, at most 1, that leaves NEWLY_WHITE of the pixels newly white in a channel. */
function exposure(rgba, factors) {
  const newly = [];
  for (let k = 0; k < factors.length; k++) {
    let most = 0; // of the channels that are not white yet
    for (let c = 4 * k; c < 4 * k + 3; c++) if (rgba[c] < 255) most = Math.max(most, LINEAR[rgba[c]]);
    if (most * factors[k] > WHITE) newly.push(most * factors[k]);
  }
  const allowed = Math.floor(NEWLY_WHITE * factors.length);
  return newly.length <= allowed ? 1 : WHITE / newly.sort((a, b) => b - a)[allowed];
}

/** A picture with each generated saturation, its details, hue and value kept. `isLinear`: its
 * layers are those of linear light, as of drawn scenes. */
export function resaturated(rgba, generated, reproduced, upsample, isLinear = false) {
  const change = upsample(Float32Array.from(generated, (v, k) => v - reproduced[k]));
  const made = new Uint8ClampedArray(rgba.length);
  const read = isLinear ? (v) => LINEAR[v] : (v) => v / 255;
  const shown = isLinear ? (v) => SCREEN[(clamp(v) * STEPS + 0.5) | 0] : (v) => 255 * v;
  for (let k = 0; k < change.length; k++) {
    const r = read(rgba[4 * k]), g = read(rgba[4 * k + 1]), b = read(rgba[4 * k + 2]);
    const value = Math.max(r, g, b), span = value - Math.min(r, g, b);
    const own = value > 0 ? span / value : 0;
    const wanted = own + Math.min(1, span / HUELESS) ** 2 * change[k];
    const ratio = bent(wanted, own) / (own > 0 ? own : 1);
    made[4 * k] = shown(value - (value - r) * ratio);
    made[4 * k + 1] = shown(value - (value - g) * ratio);
    made[4 * k + 2] = shown(value - (value - b) * ratio);
    made[4 * k + 3] = 255;
  }
  return made;
}

/** The share of pixels whose hue is noise, if they have one at all. */
export function withoutHue(rgba) {
  let n = 0;
  for (let k = 0; k < rgba.length; k += 4) {
    const r = rgba[k], g = rgba[k + 1], b = rgba[k + 2];
    n += (Math.max(r, g, b) - Math.min(r, g, b)) / 255 < HUELESS;
  }
  return n / (rgba.length / 4);
}

/** A saturation of any size in [0, 1], where `own` becomes `own`. */
function bent(wanted, own) {
  const rises = wanted > own, far = rises ? 1 - wanted : wanted;
  const room = Math.min(SHOULDER, rises ? 1 - own : own);
  const kept = far < room ? room * room / (2 * room - far) : far;
  return rises ? 1 - kept : kept;
}

/** A scalar field (32 × 32) in [0, 1] by a colour map of 256 colours (3 × 256 bytes). */
export function scalarColours(field, map) {
  const made = new Uint8ClampedArray(4 * field.length);
  field.forEach((v, k) => {
    const c = 3 * Math.min(255, Math.floor(clamp(v) * 256));
    made.set([map[c], map[c + 1], map[c + 2], 255], 4 * k);
  });
  return made;
}

/** Flow (2 × 32 × 32) as colours: hue is the direction, saturation the length up to FULL_FLOW. */
export function flowColours(flow) {
  const n = flow.length / 2, made = new Uint8ClampedArray(4 * n);
  for (let k = 0; k < n; k++) {
    const x = flow[k], y = flow[n + k], s = Math.min(1, Math.hypot(x, y) / FULL_FLOW);
    const h = 6 * (((Math.atan2(y, x) / (2 * Math.PI)) % 1 + 1) % 1);
    const at = (shift) => {
      const t = (shift + h) % 6;
      return 255 * (1 - s * Math.max(0, Math.min(t, 4 - t, 1)));
    };
    made.set([at(5), at(3), at(1), 255], 4 * k);
  }
  return made;
}

/** Planes (3 × n) in linear light or sRGB as 8-bit sRGB with alpha. */
export function planesAsRgba(planes, channels, isLinear) {
  const n = planes.length / channels, made = new Uint8ClampedArray(4 * n);
  for (let k = 0; k < n; k++) {
    for (let c = 0; c < 3; c++) {
      const v = clamp(planes[(channels === 3 ? c * n : 0) + k]);
      made[4 * k + c] = isLinear ? SCREEN[(v * STEPS + 0.5) | 0] : 255 * v;
    }
    made[4 * k + 3] = 255;
  }
  return made;
}
