// The explorer's controls. A change only says that the page is out of date; it is drawn again from
// what the controls say by then, so that a slider that moves fast never builds a queue.

import {arrows, fastest, lengthened} from './arrows.js';

const place = document.getElementById('explorer'), form = place.querySelector('form');
const get = (name) => form.elements[name];
const say = (text) => { place.querySelector('[role=alert]').textContent = text; };
const MOSTLY = 0.5; // the share of a photo without hue from which it is said
const BASE = new URL('./', import.meta.url);
const NAMES = {relighting: ['albedo', 'shading'], resaturation: ['value', 'saturation'], motion: ['picture', 'flow']};
const VIEWS = {
  pictures: {relighting: 'relit, details kept', resaturation: 'resaturated, details kept', motion: 'arrows on the picture'},
  fields: {relighting: 'shading, 32 × 32', resaturation: 'saturation, 32 × 32', motion: 'flow in colours, 32 × 32'},
};

let data, worker, own = null, number = 0, busy = false, stale = false, opened = performance.now();
const waiting = new Map();

/** Ask the worker; the answer comes as a promise. */
function ask(action, rest) {
  const id = ++number;
  worker.postMessage({id, action, ...rest});
  return new Promise((done, failed) => waiting.set(id, {done, failed}));
}

function heard({data: {id, made, error, known, ms}}) {
  const {done, failed} = waiting.get(id);
  waiting.delete(id);
  if (error) failed(Object.assign(new Error(error), {known}));
  else done(Object.assign(made, {ms}));
}

const chosen = () => {
  const key = new FormData(form).get('picture');
  if (key === 'own') return own && {key: own.key, kind: 'photo', title: own.file.name, file: own.file, draws: data.draws};
  return {...data.pictures.find((each) => each.key === key), draws: data.draws};
};

/** The models for a task and picture: scenes see models of scenes, photos those of photos. */
const offered = (about) => data.models.filter((each) => each.task === get('task').value && (each.data === 'scenes') === (about.kind === 'scene'));

function options(select, pairs, first) {
  const before = select.value;
  if (pairs.map(([value]) => value).join() === [...select.options].map((each) => each.value).join()) {
    pairs.forEach(([, text], k) => { select.options[k].textContent = text; });
    return;
  }
  select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
  select.value = pairs.some(([value]) => value === before) ? before : first;
}

/** Bring the controls in line with each other. */
function align(about) {
  const models = offered(about), task = get('task').value;
  options(get('method'), models.map((each) => [each.method, each.label]), models.some((each) => each.method === 'mdn12') ? 'mdn12' : models[0].method);
  const model = models.find((each) => each.method === get('method').value);
  const components = Array.from({length: model.n_components}, (_, k) => [`${k + 1}`, `${k + 1} alone`]);
  options(get('component'), [['0', 'all, by weight'], ...components], '0');
  options(get('view'), Object.entries(VIEWS).map(([name, texts]) => [name, texts[task]]), 'pictures');
  get('component').disabled = !components.length;
  get('spread').disabled = !model.inputs.includes('spread');
  for (const name of ['n', 'seed', 'spread']) place.querySelector(`output[for=x-${name}]`).value = get(name).value;
  return model;
}

const later = () => {
  if (busy) stale = true;
  else draw();
};

async function draw() {
  const about = chosen();
  if (!about) return say('No photo yet: choose a file.');
  busy = true;
  const start = performance.now();
  try {
    const model = align(about), choices = {view: get('view').value};
    for (const name of ['n', 'seed', 'spread', 'component']) choices[name] = Number(get(name).value);
    place.setAttribute('aria-busy', 'true');
    const made = await ask('page', {about, model, choices, map: data.map});
    if (!stale) {
      show(made, about, model, choices);
      say('');
      place.dataset.ms = Math.round(performance.now() - start); // from the change to the picture
      place.dataset.first ||= Math.round(performance.now() - opened);
      place.dataset.drawn = Number(place.dataset.drawn || 0) + 1;
    }
  } catch (error) {
    say(error.known ? error.message : `This did not work (${error.message}); the last page stays.`);
    if (about.file) subjectFailed();
  }
  busy = false;
  place.setAttribute('aria-busy', 'false');
  if (stale) {
    stale = false;
    draw();
  }
}

/** A file that cannot be read is let go; the page stays as it was. */
function subjectFailed() {
  own = null;
  get('file').value = '';
  const last = form.querySelector(`[name=picture][value="${place.dataset.shown}"]`);
  if (last) last.checked = true;
}

