from .callbacks import Callback as Callback
