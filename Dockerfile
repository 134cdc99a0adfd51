# Two targets of the same versions: `cpu` for heads and CPU workers, `gpu` for GPU workers, which has CUDA's libraries.
# Another base image, of Debian with the same Python: --build-arg BASE=…
ARG BASE=python:3.11-slim-bookworm

# What installs, builds and describes, in a separate environment that is in no image.
# hadolint ignore=DL3006
FROM ${BASE} AS tools
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/tools/bin:$PATH
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/image.txt /build/requirements/
RUN python3 -m venv /opt/tools \
    && pip install --require-hashes -r /build/requirements/image.txt \
    && python3 -m venv --without-pip /opt/tunepipe

# Before the code: they change seldom, and are nearly all of the image. Bytecode is written for what studies import alone.
FROM tools AS dependencies
COPY requirements/cpu.txt requirements/slim.sh requirements/records.py requirements/bytecode.py /build/requirements/
RUN pip --python /opt/tunepipe/bin/python install --no-compile --require-hashes -r /build/requirements/cpu.txt \
    && sh /build/requirements/slim.sh /opt/tunepipe \
    && /opt/tunepipe/bin/python /build/requirements/records.py \
    && /opt/tunepipe/bin/python /build/requirements/bytecode.py
LABEL org.opencontainers.image.title="tunepipe"

FROM tools AS dependencies-gpu
COPY requirements/gpu.txt requirements/slim.sh requirements/records.py requirements/bytecode.py /build/requirements/
RUN pip --python /opt/tunepipe/bin/python install --no-compile --require-hashes -r /build/requirements/gpu.txt \
    && sh /build/requirements/slim.sh /opt/tunepipe \
    && /opt/tunepipe/bin/python /build/requirements/records.py \
    && /opt/tunepipe/bin/python /build/requirements/bytecode.py
LABEL org.opencontainers.image.title="tunepipe"

FROM tools AS wheel
# As in other stages that change: an old one, which has no name, is known by it.
LABEL org.opencontainers.image.title="tunepipe"
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY k8s k8s
COPY pipeline pipeline
COPY tune_jobs tune_jobs
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
    && sha256sum /opt/wheel/*.whl > /opt/wheel.sha256

# hadolint ignore=DL3006
FROM ${BASE} AS runtime
# KubeRay's probes call wget, its start commands bash. Versions are those of the base's own release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bash wget \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
    && groupadd --gid 1000 tunepipe \
    && useradd --uid 1000 --gid 1000 --create-home tunepipe
ENV PATH=/opt/tunepipe/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ARG BASE
LABEL org.opencontainers.image.title="tunepipe" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.description="Distributed hyperparameter tuning for Keras on Ray Tune" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /home/tunepipe
CMD ["tunepipe", "--help"]

FROM runtime AS gpu
# Where Google's clusters mount the driver's libraries; elsewhere there is no such folder.
ENV LD_LIBRARY_PATH=/usr/local/nvidia/lib64
COPY --from=dependencies-gpu /opt/tunepipe /opt/tunepipe
# podman compares no mounts: without this file, a build would reuse the layer with the code of an earlier one.
COPY --from=wheel /opt/wheel.sha256 /opt/tunepipe/
# The bill of materials (CycloneDX) lists the Python packages of the image.
RUN --mount=type=bind,from=wheel,source=/opt,target=/mnt \
    /mnt/tools/bin/python -m pip --python /opt/tunepipe/bin/python install --no-cache-dir --no-deps /mnt/wheel/*.whl \
    && /mnt/tools/bin/python -m cyclonedx_py environment --output-reproducible --output-file /opt/tunepipe/tunepipe.cdx.json /opt/tunepipe/bin/python
USER 1000:1000

FROM runtime AS cpu
COPY --from=dependencies /opt/tunepipe /opt/tunepipe
# podman compares no mounts: without this file, a build would reuse the layer with the code of an earlier one.
COPY --from=wheel /opt/wheel.sha256 /opt/tunepipe/
RUN --mount=type=bind,from=wheel,source=/opt,target=/mnt \
    /mnt/tools/bin/python -m pip --python /opt/tunepipe/bin/python install --no-cache-dir --no-deps /mnt/wheel/*.whl \
    && /mnt/tools/bin/python -m cyclonedx_py environment --output-reproducible --output-file /opt/tunepipe/tunepipe.cdx.json /opt/tunepipe/bin/python
USER 1000:1000