function show(made, about, model, choices) {
  const {task} = model, [layerC, layerG] = NAMES[task];
  const tiles = [[made.original, about.title], [made.given, `given: ${layerC}`]];
  if (made.truth) tiles.push([made.truth, `its own ${layerG}`]);
  fill(place.querySelector('.given'), tiles);
  const flows = made.tiles.filter((each) => each.flow).map((each) => each.flow);
  const top = flows.length ? fastest(flows) : 0;
  fill(place.querySelector('.samples'), made.tiles.map((each, k) => [each, `sample ${k + 1}`]), top);
  const what = VIEWS[choices.view][task], how = [`seed ${choices.seed}`];
  if (model.inputs.includes('spread')) how.push(`spread × ${choices.spread}`);
  if (choices.component) how.push(`component ${choices.component} alone`);
  const speed = top ? ` The fastest moves ${top.toFixed(1)} px/s of the 32 × 32 grid; arrows are drawn ${lengthened(top).toFixed(1)} times as long.` : '';
  const stays = made.withoutHue >= MOSTLY ? ` ${Math.round(100 * made.withoutHue)}% of it has no hue and stays as it is.` : '';
  place.querySelector('.said').textContent = `${about.title}, ${task} by ${model.label}: ${choices.n} samples, ${what}; ${how.join(', ')}.${speed}${stays}`;
  place.querySelector('.credit').textContent = about.credit || '';
  bars(made.weights, choices.component);
  place.dataset.shown = about.file ? 'own' : about.key;
  place.classList.add('live');
}

/** Canvases with their captions in a list; those that are there are drawn anew. */
function fill(list, tiles, top = 0) {
  while (list.children.length > tiles.length) list.lastChild.remove();
  while (list.children.length < tiles.length) {
    const item = document.createElement('figure'), canvas = document.createElement('canvas');
    canvas.setAttribute('role', 'img');
    item.append(canvas, document.createElement('figcaption'));
    list.append(item);
  }
  tiles.forEach(([tile, text], k) => {
    const canvas = list.children[k].firstChild, {side} = tile;
    if (canvas.width !== side) canvas.width = canvas.height = side;
    canvas.classList.toggle('small', side === 32);
    canvas.getContext('2d').putImageData(new ImageData(tile.rgba, side, side), 0, 0);
    if (tile.flow) point(canvas, tile.flow, top);
    canvas.setAttribute('aria-label', text);
    list.children[k].lastChild.textContent = text;
  });
}

/** The arrows of a flow over a picture, seen on light and on dark. */
function point(canvas, flow, top) {
  const context = canvas.getContext('2d'), cell = canvas.width / 32, longer = lengthened(top) * cell;
  for (const each of arrows(flow, top)) {
    const x = each.x * cell, y = each.y * cell, dx = each.dx * longer, dy = each.dy * longer;
    const angle = Math.atan2(dy, dx), head = Math.min(0.6 * Math.hypot(dx, dy), canvas.width / 22);
    for (const [width, colour] of [[canvas.width / 50, 'black'], [canvas.width / 110, '#F0E442']]) {
      context.lineWidth = width;
      context.strokeStyle = context.fillStyle = colour;
      context.lineJoin = 'round';
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + dx, y + dy);
      context.stroke();
      context.beginPath();
      context.moveTo(x + dx, y + dy);
      for (const turn of [2.7, -2.7]) context.lineTo(x + dx + head * Math.cos(angle + turn), y + dy + head * Math.sin(angle + turn));
      context.closePath();
      context.fill();
      context.stroke();
    }
  }
}

/** The mixture's weights. */
function bars(weights, marked) {
  const list = place.querySelector('.weights');
  list.hidden = !weights;
  const most = weights ? Math.max(...weights) : 1;
  list.querySelector('ol').replaceChildren(...(weights || []).map((value, k) => {
    const bar = document.createElement('li');
    bar.style.setProperty('--share', value / most);
    bar.textContent = value.toFixed(2);
    bar.classList.toggle('marked', k + 1 === marked);
    return bar;
  }));
}

function listen() {
  form.addEventListener('input', (event) => { if (event.target.name !== 'file') later(); });
  form.addEventListener('submit', (event) => event.preventDefault());
  get('file').addEventListener('change', () => take(get('file').files[0]));
  place.addEventListener('dragover', (event) => event.preventDefault());
  place.addEventListener('drop', (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}

function take(file) {
  if (!file) return;
  own = {file, key: `own-${++number}`};
  form.querySelector('[name=picture][value=own]').checked = true;
  later();
}

const able = typeof WebAssembly === 'object' && typeof OffscreenCanvas === 'function' && typeof Worker === 'function';
if (able) {
  worker = new Worker(new URL('worker.js', BASE), {type: 'module'});
  worker.onmessage = heard;
  worker.onerror = () => say('This browser cannot run the models; the pictures above were drawn ahead.');
  data = await (await fetch(new URL('data.json', BASE))).json();
  form.hidden = false;
  listen();
  later();
  window.cdvae = {ask, data}; // for tests: the same noise to browser and package
} else {
  say('This browser runs no WebAssembly: the pictures were drawn ahead, and the two sliders choose among them.');
}
