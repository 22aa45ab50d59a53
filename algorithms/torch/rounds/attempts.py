"""Leaving a step whose gradient could only be dropped, wherever the training thread is in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from algorithms.torch.hooks import Hook


class GivenUp(BaseException):
    """Ends what an attempt surrounds. No Exception: what the user's code inside it catches lets this one pass."""


class Attempts:
    """Asks before every layer and at every gradient whether to go on. No thread can be stopped from outside."""

    def __init__(self, model: nn.Module, parameters: Sequence[nn.Parameter], late: threading.Event) -> None:
        self.parameters, self.late = parameters, late
        self.inside = False
        self.made = False  # since the last step
        self.given_up = False  # one of those
        self.hooks = [module.register_forward_pre_hook(Hook(self._look)) for module in model.modules()]
        for parameter in parameters:
            self.hooks.append(parameter.register_post_accumulate_grad_hook(self._look))  # type: ignore[no-untyped-call]

    @contextmanager
    def attempt(self) -> Iterator[None]:
        if self.inside:
            raise RuntimeError("attempt() inside attempt(): one around all of a step's forward and backward passes")
        self.inside = True
        try:
            yield
        except GivenUp:
            pass
        finally:
            self.inside = False
        self.made = True
        self.given_up |= self.late.is_set()
        if self.given_up:
            for parameter in self.parameters:
                parameter.grad = None  # half a gradient must not be added to the next

    def closed(self) -> bool:
        """The step behind the attempts begins. Whether they were in vain."""
        if self.inside:
            raise RuntimeError("step() inside attempt(): it belongs behind, because an attempt may be left early")
        if not self.made:
            raise RuntimeError(
                "step() without an attempt: with give_up=True, zero_grad, forward and backward belong into "
                "`with optimizer.attempt():`, and step() behind it"
            )
        given_up, self.made, self.given_up = self.given_up, False, False
        return given_up

    def detach(self) -> None:
        for hook in self.hooks:
            hook.remove()

    def _look(self, *_: object) -> None:
        if torch.compiler.is_compiling():
            return  # what is compiled runs as a whole; the answer of now must not become part of it
        if self.inside and self.late.is_set():
            self.given_up = True
            raise GivenUp
