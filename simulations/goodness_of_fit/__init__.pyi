from .fit import bickel_rosenblatt_test as bickel_rosenblatt_test
from .result import GoodnessOfFit as GoodnessOfFit
from .two_samples import TwoSamples as TwoSamples
from .two_samples import two_sample_test as two_sample_test
