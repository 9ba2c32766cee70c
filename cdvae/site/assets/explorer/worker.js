// The explorer's work, beside the page: decoding, networks, pictures. Nothing leaves the browser.

import * as ort from './ort.wasm.min.mjs';
import {decompose} from './intrinsic.js';
import {exponentials, normals, uniform} from './noise.js';
import * as pictures from './pictures.js';
import {Upsampler} from './upsample.js';

const SIZE = 32, CELLS = SIZE * SIZE, SIDE = 512, MOST = 40e6; // pixels of a photo
const DRAWN = 16; // draws behind every page: one more sample leaves the others as they were
ort.env.wasm.numThreads = 1; // threads would need headers that simple hosts do not send
ort.env.wasm.wasmPaths = new URL('./', import.meta.url).href;

const sessions = new Map(), subjects = new Map();

/** A fault of the reader's file, in a sentence. */
class Unusable extends Error {}

async function session(model) {
  if (!sessions.has(model.file)) {
    const url = new URL(model.file, import.meta.url).href;
    const made = ort.InferenceSession.create(url, {executionProviders: ['wasm']});
    made.catch(() => sessions.delete(model.file)); // so that it is tried again
    sessions.set(model.file, made);
  }
  return sessions.get(model.file);
}

/** The picture behind an address or a file, with its layers made when a task asks for them. */
async function subject(about) {
  if (subjects.has(about.key)) return subjects.get(about.key);
  const made = about.kind === 'scene' ? await scene(about) : await photo(about);
  subjects.set(about.key, made);
  if (subjects.size > 4) subjects.delete(subjects.keys().next().value); // an upsampler has 50 MB
  return made;
}

async function scene({picture, layers}) {
  const {data, width} = await pixels(await (await fetch(new URL(picture, import.meta.url))).blob());
  const numbers = new Float32Array(await (await fetch(new URL(layers.file, import.meta.url))).arrayBuffer());
  const plane = ([start, n]) => numbers.slice(start * CELLS, (start + n) * CELLS);
  const ofTask = (task) => ({x_c: plane(layers[task].c), x_g: plane(layers[task].g), known: true});
  return {rgba: data, side: width, isScene: true, layersOf: ofTask};
}

async function photo({picture, file, draws}) {
  const blob = file || await (await fetch(new URL(picture, import.meta.url))).blob();
  const name = file ? file.name : picture;
  const {data, width, height} = await pixels(blob, name);
  const planes = boxed(data, width, height), made = {};
  const ofTask = (task) => {
    if (made[task]) return made[task];
    if (task === 'motion') return made[task] = {x_c: planes, x_g: new Float32Array(2 * CELLS), known: false};
    if (task === 'resaturation') {
      const {value, saturation} = pictures.valueSaturation(planes);
      return made[task] = {x_c: value, x_g: saturation, known: true};
    }
    const {albedo, shading} = decompose(Float32Array.from(planes, pictures.toLinear), draws);
    return made[task] = {x_c: albedo, x_g: shading, known: true};
  };
  return {rgba: await squared(blob), side: SIDE, isScene: false, layersOf: ofTask};
}

/** A picture's pixels as 8-bit sRGB, turned as its file says. */
async function pixels(blob, name = 'the picture') {
  let image;
  try {
    image = await createImageBitmap(blob, {imageOrientation: 'from-image'});
  } catch {
    throw new Unusable(`${name} cannot be read as a photo: give a JPEG, PNG, WebP, GIF or BMP file.`);
  }
  const {width, height} = image;
  if (width * height > MOST) throw new Unusable(`${name} has more than ${MOST / 1e6} million pixels: give a smaller one.`);
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0);
  return {data: context.getImageData(0, 0, width, height).data, width, height};
}

/** Stretched to a square for the screen. */
async function squared(blob) {
  const image = await createImageBitmap(blob, {imageOrientation: 'from-image'});
  const context = new OffscreenCanvas(SIDE, SIDE).getContext('2d');
  context.fillStyle = 'white';
  context.fillRect(0, 0, SIDE, SIDE);
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, SIDE, SIDE);
  return context.getImageData(0, 0, SIDE, SIDE).data;
}

