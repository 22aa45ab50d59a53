"""A Keras optimizer that stands around another one, which does every update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from algorithms.tensorflow.scaling import innermost


class Around(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Hands on what Keras and its callbacks ask of an optimizer to the one inside."""

    def __init__(self, optimizer: keras.optimizers.Optimizer, name: str) -> None:
        super().__init__(learning_rate=_rate(optimizer), name=name)
        self.inner_optimizer = optimizer
        self._loaded: tuple[tuple[Any, Any], ...] = ()  # variables of the one inside, and what it is to begin from

    @property
    def variables(self) -> list[Any]:
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def iterations(self) -> Any:
        return self.inner_optimizer.iterations

    @property
    def loss_scale_factor(self) -> Any:
        return self.inner_optimizer.loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, factor: float | None) -> None:
        """Only Keras's constructor sets it, to None."""

    def scale_loss(self, loss: Any) -> Any:
        return self.inner_optimizer.scale_loss(loss)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Of all `variables`: Keras would set this optimizer's own and leave the wrapped one's as they are."""
        if not self.built or len(weights) != len(self.variables):
            raise ValueError(
                f"{len(weights)} weights for {len(self.variables)} variables: build the optimizer, and give as many"
            )
        for variable, weight in zip(self.variables, weights, strict=True):
            if tuple(variable.shape) != tuple(weight.shape):
                raise ValueError(f"{variable.path} has shape {tuple(variable.shape)}, its weight {tuple(weight.shape)}")
            variable.assign(weight)

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        if len(store.keys()) != len(self.variables):
            return  # Keras has warned and left all as it is: what it loads for the wrapped optimizer by itself stands
        # Keras saves and loads the wrapped optimizer once more by itself, as it was a moment later.
        rate = innermost(self.inner_optimizer)._learning_rate  # which the user may set before the first step
        self._loaded = tuple((v, v.numpy()) for v in self.inner_optimizer.variables if v is not rate)

    def take_loaded(self) -> None:
        """Let the one inside begin from what was loaded with this one."""
        for variable, value in self._loaded:
            variable.assign(value)
        self._loaded = ()

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        innermost(self.inner_optimizer).exclude_from_weight_decay(var_list=var_list, var_names=var_names)


def _rate(optimizer: keras.optimizers.Optimizer) -> float:
    """What the outer optimizer's own learning rate starts from; where the inner has a schedule it is not used."""
    rate = optimizer.learning_rate
    return float(rate.numpy()) if isinstance(rate, keras.Variable) else 0.0
