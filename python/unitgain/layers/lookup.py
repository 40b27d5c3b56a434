"""StringLookup and IntegerLookup: categories by their place in a vocabulary, and back."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _names
from unitgain._arrays import as_numbers, is_array
from unitgain.layers.base import SampleShape
from unitgain.layers.encoding import (
    MODES,
    DataLayer,
    checked_mode,
    encode,
    encoded_shape,
    whole_numbers,
)
from unitgain.layers.hashing import as_texts, checked_salt, hash_bins

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["IndexLookup", "IntegerLookup", "StringLookup"]

Array = NDArray[Any]
Token = str | int

# In place of an index: of the mask token where it has none, and of what is not in the vocabulary.
_NOTHING, _UNKNOWN = -1, -2


class IndexLookup(DataLayer):
    """The base of the lookup layers: a vocabulary, and the order of its indices.

    Index 0 is the mask token's, if there is one and the mode is ``"int"``; then come the indices of
    what is not in the vocabulary, and then the vocabulary.
    """

    def __init__(
        self,
        max_tokens: SupportsIndex | None,
        num_oov_indices: SupportsIndex,
        mask_token: Token | None,
        oov_token: Token | None,
        vocabulary: Any,
        idf_weights: ArrayLike | None,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        oov_method: str,
        salt: int | Sequence[int] | None,
        name: str | None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, **keywords)
        self.max_tokens = None if max_tokens is None else operator.index(max_tokens)
        self.num_oov_indices = operator.index(num_oov_indices)
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.invert = invert
        self.output_mode = checked_mode(output_mode, (*MODES, "tf_idf"))
        self.pad_to_max_tokens = pad_to_max_tokens
        self.oov_method = oov_method
        self.salt = checked_salt(salt)
        self._check_arguments()
        self._tokens: list[Token] = []
        self._table: dict[Token, int] = {}
        self._weights: Array | None = None  # of the vocabulary alone, and those of all indices
        self._all_weights: Array | None = None
        self._is_given = vocabulary is not None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        elif idf_weights is not None:
            raise ValueError("idf_weights needs a vocabulary")

    def _check_arguments(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 2:
            raise ValueError(f"max_tokens must be at least 2, but it is {self.max_tokens}")
        if self.pad_to_max_tokens and self.max_tokens is None:
            raise ValueError("pad_to_max_tokens needs max_tokens")
        if self.num_oov_indices < 0:
            raise ValueError(
                f"num_oov_indices must be at least 0, but it is {self.num_oov_indices}"
            )
        if self.oov_method not in ("floormod", "farmhash"):
            known = dict.fromkeys(("floormod", "farmhash"))
            raise ValueError(_names.unknown("oov_method", self.oov_method, known))
        if self.invert and self.output_mode != "int":
            raise ValueError(
                f"invert needs output_mode='int', but output_mode is {self.output_mode!r}"
            )

    # ---- what a subclass says of its tokens ----

    def _read(self, values: Any, name: str) -> Array:
        """Return values as an array of tokens.

        Raises:
            TypeError: if they are none.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement _read")

    def _from_line(self, line: str) -> Token:
        raise NotImplementedError(f"{type(self).__name__} does not implement _from_line")

    def _token_array(self, tokens: Sequence[Token | None], shape: tuple[int, ...]) -> Array:
        raise NotImplementedError(f"{type(self).__name__} does not implement _token_array")

    def _oov_bins(self, values: Array) -> NDArray[np.int64]:
        return hash_bins(values, self.num_oov_indices, self.salt)

    # ---- the vocabulary ----

    @property
    def _first_oov(self) -> int:
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def _first_token(self) -> int:
        return self._first_oov + self.num_oov_indices

    @property
    def is_adaptable(self) -> bool:
        """Whether :meth:`adapt` may be called: not if a vocabulary was given."""
        return not self._is_given

    def vocabulary_size(self) -> int:
        """Return how many indices there are, those of no token of the vocabulary among them."""
        return self._first_token + len(self._tokens)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the vocabulary, each token at its index.

        Args:
            include_special_tokens: whether those before the vocabulary are there, too.
        """
        if not include_special_tokens:
            return list(self._tokens)
        special = [self.mask_token] * self._first_oov + [self.oov_token] * self.num_oov_indices
        return [*special, *self._tokens]

    def set_vocabulary(self, vocabulary: Any, idf_weights: ArrayLike | None = None) -> None:
        """Set the vocabulary, in place of any before.

        Args:
            vocabulary: the tokens, without the mask's and those of what is unknown, or with all of
                them in front; or the name of a text file with a token a line.
            idf_weights: a weight for each, where ``output_mode`` is ``"tf_idf"``.

        Raises:
            ValueError: if there are no tokens, too many, or one comes again or is a special one; or
                if weights are missing, needless or of another number.
        """
        if isinstance(vocabulary, (str, Path)):
            with open(vocabulary, encoding="utf-8") as file:
                tokens: list[Any] = [self._from_line(line.removesuffix("\n")) for line in file]
        else:
            tokens = self._read(vocabulary, "vocabulary").ravel().tolist()
        weighs = self.output_mode == "tf_idf"
        if weighs != (idf_weights is not None):
            raise ValueError(
                f"idf_weights {'is needed' if weighs else 'has no use'} where output_mode is "
                f"{self.output_mode!r}"
            )
        weights = None if idf_weights is None else as_numbers(idf_weights, "idf_weights")
        if weights is not None and weights.shape != (len(tokens),):
            raise ValueError(
                f"idf_weights has shape {weights.shape}, but there are {len(tokens)} tokens"
            )
        special = self.get_vocabulary()[: self._first_token]
        padding = None
        if special and tokens[: len(special)] == special:
            tokens = tokens[len(special) :]
            if weights is not None:
                padding, weights = weights[: len(special)], weights[len(special) :]
        self._check_tokens(tokens)
        self._assign(tokens, weights, padding)

    def _check_tokens(self, tokens: Sequence[Token]) -> None:
        if not tokens:
            raise ValueError("vocabulary has no tokens")
        for token, count in Counter(tokens).items():
            if count > 1:
                raise ValueError(f"vocabulary has {token!r} {count} times")
        reserved: dict[str, Token | None] = {"mask_token": self.mask_token}
        if self.invert:
            reserved["oov_token"] = self.oov_token
        for argument, special in reserved.items():
            if special is not None and special in tokens:
                raise ValueError(
                    f"vocabulary has {special!r}, the {argument}, at {tokens.index(special)}: "
                    f"special tokens are left out, or all come first: "
                    f"{self.get_vocabulary()[: self._first_token]}"
                )
        size = self._first_token + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"vocabulary makes {size} indices, those of special tokens among them, but "
                f"max_tokens is {self.max_tokens}"
            )

    def _assign(
        self, tokens: list[Token], weights: Array | None, padding: Array | None = None
    ) -> None:
        """Take tokens, and their weights with those of the indices before them, their mean."""
        size = self._first_token + len(tokens)
        has_rows = self.output_mode != "int" and not self.pad_to_max_tokens
        if self.nodes and has_rows and size != self.vocabulary_size():
            raise ValueError(
                f"{self.name} makes rows of {self.vocabulary_size()} values in a network, but the "
                f"new vocabulary makes {size}"
            )
        self._tokens = tokens
        self._table = {token: self._first_token + i for i, token in enumerate(tokens)}
        if self.mask_token is not None:
            self._table[self.mask_token] = 0 if self.output_mode == "int" else _NOTHING
        self._weights = weights
        if weights is not None:
            if padding is None:
                padding = np.full(self._first_token, weights.mean())
            rest = np.zeros(self._depth - size)
            self._all_weights = np.concatenate([padding, weights, rest])

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Take the vocabulary from data, forgetting any before: the most frequent tokens first.

        Tokens that are as frequent come in descending order. For ``output_mode="tf_idf"`` the
        weights are ``log(1 + samples / (1 + samples with the token))``.

        Args:
            data: an array, a column or a list of tokens, a sample a row; or an iterable of batches.
            steps: how many batches are taken; None for all.

        Raises:
            ValueError: if the layer was made with a vocabulary, or there are no tokens.
            TypeError: if there are other things than tokens.
        """
        if self._is_given:
            raise ValueError(f"{self.name} was made with a vocabulary: it has no adapt")
        counts: Counter[Token] = Counter()
        documents: Counter[Token] = Counter()
        total = 0
        for batch in _token_batches(data, steps):
            tokens = self._read(batch, "data")
            counts.update(tokens.ravel().tolist())
            if self.output_mode == "tf_idf":
                rows = tokens.reshape(len(tokens), -1)
                total += len(rows)
                for row in rows.tolist():
                    documents.update(set(row))
        for special in (self.mask_token, self.oov_token):
            if special is not None:
                counts.pop(special, None)
        if not counts:
            raise ValueError("data has no tokens")
        found = sorted(counts, key=lambda token: (counts[token], token), reverse=True)
        if self.max_tokens is not None:
            found = found[: self.max_tokens - self._first_token]
        weights = None
        if self.output_mode == "tf_idf":
            weights = np.log(1 + total / (1 + np.array([documents[token] for token in found])))
        self._assign(found, weights)

    # ---- configuration ----

    @property
    def vocabulary(self) -> list[Any] | None:
        """The vocabulary without special tokens; None while there is none."""
        return list(self._tokens) or None

    @property
    def idf_weights(self) -> Array | None:
        """The weights of the vocabulary, where ``output_mode`` is ``"tf_idf"``."""
        return self._weights

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, and what it learnt."""
        config = super().get_config()
        if self._tokens and not self._is_given:
            config["adapted"] = True
        if self._all_weights is not None:
            config["oov_weights"] = self._all_weights[: self._first_token].tolist()
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a layer of what :meth:`get_config` returned, with the vocabulary."""
        given = dict(config)
        adapted, padding = given.pop("adapted", False), given.pop("oov_weights", None)
        layer = super().from_config(given)
        layer._is_given = layer._is_given and not adapted
        if padding is not None:
            layer._assign(layer._tokens, layer._weights, np.array(padding))
        return layer

    # ---- what it does ----

    @property
    def _depth(self) -> int:
        if self.pad_to_max_tokens:
            assert self.max_tokens is not None
            return self.max_tokens
        return self.vocabulary_size()

    def _check_known(self) -> None:
        if not self._tokens:
            raise ValueError(
                f"{self.name} has no vocabulary yet: call adapt, or give it a vocabulary"
            )

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape, or that with a row's length."""
        if self.output_mode != "int":
            self._check_known()
        return encoded_shape(input_shape, self.output_mode, self._depth)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the indices, rows, or with ``invert`` the tokens."""
        self._check_known()
        if self.invert:
            return self._tokens_at(whole_numbers(inputs, "inputs"))
        indices = self._indices_of(self._read(inputs, "inputs"))
        if self.output_mode != "tf_idf":
            return self.encoded(indices, self.output_mode, self._depth)
        assert self._all_weights is not None
        counts = encode(indices, "count", self._depth, self.dtype)
        return counts * self._all_weights.astype(self.dtype)

    def _tokens_at(self, indices: NDArray[np.int64]) -> Array:
        known = dict(enumerate(self.get_vocabulary()))
        found = [known.get(index, self.oov_token) for index in indices.ravel().tolist()]
        return self._token_array(found, indices.shape)

    def _indices_of(self, values: Array) -> NDArray[np.int64]:
        """Return the index of each token."""
        flat = values.ravel().tolist()
        table = self._table
        found = np.fromiter((table.get(v, _UNKNOWN) for v in flat), np.int64, len(flat))
        indices = found.reshape(values.shape)
        outside = indices == _UNKNOWN
        if outside.any():
            if self.num_oov_indices == 0:
                raise ValueError(
                    f"inputs has {values[outside].tolist()[0]!r}, which the vocabulary of "
                    f"{self.name} has not, and num_oov_indices is 0"
                )
            indices[outside] = self._first_oov
            if self.num_oov_indices > 1:
                indices[outside] += self._oov_bins(values[outside])
        return indices


def _token_batches(data: Any, steps: int | None) -> Iterable[Any]:
    """Return batches of tokens, each of a sample a row."""
    if isinstance(data, (list, tuple)) or is_array(data):
        array = np.asarray(data)
        return [array[:, np.newaxis] if array.ndim == 1 else array]
    return (
        batch[np.newaxis] if batch.ndim == 1 else batch
        for batch in map(np.asarray, islice(data, steps))
    )


class StringLookup(IndexLookup):
    """Texts by their index in a vocabulary, which is given or learnt from data; or the reverse.

    Called with arrays, before training: no texts come to a network. What is not in the vocabulary
    has index 0, or one of several by its hash, as in Keras.

    Args:
        max_tokens: the most indices, those of special tokens among them; None for no bound.
        num_oov_indices: how many indices there are for what is not in the vocabulary; with 0 it is
            an error.
        mask_token: a text that stands for nothing: index 0 where ``output_mode`` is ``"int"``, and
            left out elsewhere; None for none.
        oov_token: what stands for indices of no text, with ``invert``.
        vocabulary: the texts, or the name of a file with one a line; None: ``adapt`` finds them.
        idf_weights: a weight for each, with ``output_mode="tf_idf"``.
        invert: whether indices come and texts are returned.
        output_mode: ``"int"``: the index. ``"one_hot"``, ``"multi_hot"``, ``"count"``: as
            :class:`CategoryEncoding` makes it of that. ``"tf_idf"``: the count times the weight.
        pad_to_max_tokens: whether rows have ``max_tokens`` values however many tokens there are.
        encoding: of bytes.
        name: what the layer is called.
        salt: makes another hash function, see :class:`Hashing`.

    Raises:
        ValueError: if an argument is out of its range, or does not go with another; when called, if
            there is no vocabulary yet, or a text is not in it and ``num_oov_indices`` is 0.
        TypeError: when called, if a value is no text.

    >>> import unitgain as ug
    >>> layer = ug.layers.StringLookup(vocabulary=["a", "b", "c"])
    >>> layer([["a", "c"], ["z", "b"]])
    array([[1, 3],
           [0, 2]])
    """

    def __init__(
        self,
        max_tokens: SupportsIndex | None = None,
        num_oov_indices: SupportsIndex = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        vocabulary: Any = None,
        idf_weights: ArrayLike | None = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: int | Sequence[int] | None = None,
        **keywords: Any,
    ) -> None:
        self.encoding = encoding
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            pad_to_max_tokens,
            "farmhash",
            salt,
            name,
            **keywords,
        )

    def ensure_built(self, input_shape: SampleShape, dtype: str) -> None:
        """Raise TypeError: no texts come to a network."""
        raise TypeError(
            f"{self.name} is of texts, which no network takes: call it on the data before training"
        )

    def _read(self, values: Any, name: str) -> Array:
        return as_texts(values, name, self.encoding)

    def _from_line(self, line: str) -> Token:
        return line

    def _token_array(self, tokens: Sequence[Token | None], shape: tuple[int, ...]) -> Array:
        made = np.empty(len(tokens), object)
        made[:] = tokens
        return made.reshape(shape)


class IntegerLookup(IndexLookup):
    """Integers by their index in a vocabulary, which is given or learnt from data; or the reverse.

    Before training the layer is called with arrays; what it costs within a network says
    :class:`~unitgain.layers.encoding.DataLayer`. What is not in the vocabulary has index 0, or one
    of several, as in Keras.

    Args:
        max_tokens: the most indices, those of special tokens among them; None for no bound.
        num_oov_indices: how many indices there are for what is not in the vocabulary; with 0 it is
            an error.
        mask_token: an integer that stands for nothing: index 0 where ``output_mode`` is ``"int"``,
            and left out elsewhere; None for none.
        oov_token: what stands for indices of no integer, with ``invert``.
        vocabulary: the integers, or the name of a file with one a line; None: ``adapt`` finds them.
        vocabulary_dtype: int64.
        idf_weights: a weight for each, with ``output_mode="tf_idf"``.
        invert: whether indices come and integers are returned.
        output_mode: ``"int"``: the index. ``"one_hot"``, ``"multi_hot"``, ``"count"``: as
            :class:`CategoryEncoding` makes it of that. ``"tf_idf"``: the count times the weight.
        pad_to_max_tokens: whether rows have ``max_tokens`` values however many tokens there are.
        oov_method: which of several indices what is not in the vocabulary has: ``"floormod"``, its
            value modulo their number, or ``"farmhash"``, its hash.
        salt: makes another hash function, see :class:`Hashing`; with ``oov_method="farmhash"``.
        name: what the layer is called.

    Raises:
        ValueError: if an argument is out of its range, or does not go with another; when called, if
            there is no vocabulary yet, a value is no integer, or is not in the vocabulary and
            ``num_oov_indices`` is 0.

    >>> import unitgain as ug
    >>> layer = ug.layers.IntegerLookup(vocabulary=[12, 36, 1138])
    >>> layer([[12, 1138], [7, 36]])
    array([[1, 3],
           [0, 2]])
    """

    def __init__(
        self,
        max_tokens: SupportsIndex | None = None,
        num_oov_indices: SupportsIndex = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: ArrayLike | None = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: int | Sequence[int] | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        if vocabulary_dtype != "int64":
            raise ValueError(f"vocabulary_dtype is {vocabulary_dtype!r}, expected 'int64'")
        if salt is not None and oov_method != "farmhash":
            raise ValueError("salt needs oov_method='farmhash'")
        self.vocabulary_dtype = vocabulary_dtype
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            pad_to_max_tokens,
            oov_method,
            salt,
            name,
            **keywords,
        )

    def _read(self, values: Any, name: str) -> Array:
        return whole_numbers(values, name)

    def _from_line(self, line: str) -> Token:
        return int(line)

    def _token_array(self, tokens: Sequence[Token | None], shape: tuple[int, ...]) -> Array:
        return np.array([-1 if t is None else t for t in tokens], np.int64).reshape(shape)

    def _oov_bins(self, values: Array) -> NDArray[np.int64]:
        if self.oov_method == "floormod":
            bins: NDArray[np.int64] = values % self.num_oov_indices
            return bins
        return super()._oov_bins(values)
