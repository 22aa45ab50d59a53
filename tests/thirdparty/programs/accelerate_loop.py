"""Loops of `accelerate`."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import nn

from tests.thirdparty.data import EPOCHS
from tests.thirdparty.program import Place, Ran
from tests.thirdparty.torch_parts import batches, classifier, ended, wrap


def plain(place: Place) -> Ran:
    """As its quick tour has it."""
    accelerator = Accelerator(cpu=True)
    model = classifier()
    held = wrap(place, torch.optim.SGD(model.parameters(), lr=0.2), model)
    schedule = torch.optim.lr_scheduler.StepLR(held, step_size=8, gamma=0.9)
    model, optimizer, loader, schedule = accelerator.prepare(model, held, batches(place), schedule)
    losses = []
    for _ in range(EPOCHS):
        for inputs, answers in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), answers)
            accelerator.backward(loss)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return ended(losses, model, held)


def accumulates(place: Place) -> Ran:
    """With `accumulate`, which leaves out steps, and clipping where there is one."""
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = classifier()
    held = wrap(place, torch.optim.SGD(model.parameters(), lr=0.2), model, passes=2)
    model, optimizer, loader = accelerator.prepare(model, held, batches(place))
    losses = []
    for _ in range(EPOCHS):
        for inputs, answers in loader:
            with accelerator.accumulate(model):
                loss = nn.functional.cross_entropy(model(inputs), answers)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
                optimizer.zero_grad()
            losses.append(loss.item())
    return ended(losses, model, held)
