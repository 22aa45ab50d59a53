"""The papers' learning-rate rules, as far as they could be read in the papers themselves (the sources stand in papers.md).

What is known from memory only is not here: the "default AlexNet settings that come with Caffe" of the asynchrony paper and
the elastic paper's grids of rates are values for an experiment file, marked there as unverified.
"""

from suite.training.learning_rates import Constant, Exponential, Linear

# Chen, Pan, Monga, Bengio, Jozefowicz, arXiv 1702.05800v1, A.3 (Inception on ImageNet) and A.1 (MNIST).
INCEPTION_RATE = 0.045
INCEPTION_FACTOR = 0.94
MNIST_RATE = 0.1
MNIST_EPOCHS, MNIST_DECAY_EPOCHS = 25, 10


def linear_scaling(rate: float, workers: int) -> float:
    """rate * workers, as the backup-worker paper scaled 0.045 for N synchronous workers."""
    if workers < 1:
        raise ValueError(f"workers = {workers}: at least 1")
    return rate * workers


def inception_synchronous(*, workers: int, samples: int, batch_size: int) -> Exponential:
    """0.045 N * 0.94^(t N / (2T)), T = |X| / B: N gradients of B samples each in a step, x0.94 every two passes."""
    steps = _steps_in_a_pass(samples, batch_size)
    rate = linear_scaling(INCEPTION_RATE, workers)
    return Exponential(rate=rate, every=2 * steps / workers, factor=INCEPTION_FACTOR)


def inception_asynchronous(*, samples: int, batch_size: int) -> Exponential:
    """0.045 * 0.94^(t / (2T)), where t counts updates of the shared parameters, of all workers together."""
    return Exponential(rate=INCEPTION_RATE, every=2 * _steps_in_a_pass(samples, batch_size), factor=INCEPTION_FACTOR)


def mnist_staleness(*, steps_per_epoch: int) -> Linear:
    """0.1, in a straight line to 0 over the last 10 of 25 epochs."""
    if steps_per_epoch < 1:
        raise ValueError(f"steps_per_epoch = {steps_per_epoch}: at least 1")
    first = MNIST_EPOCHS - MNIST_DECAY_EPOCHS
    return Linear(rate=MNIST_RATE, begin=first * steps_per_epoch, end=MNIST_EPOCHS * steps_per_epoch)


def elastic_cifar(rate: float) -> Constant:
    """Zhang, Choromanska, LeCun, arXiv 1412.6651v8: constant on CIFAR; the rate itself was searched per method."""
    return Constant(rate=rate)


def _steps_in_a_pass(samples: int, batch_size: int) -> float:
    if not 1 <= batch_size <= samples:
        raise ValueError(f"batch_size = {batch_size}: 1 <= batch_size <= {samples}, the samples of a pass")
    return samples / batch_size
