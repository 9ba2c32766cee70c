"""Layout features against a raster."""

import numpy as np

from cdvae.data.photos.semantics import label_distribution, layout_coverage


def test_coverage_is_what_a_fine_raster_says():
    rng = np.random.default_rng(0)
    size, cells = (200, 150), 5
    for _ in range(20):
        n = rng.integers(1, 8)
        corners = np.sort(rng.integers(0, 150, size=(n, 2, 2)), axis=1)
        boxes = np.concatenate([corners[:, 0], corners[:, 1] + 1], axis=1).astype(float)
        categories = rng.integers(0, 3, size=n)
        raster = np.zeros((3, size[1], size[0]))
        for (x0, y0, x1, y1), category in zip(boxes.astype(int), categories, strict=True):
            raster[category, y0:y1, x0:x1] = 1
        blocks = raster.reshape(3, cells, size[1] // cells, cells, size[0] // cells)
        found = layout_coverage(boxes, categories, 3, size)
        np.testing.assert_allclose(found, blocks.mean((2, 4)), atol=1e-6)


def test_a_whole_image_box_covers_everything_once():
    boxes = np.array([[0, 0, 640, 480], [0, 0, 640, 480]], float)
    found = layout_coverage(boxes, np.array([1, 1]), 2, (640, 480))
    np.testing.assert_allclose(found[1], 1, atol=1e-6)
    assert found[0].sum() == 0


def test_labels_are_shares():
    np.testing.assert_allclose(label_distribution(np.array([0, 0, 2]), 4), [2 / 3, 0, 1 / 3, 0])
    assert label_distribution(np.array([], int), 4).sum() == 0
