"""The same network in another library's loop: the trainer of `multivae`, as its documentation
uses it."""

import logging
import tempfile
import time

from torch import nn

from cdvae.model import Batch
from cdvae.studies import timing


def training(name: str, n: int = 40 * timing.BATCH) -> float:
    """Images per second of an epoch of n examples in `multivae`'s trainer."""
    from multivae.data.datasets import MultimodalBaseDataset
    from multivae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.CRITICAL)
    model, settings = timing.built(name)
    x_c, x_g, *_ = timing.examples(n)
    with tempfile.TemporaryDirectory() as folder:
        asked = {"num_epochs": 1, "per_device_train_batch_size": timing.BATCH, "no_cuda": True}
        rate = settings.learning_rate
        about = BaseTrainerConfig(output_dir=folder, learning_rate=rate, **asked)
        data = MultimodalBaseDataset({"c": x_c, "g": x_g})
        trainer = BaseTrainer(wrapped(model), data, training_config=about)
        start = time.process_time()
        trainer.train()
        return n / (time.process_time() - start)


def wrapped(model: nn.Module) -> nn.Module:
    """A model of ours as one of theirs."""
    from multivae.models.base import BaseModel, BaseMultiVAEConfig, ModelOutput

    class Wrapped(BaseModel):
        def __init__(self):
            super().__init__(BaseMultiVAEConfig(n_modalities=2))
            self.model = model

        def forward(self, inputs, **_) -> ModelOutput:
            x_c, x_g = inputs.data["c"], inputs.data["g"]
            none = x_c.new_zeros(len(x_c), 1)
            loss = self.model.loss(Batch(x_c, x_g, none, none, 1.0, 0.0))["loss"]
            return ModelOutput(loss=loss, loss_sum=loss * len(x_c), metrics={})

    return Wrapped()