/** Means over the cells of the grid (3 × 1024) in [0, 1], rounded to 8 bits. */
function boxed(data, width, height) {
  const sums = new Float64Array(3 * CELLS), count = new Float64Array(CELLS);
  const tall = Math.max(height, SIZE), wide = Math.max(width, SIZE); // small ones are repeated
  for (let y = 0; y < tall; y++) for (let x = 0; x < wide; x++) {
    const cell = Math.floor((y + 0.5) * SIZE / tall) * SIZE + Math.floor((x + 0.5) * SIZE / wide);
    const k = 4 * (Math.floor((y + 0.5) * height / tall) * width + Math.floor((x + 0.5) * width / wide));
    for (let c = 0; c < 3; c++) sums[c * CELLS + cell] += data[k + c];
    count[cell]++;
  }
  return Float32Array.from(sums, (sum, k) => Math.round(sum / count[k % CELLS]) / 255);
}

/** The inputs of a graph for these choices; every page of a seed takes the same draws. */
function feedsOf(model, layers, {n, seed, spread, component}, noise = {}) {
  const next = uniform(seed), own = uniform(seed + 1e6);
  const made = {
    x_c: [layers.x_c, [1, model.channels_c, SIZE, SIZE]],
    x_g: [layers.x_g, [1, model.channels_g, SIZE, SIZE]],
    noise: [noise.noise || normals(next, DRAWN * model.n_noise).slice(0, n * model.n_noise), [n, model.n_noise]],
    own_noise: [noise.own_noise || normals(own, model.n_own), [1, model.n_own]],
    spread: [Float32Array.of(spread), [1]],
    component: [BigInt64Array.of(BigInt(component - 1)), [1]],
    choice: [noise.choice || exponentials(next, DRAWN * model.n_components).slice(0, n * model.n_components), [n, model.n_components]],
  };
  const tensor = ([data, dims]) => new ort.Tensor(data instanceof BigInt64Array ? 'int64' : 'float32', data, dims);
  return Object.fromEntries(model.inputs.map((name) => [name, tensor(made[name])]));
}

/** Samples of a model for a layer. */
async function run(model, layers, choices, noise) {
  const found = await (await session(model)).run(feedsOf(model, layers, choices, noise));
  const fields = found.fields.data, size = model.channels_g * CELLS;
  return {
    fields: Array.from({length: choices.n}, (_, k) => fields.slice(k * size, (k + 1) * size)),
    reproduced: found.reproduced.data,
    weights: found.weights ? Array.from(found.weights.data) : null,
  };
}

/** A page: what is given, and the samples in the way that was chosen. */
async function page({about, model, choices, map}) {
  session(model).catch(() => {}); // compiles beside what follows; `run` waits for it
  const one = await subject(about), {task} = model, layers = one.layersOf(task);
  const withDetails = choices.view !== 'fields' && task !== 'motion';
  if (withDetails) one.upsampler ||= new Upsampler(pictures.grey(one.rgba), one.side);
  const {fields, reproduced, weights} = await run(model, layers, choices);
  const isFlow = task === 'motion', small = (rgba) => ({rgba, side: SIZE});
  const coloured = (field) => small(isFlow ? pictures.flowColours(field) : pictures.scalarColours(field, map));
  const isLinear = task === 'relighting' || one.isScene;
  const given = small(pictures.planesAsRgba(layers.x_c, model.channels_c, isLinear));
  let tiles;
  if (choices.view === 'fields') tiles = fields.map(coloured);
  else if (!withDetails) tiles = fields.map((flow) => ({rgba: one.rgba.slice(), side: one.side, flow}));
  else {
    const up = (field) => one.upsampler.upsample(field);
    const make = task === 'relighting' ? pictures.relit : pictures.resaturated;
    tiles = fields.map((field) => ({rgba: make(one.rgba, field, reproduced, up, one.isScene), side: one.side}));
  }
  return {
    original: {rgba: one.rgba.slice(), side: one.side}, given, tiles, weights,
    truth: layers.known ? coloured(layers.x_g) : null,
    withoutHue: task === 'resaturation' && !one.isScene ? pictures.withoutHue(one.rgba) : 0,
  };
}

const ACTIONS = {
  page,
  fields: ({model, layers, choices, noise}) => run(model, layers, choices, noise), // for tests
};

self.onmessage = async ({data: {id, action, ...rest}}) => {
  const start = performance.now();
  try {
    const made = await ACTIONS[action](rest);
    self.postMessage({id, made, ms: performance.now() - start});
  } catch (error) {
    self.postMessage({id, error: error.message || String(error), known: error instanceof Unusable});
  }
};
