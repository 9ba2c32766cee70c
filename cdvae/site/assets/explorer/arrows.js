// Motion as arrows (Figure 8), as cdvae/figures/arrows.py has it.

const SIZE = 32, ALIKE = 0.5, LARGE = 0.5, SMALLEST = 12, LONGEST = 7;

/** The 98th percentile of the lengths in flows (each 2 × 32 × 32), px per second. */
export function fastest(flows) {
  const n = SIZE * SIZE, lengths = [];
  for (const flow of flows) for (let k = 0; k < n; k++) lengths.push(Math.hypot(flow[k], flow[n + k]));
  lengths.sort((a, b) => a - b);
  const at = 0.98 * (lengths.length - 1), k = Math.floor(at);
  return lengths[k] + (at - k) * (lengths[Math.min(k + 1, lengths.length - 1)] - lengths[k]);
}

/** How many times its length an arrow is drawn. */
export const lengthened = (top) => Math.max(1, LONGEST / Math.max(top, 1e-6));

/** The arrows of a flow, the largest region first: {x, y, dx, dy, cells} in cells. */
export function arrows(flow, top) {
  const n = SIZE * SIZE, least = Math.max(LARGE * top, 1e-6), found = [];
  const patch = new Int32Array(n).fill(-1);
  for (let k = 0; k < n; k++) if (Math.hypot(flow[k], flow[n + k]) < least) patch[k] = -2;
  for (let first = 0; first < n; first++) {
    if (patch[first] !== -1) continue;
    const cells = [first];
    patch[first] = first;
    for (let i = 0; i < cells.length; i++) for (const j of beside(cells[i])) if (patch[j] === -1) {
      patch[j] = first;
      cells.push(j);
    }
    if (cells.length < SMALLEST) continue;
    cells.sort((a, b) => a - b);
    for (const region of alike(flow, cells, ALIKE * top)) if (region.length >= SMALLEST) found.push(arrow(flow, region));
  }
  return found.sort((a, b) => b.cells - a.cells);
}

function* beside(k) {
  const y = Math.floor(k / SIZE), x = k % SIZE;
  if (y > 0) yield k - SIZE;
  if (y + 1 < SIZE) yield k + SIZE;
  if (x > 0) yield k - 1;
  if (x + 1 < SIZE) yield k + 1;
}

function arrow(flow, region) {
  region.sort((a, b) => a - b); // of two cells as near the first counts
  const n = SIZE * SIZE, mean = (of) => region.reduce((sum, k) => sum + of(k), 0) / region.length;
  const y = mean((k) => Math.floor(k / SIZE)), x = mean((k) => k % SIZE);
  const far = (k) => Math.hypot(Math.floor(k / SIZE) - y, (k % SIZE) - x);
  const middle = region.reduce((best, k) => (far(k) < far(best) ? k : best), region[0]);
  return {
    x: (middle % SIZE) + 0.5, y: Math.floor(middle / SIZE) + 0.5,
    dx: mean((k) => flow[k]), dy: mean((k) => flow[n + k]), cells: region.length,
  };
}

/** Regions of a connected patch that move alike: neighbours are joined, the most alike first
 * (average linkage), and the joins that were as far as the threshold are undone, the last first. */
function alike(flow, cells, threshold) {
  const n = SIZE * SIZE, place = new Map(cells.map((k, i) => [k, i]));
  const near = cells.map(() => new Map()), heap = new Heap();
  cells.forEach((k, i) => {
    for (const other of beside(k)) {
      const j = place.get(other);
      if (j === undefined || j >= i) continue;
      const d = Math.hypot(flow[k] - flow[other], flow[n + k] - flow[n + other]);
      near[i].set(j, d);
      near[j].set(i, d);
      heap.push([d, i, j]);
    }
  });
  const size = cells.map(() => 1), gone = cells.map(() => false), joins = [];
  while (joins.length + 1 < cells.length) {
    const [d, a, b] = heap.pop();
    if (gone[a] || gone[b]) continue;
    const made = near.length, next = new Map();
    gone[a] = gone[b] = true;
    for (const [mine, theirs, weight, other] of [[a, b, size[a], size[b]], [b, a, size[b], size[a]]])
      for (const [j, value] of near[mine]) {
        if (gone[j] || next.has(j)) continue;
        const against = near[theirs].get(j);
        next.set(j, against === undefined ? value : (weight * value + other * against) / (weight + other));
      }
    near.push(next);
    size.push(size[a] + size[b]);
    gone.push(false);
    joins.push([a, b, d]);
    for (const [j, value] of next) {
      near[j].set(made, value);
      heap.push([value, made, j]);
    }
  }
  const kept = joins.length - joins.filter(([, , d]) => d >= threshold).length;
  const regions = new Map(cells.map((k, i) => [i, [k]]));
  joins.slice(0, kept).forEach(([a, b], i) => {
    regions.set(cells.length + i, [...regions.get(a), ...regions.get(b)]);
    regions.delete(a);
    regions.delete(b);
  });
  return [...regions.values()];
}

/** Entries by their first numbers, the least first. */
class Heap {
  items = [];

  static before(a, b) {
    for (let k = 0; k < 3; k++) if (a[k] !== b[k]) return a[k] < b[k];
    return false;
  }

  push(item) {
    const {items} = this;
    let k = items.push(item) - 1;
    for (let up; k > 0 && Heap.before(items[k], items[(up = (k - 1) >> 1)]); k = up) [items[k], items[up]] = [items[up], items[k]];
  }

  pop() {
    const {items} = this, first = items[0], last = items.pop();
    if (items.length) {
      items[0] = last;
      for (let k = 0, down; (down = 2 * k + 1) < items.length; k = down) {
        if (down + 1 < items.length && Heap.before(items[down + 1], items[down])) down++;
        if (!Heap.before(items[down], items[k])) break;
        [items[k], items[down]] = [items[down], items[k]];
      }
    }
    return first;
  }
}
