"""HuggingFace's `Trainer` with a small GPT-2 built from a configuration."""

from __future__ import annotations

from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from tests.thirdparty.data import BATCH, EPOCHS, LENGTH, WORDS
from tests.thirdparty.program import Place, Ran
from tests.thirdparty.torch_parts import Rows, ended, wrap


def defaults(place: Place) -> Ran:
    """`Trainer(optimizers=(optimizer, None))` as it comes: clipped at 1.0, its own schedule on the wrapped optimizer."""
    return _train(place)


def without_clipping(place: Place) -> Ran:
    return _train(place, max_grad_norm=0)


def accumulates(place: Place) -> Ran:
    return _train(place, {"passes": 2}, gradient_accumulation_steps=2)


def accumulates_untold(place: Place) -> Ran:
    """The same by someone who does not say so to the wrapper."""
    return _train(place, gradient_accumulation_steps=2)


def resumes(place: Place) -> Ran:
    """Saved by the trainer in the middle, and gone on with in a new trainer."""
    _train(place, save_strategy="steps", save_steps=9, max_steps=9)
    return _train(place, resume=True, save_strategy="no")


def overlapped(place: Place) -> Ran:
    """Clipped by the wrapper, in a trainer that does not look at gradients, so that nothing waits for them."""
    return _train(place, {"clip_norm": 1.0}, kind=Unlogged, max_grad_norm=0)


class Unlogged(Trainer):
    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> None:
        """Trainer takes the norm of every step for its log, with `max_grad_norm=0`, too."""


def _train(
    place: Place,
    options: dict[str, Any] | None = None,
    *,
    kind: type[Trainer] = Trainer,
    resume: bool = False,
    **arguments: Any,
) -> Ran:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=WORDS, n_positions=LENGTH, n_embd=8, n_layer=1, n_head=2, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).double()
    optimizer = wrap(place, torch.optim.AdamW(model.parameters(), lr=0.02), model, **(options or {}))
    chosen = TrainingArguments(
        str(place.folder),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        use_cpu=True,
        report_to="none",
        logging_steps=1,
        disable_tqdm=True,
        **arguments,
    )
    trainer = kind(
        model, chosen, train_dataset=Rows(place, "sentences"), data_collator=_batch, optimizers=(optimizer, None)
    )
    trainer.train(resume_from_checkpoint=resume)
    losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    return ended(losses, model, optimizer)


def _batch(items: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, torch.Tensor]:
    words = torch.cat([words for words, _ in items])
    return {"input_ids": words, "labels": words}
