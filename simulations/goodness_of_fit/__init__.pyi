from .fit import GoodnessOfFit as GoodnessOfFit
from .fit import bickel_rosenblatt_test as bickel_rosenblatt_test
from .sample_files import read_sample as read_sample
