"""One image file as an array."""

from pathlib import Path

import numpy as np

from jaxsize.errors import InputError, require_package


def read_image(path: Path) -> np.ndarray:
    """Read an image: uint8 [H, W, 1] if it is grey, else [H, W, 3].

    Raises:
        InputError: when the file is no image, has more than 8 bits a channel, or is transparent somewhere.
    """
    require_package("PIL", "data")
    from PIL import Image

    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode in ("1", "L"):
                return np.asarray(image.convert("L"))[..., None]
            if mode[0] in "IF":
                raise InputError(f"{path}: expected 8 bits a channel, got an image of mode {mode}")
            if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
                pixels = np.asarray(image.convert("RGBA"))
                if pixels[..., 3].min() < 255:
                    raise InputError(f"{path}: expected an image without transparent pixels")
                return pixels[..., :1] if mode in ("LA", "La") else pixels[..., :3]
            return np.asarray(image.convert("RGB"))
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as an image ({error})") from None
