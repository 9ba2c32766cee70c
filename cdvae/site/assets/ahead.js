// Sliders among pictures that were drawn ahead: no kernel, no network.

for (const figure of document.querySelectorAll('.ahead')) {
  const image = figure.querySelector('img'), ranges = [...figure.querySelectorAll('input')];
  const values = (range) => range.dataset.values.split(',');
  const show = () => {
    let path = figure.dataset.path, said = figure.dataset.alt;
    for (const range of ranges) {
      const value = values(range)[range.value];
      path = path.replace(`{${range.dataset.name}}`, range.value);
      said = said.replace(`{${range.dataset.name}}`, value);
      range.parentElement.querySelector('output').value = value;
      range.setAttribute('aria-valuetext', value);
    }
    image.src = path;
    image.alt = said;
  };
  for (const range of ranges) range.addEventListener('input', show);
  figure.querySelector('.sliders').hidden = false;
}
