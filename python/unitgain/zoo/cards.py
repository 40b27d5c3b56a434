"""Cards: what is known of a trained network, beside its file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unitgain import _names
from unitgain.formats import atomic

__all__ = ["Card", "card_path", "digest"]


@dataclasses.dataclass(frozen=True)
class Card:
    """A trained network's description: architecture, data, training and scores.

    Printed, it is a page of text. The last five fields are for :func:`save` to fill in.

    Args:
        task: what the network does, in a sentence.
        data: the data set, and which part of it the network has seen.
        source: who made the data, and where they are.
        licence: that of the data.
        inputs: the features that go in.
        outputs: what comes out.
        training: optimizer, epochs, and all else that it takes to make the network again.
        scores: measures of the test part by name.
        date: of the training, ``YYYY-MM-DD``.
        script: the program that makes the network again.
        classes: the names of the classes, in the order of the outputs.
        architecture: the layers.
        parameters: the number of weights.
        instruction_set: the one that it was trained on; on it, the script gives the same bits.
        version: of unitgain.
        sha256: of the network's file.
    """

    task: str
    data: str
    source: str
    licence: str
    inputs: str
    outputs: str
    training: str
    scores: Mapping[str, float]
    date: str
    script: str = ""
    classes: tuple[str, ...] = ()
    architecture: str = ""
    parameters: int = 0
    instruction_set: str = ""
    version: str = ""
    sha256: str = ""

    def __str__(self) -> str:
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Mapping):
                value = ", ".join(f"{name} {score:.4g}" for name, score in value.items())
            elif isinstance(value, tuple):
                value = ", ".join(value)
            if value:
                lines.append(f"{field.name.replace('_', ' ') + ':':<16} {value}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return the card as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Return the card that :meth:`to_json` wrote.

        Raises:
            ValueError: if the text is no JSON, or a field is unknown, missing or of another type.
        """
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError(f"a card is a mapping, but this is a {type(found).__name__}")
        fields = {field.name: field for field in dataclasses.fields(cls)}
        for name in found.keys() - fields.keys():
            raise ValueError(_names.unknown("a card's field", name, fields))
        for name, field in fields.items():
            if name not in found:
                if field.default is dataclasses.MISSING:
                    raise ValueError(f"the card has no {name}")
                continue
            found[name] = _checked(name, found[name])
        return cls(**found)


def _checked(name: str, value: Any) -> Any:
    if name == "scores":
        is_valid = isinstance(value, dict) and all(type(v) in (int, float) for v in value.values())
    elif name == "classes":
        is_valid = isinstance(value, list) and all(isinstance(v, str) for v in value)
        value = tuple(value) if is_valid else value
    else:
        is_valid = type(value) is (int if name == "parameters" else str)
    if not is_valid:
        raise ValueError(f"the card's {name} is {value!r}")
    return value


def card_path(path: Path) -> Path:
    """Return where the card of a network's file is: beside it, with the ending ``.json``."""
    return path.with_suffix(".json")


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(path: Path, card: Card) -> None:
    """Write the card of a network's file."""
    atomic.write(card_path(path), [card.to_json().encode()])


def read(path: Path) -> Card:
    """Return the card of a network's file.

    Raises:
        ValueError: if there is none, it is damaged, or it is that of another file.
        OSError: if file or card cannot be read.
    """
    found = digest(path)
    beside = card_path(path)
    if not beside.exists():
        raise ValueError(
            f"{path} has no card: there is no file {beside.name} beside it, as unitgain.zoo.save "
            "writes it; unitgain.load_model loads a model without one"
        )
    try:
        card = Card.from_json(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{beside} is no card: {error}") from error
    if card.sha256 != found:
        raise ValueError(f"{beside} is the card of another file: its sha256 is not that of {path}")
    return card
