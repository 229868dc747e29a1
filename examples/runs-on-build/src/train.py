"""Find the centre of each species."""

import argparse
import os

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--measures", type=int, default=4)
measures = parser.parse_args().measures

table = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "iris.csv"), delimiter=",", skiprows=1)
features, species = table[:, :measures], table[:, -1]
centres = np.array([features[species == kind].mean(axis=0) for kind in np.unique(species)])
np.save(os.path.join(os.environ["SM_MODEL_DIR"], "centres.npy"), centres)
