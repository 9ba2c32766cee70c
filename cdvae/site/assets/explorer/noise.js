// Random numbers of a seed: the same seed gives the same draws in every browser.

/** Uniform numbers in [0, 1) by sfc32 (C. Doty-Humphrey's small fast counter), seeded by a number. */
export function uniform(seed) {
  let a = 0x9e3779b9, b = 0x243f6a88, c = (seed >>> 0) ^ 0xb7e15162, d = 1;
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 4294967296;
  };
  for (let k = 0; k < 16; k++) next(); // until the seed is mixed in
  return next;
}

/** n independent N(0, 1) by Box and Muller. */
export function normals(next, n) {
  const made = new Float32Array(n);
  for (let k = 0; k < n; k += 2) {
    const r = Math.sqrt(-2 * Math.log(1 - next())), angle = 2 * Math.PI * next();
    made[k] = r * Math.cos(angle);
    if (k + 1 < n) made[k + 1] = r * Math.sin(angle);
  }
  return made;
}

/** n independent Exp(1), none of them 0. */
export function exponentials(next, n) {
  return Float32Array.from({length: n}, () => Math.max(-Math.log(1 - next()), 1e-30));
}
