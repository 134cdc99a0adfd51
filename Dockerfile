# Two targets of the same versions: `cpu` for heads and CPU workers, `gpu` for GPU workers, which has CUDA's libraries.
# Another base image, of Debian with the same Python: --build-arg BASE=…
ARG BASE=python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/tunepipe

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*

# Before the code: they change seldom, and are nearly all of the image.
FROM environment AS dependencies
COPY requirements/cpu.txt requirements/slim.sh /build/requirements/
RUN /opt/tunepipe/bin/pip install --require-hashes -r /build/requirements/cpu.txt \
    && sh /build/requirements/slim.sh /opt/tunepipe

FROM environment AS dependencies-gpu
COPY requirements/gpu.txt requirements/slim.sh /build/requirements/
RUN /opt/tunepipe/bin/pip install --require-hashes -r /build/requirements/gpu.txt \
    && sh /build/requirements/slim.sh /opt/tunepipe

FROM dependencies AS wheel
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY k8s k8s
COPY pipeline pipeline
COPY tune_jobs tune_jobs
RUN /opt/tunepipe/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

# hadolint ignore=DL3006
FROM ${BASE} AS runtime
# KubeRay's probes call wget, its start commands bash. Versions are those of the base's own release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bash wget \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1000 tunepipe \
    && useradd --uid 1000 --gid 1000 --create-home tunepipe
ENV PATH=/opt/tunepipe/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="tunepipe" \
      org.opencontainers.image.description="Distributed hyperparameter tuning for Keras on Ray Tune" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /home/tunepipe
CMD ["tunepipe", "--help"]

FROM runtime AS gpu
COPY --from=dependencies-gpu /opt/tunepipe /opt/tunepipe
# Nothing that builds stays: neither the wheel's builder nor pip.
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir --no-deps /wheel/*.whl \
    && pip uninstall --yes hatchling editables trove-classifiers pip
USER 1000:1000

FROM runtime AS cpu
COPY --from=dependencies /opt/tunepipe /opt/tunepipe
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir --no-deps /wheel/*.whl \
    && pip uninstall --yes hatchling editables trove-classifiers pip
USER 1000:1000
