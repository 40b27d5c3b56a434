"""Small trained networks, each with a card that says what it is and how it was made."""

from unitgain.zoo.cards import Card
from unitgain.zoo.networks import card, list, load, save

__all__ = ["Card", "card", "list", "load", "save"]
