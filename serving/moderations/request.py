"""What a client of OpenAI's moderations protocol asks for; what it cannot take is refused as that protocol does."""

from dataclasses import dataclass

from models.report import MAX_TEXT
from serving.moderations.errors import Refused

MODELS = (
    "omni-moderation-latest",
    "omni-moderation-2024-09-26",
    "text-moderation-latest",
    "text-moderation-stable",
    "text-moderation-007",
)
_EXPECTED = "a string, an array of strings, or an array of objects with a type"


@dataclass(frozen=True)
class Asked:
    """The texts to score, one result each; `image` says that one came along, which nobody reads."""

    texts: list[str]
    image: bool = False


def read(value: object, most: int) -> Asked:
    """What a decoded body asks for, at most so many results. Raises Refused; fields unknown to it do not matter."""
    if not isinstance(value, dict):
        raise Refused("invalid_type", "Invalid type for the request body: expected an object.", param=None)
    _check_model(value.get("model"))
    if "input" not in value:
        raise Refused("missing_required_parameter", "Missing required parameter: 'input'.", param="input")
    given = value["input"]
    if isinstance(given, str):
        return Asked([_text("input", given)])
    if not isinstance(given, list):
        raise _wrong_type("input", _EXPECTED, given)
    if not given:
        message = (
            "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        raise Refused("empty_array", message, param="input")
    if len(given) > most:
        message = (
            f"Invalid 'input': array too long. Expected an array with maximum length {most}, "
            f"but got an array with length {len(given)} instead."
        )
        raise Refused("array_above_max_length", message, param="input")
    if isinstance(given[0], dict):
        return _parts(given)
    return Asked([_text(f"input[{i}]", item) for i, item in enumerate(given)])


def _check_model(model: object) -> None:
    if model is None:
        return
    if not isinstance(model, str):
        raise _wrong_type("model", "a string", model)
    if model not in MODELS:
        supported = ", ".join(f"'{name}'" for name in MODELS)
        raise Refused("invalid_value", f"Invalid value for 'model'. Supported values are: {supported}.", param="model")


def _parts(given: list[object]) -> Asked:
    """The parts of one message: its texts belong together, and get one result."""
    texts, images = [], 0
    for i, part in enumerate(given):
        place = f"input[{i}]"
        if not isinstance(part, dict):
            raise _wrong_type(place, "an object", part)
        kind = part.get("type")
        if kind == "text":
            texts.append(_text(f"{place}.text", part.get("text")))
        elif kind == "image_url":
            image = part.get("image_url")
            if not isinstance(image, dict) or not isinstance(image.get("url"), str):
                raise _wrong_type(f"{place}.image_url", "an object with a url", image)
            images += 1
        else:
            message = f"Invalid value for '{place}.type'. Supported values are: 'text' and 'image_url'."
            raise Refused("invalid_value", message, param=f"{place}.type")
    if images > 1:
        raise Refused("too_many_images", f"Number of images ({images}) exceeds maximum of 1", param="input")
    if not texts:
        message = "Invalid 'input': images are not read here. Send text, alone or beside the image."
        raise Refused("unsupported_image", message, param="input")
    return Asked([_text("input", "\n".join(texts))], image=images > 0)


def _text(place: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(place, "a string", value)
    if len(value) > MAX_TEXT:
        message = (
            f"Invalid '{place}': string too long. Expected a string with maximum length {MAX_TEXT}, "
            f"but got a string with length {len(value)} instead."
        )
        raise Refused("string_above_max_length", message, param=place)
    return value


def _wrong_type(place: str, expected: str, value: object) -> Refused:
    name = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string", list: "an array"}
    found = "null" if value is None else name.get(type(value), "an object")
    message = f"Invalid type for '{place}': expected {expected}, but got {found} instead."
    return Refused("invalid_type", message, param=place)
