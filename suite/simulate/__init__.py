"""Step times without running them: workload, machines, prediction, calibration, sealed expectations."""

from suite.simulate.calibration import Calibration
from suite.simulate.machines import Costs, Machines
from suite.simulate.predicting import predict
from suite.simulate.prediction import Estimate, Prediction
from suite.simulate.workload import Layer, Workload

__all__ = ["Calibration", "Costs", "Estimate", "Layer", "Machines", "Prediction", "Workload", "predict"]
