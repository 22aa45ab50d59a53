"""Lightning, with automatic and with manual optimization."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import lightning
import torch
from torch import nn

from tests.thirdparty.data import EPOCHS
from tests.thirdparty.program import Place, Ran
from tests.thirdparty.torch_parts import batches, classifier, ended, wrap

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")


class Automatic(lightning.LightningModule):
    """One optimizer with a schedule, as the introduction has it."""

    def __init__(self, place: Place, options: dict[str, Any]) -> None:
        super().__init__()
        self.net = classifier()
        self.place, self.options = place, options
        self.losses: list[float] = []

    def training_step(self, batch: Any, number: int) -> torch.Tensor:
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self) -> Any:
        self.optimizer = wrap(
            self.place, torch.optim.SGD(self.parameters(), lr=0.2, momentum=0.5), self, **self.options
        )
        return {"optimizer": self.optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(self.optimizer, 1, 0.9)}


class Manual(Automatic):
    def __init__(self, place: Place, options: dict[str, Any]) -> None:
        super().__init__(place, options)
        self.automatic_optimization = False

    def training_step(self, batch: Any, number: int) -> None:
        optimizer = self.optimizers()
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer, gradient_clip_val=0.5, gradient_clip_algorithm="norm")
        optimizer.step()
        self.losses.append(loss.item())


class Adversaries(lightning.LightningModule):
    """A GAN as Lightning's tutorial has it: each optimizer toggled while it trains."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.automatic_optimization = False
        self.maker = nn.Linear(2, 6).double()
        self.judge = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        self.place = place
        self.losses: list[float] = []

    def training_step(self, batch: Any, number: int) -> None:
        makes, judges = self.optimizers()
        wrong = nn.functional.binary_cross_entropy_with_logits
        inputs = batch[0]
        self.toggle_optimizer(makes)
        fake = self.judge(self.maker(inputs[:, :2]))
        self.manual_backward(wrong(fake, torch.ones_like(fake)))
        makes.step()
        makes.zero_grad()
        self.untoggle_optimizer(makes)
        self.toggle_optimizer(judges)
        real, fake = self.judge(inputs + 2.0), self.judge(self.maker(inputs[:, :2]).detach())
        loss = wrong(real, torch.ones_like(real)) + wrong(fake, torch.zeros_like(fake))
        self.manual_backward(loss)
        judges.step()
        judges.zero_grad()
        self.untoggle_optimizer(judges)
        self.losses.append(loss.item())

    def configure_optimizers(self) -> Any:
        makes = wrap(self.place, torch.optim.SGD(self.maker.parameters(), lr=0.05), self.maker)
        judges = wrap(self.place, torch.optim.SGD(self.judge.parameters(), lr=0.2), self.judge)
        self.both = makes, judges
        return [makes, judges], []


def automatic(place: Place) -> Ran:
    return _fit(place, Automatic(place, {}))


def clips(place: Place) -> Ran:
    return _fit(place, Automatic(place, {}), gradient_clip_val=0.5)


def clips_in_the_wrapper(place: Place) -> Ran:
    return _fit(place, Automatic(place, {"clip_norm": 0.5}))


def accumulates(place: Place) -> Ran:
    return _fit(place, Automatic(place, {"passes": 2}), accumulate_grad_batches=2)


def manual(place: Place) -> Ran:
    return _fit(place, Manual(place, {}))


def adversaries(place: Place) -> Ran:
    module = Adversaries(place)
    _trainer(place).fit(module, batches(place))
    return ended(module.losses, module, *module.both)


def resumes(place: Place) -> Ran:
    first = Automatic(place, {})
    trainer = _trainer(place, max_epochs=1)
    trainer.fit(first, batches(place))
    trainer.save_checkpoint(place.folder / "middle.ckpt")
    ended([], first, first.optimizer)
    module = Automatic(place, {})
    _trainer(place).fit(module, batches(place), ckpt_path=place.folder / "middle.ckpt", weights_only=True)
    return ended(first.losses + module.losses, module, module.optimizer)


def _fit(place: Place, module: Automatic, **arguments: Any) -> Ran:
    _trainer(place, **arguments).fit(module, batches(place))
    return ended(module.losses, module, module.optimizer)


def _trainer(place: Place, **arguments: Any) -> lightning.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    arguments = {"max_epochs": EPOCHS, "accelerator": "cpu", "default_root_dir": place.folder, **quiet, **arguments}
    return lightning.Trainer(**arguments)
