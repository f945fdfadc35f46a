from .callback import Callback as Callback
from .combination import Callbacks as Callbacks
from .early_stopping import EarlyStopping as EarlyStopping
from .progress_bar import ProgressBar as ProgressBar
