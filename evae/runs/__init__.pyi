from .environment import environment as environment
from .epoch_record import EpochRecord as EpochRecord
from .run import Run as Run
from .run import RunInUse as RunInUse
from .run import find_run as find_run
