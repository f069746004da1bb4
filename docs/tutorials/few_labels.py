# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Few labels
#
# What do people without keypoints give, beside a few who have them? This page compares two methods, reads the
# plots, and looks at the number that the better of them rests on: the position inconsistency.
#
# Sizes are small here, so that it runs in minutes on a CPU, and **the scores are too low to choose a method by**.
# [Results](../results.md) has comparisons at full length. Commands and Python are typed as in [the other
# tutorial](ceiling_camera.md).

# %% tags=["sizes"]
import os

os.environ.setdefault("PEOPLE", "400")
os.environ.setdefault("LABELS", "40")
os.environ.setdefault("STEPS", "250")
os.environ.setdefault("SIZE", "512")
os.environ["SETTINGS"] = (
    "--set optimisation.epochs=3 --set optimisation.burn_in_epochs=2 "
    "--set optimisation.burn_in_milestones=[] --set optimisation.milestones=[] "
    f"--set optimisation.epoch_steps={os.environ['STEPS']} --set network.frozen_stages=2 "
    "--set evaluation.pseudo_labels=false"
)

# %% [markdown]
# ## Data
#
# Drawn people of a ceiling camera, with exact joints. All but a few of the people to train on lose their
# keypoints, so that what a method teaches them can be compared with the truth.

# %% language="bash"
# wepdtof-pose synth people --people $PEOPLE --style office --size $SIZE --seed 12 --workers 1

# %% [markdown]
# ## Compare
#
# `supervised` learns from the labelled people alone. `sspcm_ema` begins alike (they share a *burn-in*), and then
# learns from everybody. Both take the same number of optimiser steps.

# %% language="bash"
# sspcm-bench run --data people --preset quick --ratio $LABELS --methods supervised,sspcm_ema --seeds 2 \
#   $SETTINGS -o compared > compared.txt
# grep -m 5 "^|" compared.txt | cut -d"|" -f3,5,6,8,9,13

# %% [markdown]
# `±` is the standard deviation over runs, Δ the mean difference between runs of the same seed, with a paired test.
# Two seeds can hardly settle anything, and the interval says so: it is wide. So few labels and steps leave next to
# nothing of AP, which asks for exactness; PCK@0.2, the share of joints that lie near their place, says more here.
#
# ## Plots

# %% language="bash"
# sspcm-bench plot compared
# ls compared/plots

# %%
from IPython.display import Image

Image(filename="compared/plots/learning_curves.png", width=640)

# %% [markdown]
# The shaded epochs are the burn-in, in which both are the same network. What comes after tells the methods apart.
#
# `pck_curves` shows PCK against its threshold: a method may find more joints roughly (a gain at the right of the
# curve) and place them less exactly (a loss at the left). AP asks for exactness, PCK@0.2 does not; that is why a
# method can win by one and lose by the other.

# %%
Image(filename="compared/plots/pck_curves.png", width=640)

# %% [markdown]
# ## Position inconsistency
#
# `sspcm_ema` asks five times where a joint is: the short running average of the network once, and the long one for
# the picture as it is, mirrored, zoomed in, and both. The *position inconsistency* of a joint is the largest distance
# between two of the five answers. No label is needed for it. If it tells right pseudo-labels from wrong ones, one can
# learn from the right ones alone.
#
# Here the truth is known, so that it can be checked.

# %% language="bash"
# sspcm pseudo-labels compared/cells/sspcm_ema-$LABELS-seed0 -o pseudo_labels.json

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import wepdtof_pose

labels = json.loads(Path("pseudo_labels.json").read_text())
taught = [person for person in labels if not person["labelled"]]
people = wepdtof_pose.load_dataset("people")["all"]
row_of = {person: row for row, person in enumerate(people.people["id"])}
rows = [row_of[person["person_id"]] for person in taught]
truth = people.keypoints[rows]
joints = np.array([person["keypoints"] for person in taught]).reshape(truth.shape)
inconsistency = np.array([person["inconsistency"] for person in taught], dtype=float)
error = np.linalg.norm(joints[..., :2] - truth[..., :2], axis=2)
error /= np.sqrt(people.boxes[rows, 2] * people.boxes[rows, 3])[:, None]
known = truth[..., 2] > 0

order = np.argsort(inconsistency[known])
parts = np.array_split(error[known][order], 5)
plt.figure(figsize=(5, 3))
plt.bar(range(1, 6), [100 * float(np.mean(part < 0.2)) for part in parts])
plt.xlabel("fifth of the joints, most consistent first")
plt.ylabel("right pseudo-labels, %")
plt.tight_layout()

# %% [markdown]
# Each bar is a fifth of the joints. The more the answers agree, the more pseudo-labels lie within 0.2 of the
# root of the box area of the truth. `sspcm-bench plot` draws the same for whole comparisons (`pseudo_labels`), beside
# the height of the peak, the other number by which one could choose.
#
# Next: [your own people without keypoints](../guide/few_labels.md), [the methods](../methods/index.md).
