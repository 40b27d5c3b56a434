"""Callbacks: objects whose methods are called while a model trains."""

from unitgain.callbacks.averages import SwapEMAWeights
from unitgain.callbacks.checkpoints import BackupAndRestore, ModelCheckpoint
from unitgain.callbacks.functions import LambdaCallback
from unitgain.callbacks.learning_rates import LearningRateScheduler, ReduceLROnPlateau
from unitgain.callbacks.reports import CSVLogger, ProgbarLogger, ProgressBar
from unitgain.callbacks.signals import SignalMonitor, SignalRecord, SignalsError
from unitgain.callbacks.stopping import EarlyStopping, TerminateOnNaN
from unitgain.training.callback import Callback, History

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ProgressBar",
    "ReduceLROnPlateau",
    "SignalMonitor",
    "SignalRecord",
    "SignalsError",
    "SwapEMAWeights",
    "TerminateOnNaN",
]
