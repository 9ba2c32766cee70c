"""Pictures in few bytes: figures of few colours as PNG with a palette, photos as JPEG."""

from io import BytesIO

FEW = 4096  # colours; with so few, 256 of them are within 16 of 255 of every pixel, 3 of most
PHOTOS = {"quality": 85, "subsampling": 0, "optimize": True}  # letters keep their edges
WORTH = 0.6  # of a PNG's bytes, for a JPEG that takes its place


def light_png(png: bytes) -> bytes:
    """A PNG on white: with a palette if its colours are few, else without a loss."""
    return as_png(on_white(png))


def light(png: bytes) -> tuple[str, bytes]:
    """A PNG as what shows the same in fewer bytes, with its MIME type: of a photo a JPEG."""
    image = on_white(png)
    small, data = as_png(image), BytesIO()
    if not image.getcolors(FEW):
        image.save(data, "JPEG", **PHOTOS)
        if len(data.getvalue()) < WORTH * len(small):
            return "image/jpeg", data.getvalue()
    return "image/png", small


def as_png(image) -> bytes:
    """A Pillow image as PNG, with a palette if its colours are few."""
    from PIL import Image

    if image.getcolors(FEW):
        image = image.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    data = BytesIO()
    image.save(data, "PNG", optimize=True)
    return data.getvalue()


def on_white(png: bytes):
    """The Pillow image without its transparency."""
    from PIL import Image

    image = Image.open(BytesIO(png)).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
