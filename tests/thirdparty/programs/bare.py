"""Loops without a trainer."""

from __future__ import annotations

import torch
from torch import nn

from tests.thirdparty.data import EPOCHS, LENGTH, WORDS
from tests.thirdparty.program import Place, Ran
from tests.thirdparty.torch_parts import batches, classifier, ended, wrap


def plain(place: Place) -> Ran:
    """PyTorch's own tutorial."""
    model = classifier()
    optimizer = wrap(place, torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5), model)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.9)
    losses = []
    for _ in range(EPOCHS):
        for inputs, answers in batches(place):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), answers)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
    return ended(losses, model, optimizer)


def clips(place: Place) -> Ran:
    model = classifier()
    optimizer = wrap(place, torch.optim.SGD(model.parameters(), lr=0.2), model)
    losses = []
    for _ in range(EPOCHS):
        for inputs, answers in batches(place):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), answers)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            losses.append(loss.item())
    return ended(losses, model, optimizer)


def clips_in_the_wrapper(place: Place) -> Ran:
    model = classifier()
    optimizer = wrap(place, torch.optim.SGD(model.parameters(), lr=0.2), model, clip_norm=0.5)
    losses = []
    for _ in range(EPOCHS):
        for inputs, answers in batches(place):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), answers)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return ended(losses, model, optimizer)


def freezes(place: Place) -> Ran:
    """The first layer is frozen in the second epoch, and trains again in the third."""
    model = classifier()
    optimizer = wrap(place, torch.optim.SGD(model.parameters(), lr=0.2), model)
    losses = []
    for epoch in range(EPOCHS):
        model[0].requires_grad_(epoch != 1)
        for inputs, answers in batches(place):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), answers)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return ended(losses, model, optimizer)


def adversaries(place: Place) -> Ran:
    """A GAN as the DCGAN tutorial has it: two backwards for the one, then one through it for the other."""
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {"maker": nn.Linear(2, 6), "judge": nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))}
    )
    maker, judge = model.double()["maker"], model["judge"]
    makes = wrap(place, torch.optim.SGD(maker.parameters(), lr=0.05), maker)
    judges = wrap(place, torch.optim.SGD(judge.parameters(), lr=0.2), judge, passes=2)
    wrong = nn.functional.binary_cross_entropy_with_logits
    losses = []
    for _ in range(EPOCHS):
        for inputs, _ in batches(place):
            judges.zero_grad()
            real = judge(inputs + 2.0)
            on_real = wrong(real, torch.ones_like(real))
            on_real.backward()
            made = maker(inputs[:, :2])
            fake = judge(made.detach())
            on_fake = wrong(fake, torch.zeros_like(fake))
            on_fake.backward()
            judges.step()
            makes.zero_grad()
            fake = judge(made)
            wrong(fake, torch.ones_like(fake)).backward()
            makes.step()
            losses.append((on_real + on_fake).item())
    return ended(losses, model, makes, judges)


def sparse_embedding(place: Place) -> Ran:
    """`nn.Embedding(sparse=True)`, whose gradients are made dense when that is asked for."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(WORDS, 4, sparse=True), nn.Flatten(), nn.Linear(4 * (LENGTH - 1), WORDS)
    ).double()
    optimizer = wrap(place, torch.optim.SGD(model.parameters(), lr=0.5), model, sparse_as_dense=True)
    losses = []
    for _ in range(EPOCHS):
        for words, _ in batches(place, "sentences"):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(words[:, :-1]), words[:, -1])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return ended(losses, model, optimizer)
