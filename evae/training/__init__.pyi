from .callbacks import Callback as Callback
from .callbacks import Callbacks as Callbacks
from .callbacks import EarlyStopping as EarlyStopping
from .callbacks import ProgressBar as ProgressBar
