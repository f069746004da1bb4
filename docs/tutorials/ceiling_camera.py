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
# # My ceiling camera
#
# From frames of a fisheye camera to poses, with your corrections, adapted to your camera, in a file that runs
# anywhere. Nothing is downloaded: drawn people in offices stand for your frames. Put your own folder of images or
# film in the place of `camera/images`.
#
# Commands are typed into a shell in an empty folder, in the environment that `make demo` or `pip install '.[export]'`
# has made ([install](../index.md#install)); `export` alone needs the extra of that name. What has `import` or `Path` in it
# is Python, in one session there or in a notebook. `Image` shows a picture in a notebook (`pip install notebook`);
# without one, open the file that it names.

# %% tags=["sizes"]
import os

os.environ.setdefault("PEOPLE", "120")
os.environ.setdefault("STEPS", "120")
os.environ.setdefault("SIZE", "640")

# %% [markdown]
# ## Frames
#
# `synth` draws rooms with people as a ceiling camera sees them, with exact joints. The joints are only used further
# below, in place of a person who corrects. Skip this if you have frames.

# %% language="bash"
# wepdtof-pose synth camera --people $PEOPLE --style office --size $SIZE --seed 11 --workers 1
# ls camera/images

# %% [markdown]
# ## Poses
#
# No boxes, no training: `ceiling-find` finds people as rotated boxes, and `ceiling-pose` puts 14 joints on each.

# %% language="bash"
# sspcm predict camera/images --draw --drafts coco -o poses
# ls poses
# cut -d, -f1,4-11 poses/joints.csv | head -4

# %%
from pathlib import Path

from IPython.display import Image

drawings = sorted(Path("poses/drawings").rglob("*.jpg"), key=lambda path: path.stat().st_size)
Image(filename=drawings[-1], width=480)

# %% [markdown]
# Orange is the right side of a person, blue the left. The poses are drafts: the networks have seen drawn people
# only, and on real frames [they make the mistakes that their cards name](../reference/networks.md).
#
# ## Correct some
#
# `--drafts coco` has written `poses/drafts`, the poses as labels, the least sure first. `--drafts cvat` and
# `--drafts label_studio` write them for these tools; the coco form is what `wepdtof-pose browse` opens. Where you
# would correct some by hand, this page takes the exact joints of the people in one part of the rooms, and keeps
# the other part to measure on.
#
# With frames of your own, [correct the drafts and convert them back](../guide/ceiling.md#correct-some), and split that
# data set in the place of `camera`. If you correct nothing, leave out this step, and `--labels` and `--test` in the
# next.

# %% language="bash"
# wepdtof-pose split camera --train 60 --test 40 --by scene -o parted
# wepdtof-pose validate parted/annotations/person_keypoints_train.json

# %% [markdown]
# ## Adapt
#
# `sspcm adapt` needs no labels: it learns from drawn people and from the people whom the finder finds on your
# frames. `--labels` adds the corrected ones, and `--test` names labels to measure on that are never learned from.
# It says how long it will take, and what has changed in the end.

# %% language="bash"
# sspcm adapt --data camera/images --labels parted/annotations/person_keypoints_train.json \
#   --test parted/annotations/person_keypoints_test.json --drawn $PEOPLE --steps $STEPS -o mine

# %%
Image(filename="mine/adaptation/before_after.png", width=720)

# %% [markdown]
# Agreement and confidence rise, AP does not: these rooms are of the very kind that `ceiling-pose` was trained
# on, and so few steps on so few people have nothing to teach it. Your camera differs from them. Without `--drawn` and
# `--steps` it draws 400 people and takes 150 steps; give it more of both, and more frames, and judge by labels of your
# own (`--test`), not by agreement alone. The report in `mine/adaptation/report.json` says on how many people each number
# rests.
#
# `sspcm rank poses/drafts -n 20 -o next.json` lists the people whose labels would teach most: those on whom the
# network is least sure of the position.
#
# ## Export
#
# One ONNX file holds the network with what a program must know to use it. `examples/onnx_predict.py` is such a
# program; it needs onnxruntime, NumPy and OpenCV only. Where this project is installed, `--model mine.onnx` and
# `sspcm.load("mine.onnx")` take the file, too, and are faster on a CPU.

# %% language="bash"
# sspcm export mine -o mine.onnx
# ls -s --block-size=K mine.onnx

# %% [markdown]
# ## Use it
#
# `sspcm predict --model mine clip.mp4 --draw -o poses` for a film, with tracks. From Python:

# %%
import sspcm

model = sspcm.load("mine")
frame = sorted(Path("camera/images").rglob("*.jpg"))[0]
poses = model(str(frame))
poses.joint("head_top")[:, :2].round(1)
