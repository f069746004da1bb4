# The three commands on a CPU: docker build -t wepdtof-pose .
#   docker run --rm -v "$PWD:/data" wepdtof-pose sspcm predict frames --draw -o poses
# The default torch of the package index carries CUDA; --build-arg TORCH_INDEX=ADDRESS names an index
# of CPU builds, with which the image is a few gigabytes smaller.
FROM python:3.11-slim

ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 WEPDTOF_CACHE_DIR=/cache

RUN useradd --create-home --uid 1000 user && mkdir /data /cache && chown user /data /cache
WORKDIR /app
COPY requirements.lock ./
# The version is that of the lock file.
# hadolint ignore=DL3013
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' requirements.lock)"
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY annotations annotations
COPY benchmarks benchmarks
COPY sspcm sspcm
COPY wepdtof_pose wepdtof_pose
RUN pip install --constraint requirements.lock '.[export]'

USER 1000
WORKDIR /data
CMD ["sspcm", "--help"]
